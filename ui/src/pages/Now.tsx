import { Button } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import type { PositionView } from "../api/model.ts";
import type { InstanceView, Status } from "../api/told.ts";
import { sizeOf } from "../frame/AnswerLine.tsx";
import { useLive } from "../live/values.ts";
import { useWorld, type World } from "../live/world.ts";
import { ConditionList } from "../parts/Conditions.tsx";
import { Mode, Section } from "../parts/Marks.tsx";
import { RESTING_COLUMNS } from "../parts/orders.tsx";
import { Since, Time } from "../parts/Since.tsx";
import { Empty, Skeleton } from "../parts/States.tsx";
import { Table } from "../parts/Table.tsx";
import { Value } from "../parts/Value.tsx";
import { Quote, Word } from "../parts/Word.tsx";
import { coin, figure, places } from "../parts/figures.ts";
import { t } from "../text/text.ts";
import { SectionNow } from "./SectionNow.tsx";
import { Starter } from "./Starter.tsx";
import { StopSession } from "./StopSession.tsx";

const SIGNALS_SHOWN = 5;

function Gain({ position, asset }: { position: PositionView; asset: string }) {
  const gain = useLive(position.session_id, `pnl:${String(position.instance)}`);
  const percent = useLive(position.session_id, `pnl_pct:${String(position.instance)}`);
  return (
    <div className="big" data-gain>
      <Value value={places(gain.value, 2)} unit={asset} atMs={gain.atMs} cadenceMs={gain.cadenceMs} isGain />{" "}
      <Value value={places(percent.value, 2)} unit="%" atMs={percent.atMs} cadenceMs={percent.cadenceMs} isGain />
    </div>
  );
}

function Mark({ position }: { position: PositionView }) {
  const mark = useLive(position.session_id, `mark:${position.instrument ?? ""}`);
  return <Value value={mark.value} atMs={mark.atMs} cadenceMs={mark.cadenceMs} hasAge />;
}

function Position({ position, asset }: { position: PositionView; asset: string }) {
  return (
    <section className="card open" data-position={position.id}>
      <div className="row apart">
        <h2>
          <Word of="side" word={position.side ?? ""} /> {sizeOf(position)} {coin(position.instrument)}
        </h2>
        <Since ts={position.opened_ts} />
      </div>
      <Gain position={position} asset={asset} />
      <dl className="facts">
        <dt>{t("pos.entry")}</dt>
        <dd>{figure(position.entry_price)}</dd>
        <dt>{t("pos.mark")}</dt>
        <dd>
          <Mark position={position} />
        </dd>
        <dt>{t("pos.stop")}</dt>
        <dd className={position.stop === null ? "loss" : ""}>
          {position.stop === null ? t("answer.no_stop") : figure(position.stop)}
        </dd>
        <dt>{t("pos.target")}</dt>
        <dd>{figure(position.target)}</dd>
        <dt>{t("pos.liquidation")}</dt>
        <dd>{figure(position.liquidation_price)}</dd>
        <dt>{t("pos.leverage")}</dt>
        <dd>{position.leverage === null ? "–" : `${figure(position.leverage)}×`}</dd>
        <dt>{t("pos.fees")}</dt>
        <dd>
          {figure(places(position.fees, 4))} <span className="unit">{asset}</span>
        </dd>
      </dl>
      <h3>{t("pos.why")}</h3>
      {position.opened_by.length === 0 ? (
        <p>{t(position.signal_id === null ? "answer.by_hand" : "answer.older")}</p>
      ) : (
        position.opened_by.map(({ signal, conditions }) => (
          <div key={signal.id} data-why={signal.section}>
            <p>
              <Time ts={signal.ts} /> <Section name={signal.section ?? ""} />{" "}
              {conditions.length === 0 ? t("now.immediate") : null}
            </p>
            {conditions.length === 0 ? null : <ConditionList conditions={conditions} />}
          </div>
        ))
      )}
    </section>
  );
}

