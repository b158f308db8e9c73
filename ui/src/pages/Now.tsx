import { Button } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import type { InstanceView, PositionView, StatusView } from "../api/model.ts";
import { coin } from "../frame/AnswerLine.tsx";
import { toMs } from "../live/freshness.ts";
import { useWorld, type World } from "../live/world.ts";
import { Mode, Section } from "../parts/Marks.tsx";
import { Since, Time } from "../parts/Since.tsx";
import { Empty, Show } from "../parts/States.tsx";
import { Table } from "../parts/Table.tsx";
import { Value } from "../parts/Value.tsx";
import { Quote, Word } from "../parts/Word.tsx";
import { figure, places } from "../parts/figures.ts";
import { t } from "../text/text.ts";
import { ORDER_COLUMNS } from "./Orders.tsx";
import { SectionNow } from "./SectionNow.tsx";
import { Starter } from "./Starter.tsx";
import { StopSession } from "./StopSession.tsx";
import { Why } from "./Signals.tsx";

const MARK_CADENCE_MS = 1000;

function Position({ position, asset }: { position: PositionView; asset: string }) {
  const markMs = toMs(position.mark_ts);
  return (
    <section className="card open" data-position={position.id}>
      <div className="row apart">
        <h2>
          <Word of="side" word={position.side ?? ""} /> {coin(position.instrument)}
        </h2>
        <Since ts={position.opened_ts} />
      </div>
      <div className="big">
        <Value value={places(position.unrealized, 2)} unit={asset} atMs={markMs} cadenceMs={MARK_CADENCE_MS} isGain />{" "}
        <Value value={places(position.unrealized_pct, 2)} unit="%" atMs={markMs} cadenceMs={MARK_CADENCE_MS} isGain />
      </div>
      <dl className="facts">
        <dt>{t("pos.size")}</dt>
        <dd>{figure(position.qty)}</dd>
        <dt>{t("pos.entry")}</dt>
        <dd>{figure(position.entry_price)}</dd>
        <dt>{t("pos.mark")}</dt>
        <dd>
          <Value value={position.mark_price} atMs={markMs} cadenceMs={MARK_CADENCE_MS} hasAge />
        </dd>
        <dt>{t("pos.stop")}</dt>
        <dd className={position.stop === null ? "loss" : ""}>{position.stop === null ? t("answer.no_stop") : figure(position.stop)}</dd>
        <dt>{t("pos.target")}</dt>
        <dd>{figure(position.target)}</dd>
        <dt>{t("pos.liquidation")}</dt>
        <dd>
          {position.liquidation_price === null
            ? "–"
            : `${figure(position.liquidation_price)} (${figure(places(position.liquidation_distance_pct, 1))} %)`}
        </dd>
        <dt>{t("pos.leverage")}</dt>
        <dd>{position.leverage === null ? "–" : `${figure(position.leverage)}×`}</dd>
        <dt>{t("pos.fees")}</dt>
        <dd>
          {figure(places(position.fees, 4))} <span className="unit">{asset}</span>
        </dd>
      </dl>
      <h3>{t("pos.why")}</h3>
      {position.opened_by.length === 0 ? (
        <p>{t("answer.by_hand")}</p>
      ) : (
        position.opened_by.map((signal) => (
          <div key={signal.id}>
            <Time ts={signal.ts} /> <Section name={signal.section ?? ""} />
            <Why id={signal.id} />
          </div>
        ))
      )}
    </section>
  );
}

function InstanceCard({ instance, status }: { instance: InstanceView; status: StatusView }) {
  const sections = status.sections.filter((section) => section.instance === instance.instance);
  return (
    <section className="card" data-instance={instance.id}>
      <div className="row apart">
        <h2>
          <Quote>{instance.strategy}</Quote> · {instance.instrument}
        </h2>
        <span>
          <span className="state">
            <Word of="instance" word={instance.state} />
          </span>{" "}
          <Since ts={instance.since_ts} />
        </span>
      </div>
      {sections.map((section) => (
        <SectionNow key={section.section} section={section} />
      ))}
    </section>
  );
}

function SessionNow({ status }: { status: StatusView }) {
  const { session, positions, orders, instances } = status;
  const [asks, setAsks] = useState(false);
  return (
    <section aria-label={session.id} data-session={session.id}>
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
              {t("now.equity")} <strong className="figure">{figure(places(status.equity, 2))}</strong> <span className="unit">{session.asset ?? ""}</span>
            </span>
            <Button size="compact-sm" variant="default" onClick={() => setAsks(true)}>
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
        </div>
        <div>
          {instances.map((instance) => (
            <InstanceCard key={instance.id} instance={instance} status={status} />
          ))}
          <section className="card">
            <h2>{t("now.resting")}</h2>
            {orders.length === 0 ? (
              <p className="faint">{t("orders.none_open")}</p>
            ) : (
              <Table caption={t("now.resting")} rows={orders} columns={ORDER_COLUMNS} keyOf={(order) => order.id} />
            )}
          </section>
        </div>
      </div>
      {asks ? <StopSession status={status} onClose={() => setAsks(false)} /> : null}
    </section>
  );
}

function positionsFirst(world: World): readonly StatusView[] {
  return [...world.statuses].sort((a, b) => b.positions.length - a.positions.length);
}

/** What is going on: every open session with its position, its conditions and its orders; none: the starter alone. */
export function Now() {
  const loaded = useWorld();
  return (
    <>
      <h1 className="hidden">{t("page.now")}</h1>
      <Show
        of={loaded}
        isEmpty={(world) => world.sessions.length === 0}
        empty={
          <Empty text={t("now.empty")}>
            <Starter onStarted={loaded.reload} />
          </Empty>
        }
      >
        {(world) => (
          <>
            {positionsFirst(world).map((status) => (
              <SessionNow key={status.session.id} status={status} />
            ))}
          </>
        )}
      </Show>
    </>
  );
}