function InstanceCard({ instance }: { instance: InstanceView }) {
  const { row, sections } = instance;
  return (
    <section className="card" data-instance={row.id}>
      <div className="row apart">
        <h2>
          <Quote>{row.strategy ?? ""}</Quote> · {coin(row.instrument)}
        </h2>
        <span>
          <span className="state">
            <Word of="instance" word={row.state ?? ""} />
          </span>{" "}
          <Since ts={row.state_since_ts} />
        </span>
      </div>
      {row.cooldown_until_ts === null ? null : (
        <p className="faint">
          {t("now.cooldown")} <Time ts={row.cooldown_until_ts} />
        </p>
      )}
      {sections.map((section) => (
        <SectionNow key={section.section} section={section} />
      ))}
    </section>
  );
}

function LastSignals({ status }: { status: Status }) {
  const shown = status.signals.slice(0, SIGNALS_SHOWN);
  return (
    <section className="card">
      <h2>{t("now.last")}</h2>
      {shown.length === 0 ? (
        <p className="faint">{t("signals.none")}</p>
      ) : (
        <ul className="steps">
          {shown.map(({ signal }) => (
            <li key={signal.id}>
              <Time ts={signal.ts} /> <Section name={signal.section ?? ""} /> {coin(signal.instrument)}{" "}
              <Word of="event" word={signal.event ?? ""} />{" "}
              {signal.reason === null ? null : <Word of="reason" word={signal.reason} />}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Head({ status, onStop }: { status: Status; onStop: () => void }) {
  const { session } = status;
  const equity = useLive(session.id, "equity");
  return (
    <div className={session.is_answering ? "card" : "card amber"}>
      <div className="row apart">
        <span className="row">
          <Mode mode={session.mode} />
          <Link href={`/sessions/${session.id}`}>
            <Quote>{session.strategies.join(", ")}</Quote>
          </Link>
          <span className="state" data-state-word>
            <Word of="session" word={session.state} />
          </span>
          <Since ts={session.state_since_ts} />
        </span>
        <span className="row">
          <span>
            {t("now.equity")}{" "}
            <Value
              value={places(equity.value, 2)}
              unit={session.asset ?? ""}
              atMs={equity.atMs}
              cadenceMs={equity.cadenceMs}
            />
          </span>
          <Button size="compact-sm" variant="default" onClick={onStop}>
            {t("session.stop")}
          </Button>
        </span>
      </div>
      {session.is_answering ? null : (
        <p className="loss">
          {t("now.silent")} <Since ts={session.said_ts} />
        </p>
      )}
      {session.reason === null ? null : (
        <p>
          <Quote>{session.reason}</Quote>
        </p>
      )}
    </div>
  );
}

function SessionNow({ status }: { status: Status }) {
  const { session, positions, orders, instances } = status;
  const [asks, setAsks] = useState(false);
  return (
    <section aria-label={session.id} data-session={session.id}>
      <Head status={status} onStop={() => setAsks(true)} />
      <div className="columns">
        <div>
          {positions.map((position) => (
            <Position key={position.id} position={position} asset={session.asset ?? ""} />
          ))}
          {positions.length === 0 ? (
            <section className="card">
              <p className="big">{t("answer.none")}</p>
              <p className="faint">{t("now.waiting")}</p>
            </section>
          ) : null}
          <LastSignals status={status} />
        </div>
        <div>
          {instances.map((instance) => (
            <InstanceCard key={instance.row.id} instance={instance} />
          ))}
          <section className="card">
            <h2>{t("now.resting")}</h2>
            {orders.length === 0 ? (
              <p className="faint">{t("orders.none_open")}</p>
            ) : (
              <Table caption={t("now.resting")} rows={orders} columns={RESTING_COLUMNS} keyOf={(order) => order.id} />
            )}
          </section>
        </div>
      </div>
      {asks ? <StopSession status={status} onClose={() => setAsks(false)} /> : null}
    </section>
  );
}

function positionsFirst(world: World): readonly Status[] {
  return [...world.statuses].sort((a, b) => b.positions.length - a.positions.length);
}

/** What is going on: every open session with its position, its conditions and its orders; none: the starter alone. */
export function Now() {
  const world = useWorld();
  return (
    <>
      <h1 className="hidden">{t("page.now")}</h1>
      {world === null ? <Skeleton /> : null}
      {world?.sessions.length === 0 ? (
        <Empty text={t("now.empty")}>
          <Starter onStarted={() => undefined} />
        </Empty>
      ) : null}
      {world === null
        ? null
        : positionsFirst(world).map((status) => <SessionNow key={status.session.id} status={status} />)}
    </>
  );
}
