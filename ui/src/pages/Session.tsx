import { useCallback } from "react";
import { Link } from "wouter";
import { ordersOf, oneSession, signalsOf, tradesOf, transitionsOf } from "../api/calls.ts";
import type { Position, Transition } from "../api/model.ts";
import { useResource } from "../live/resource.ts";
import { Mode, Section } from "../parts/Marks.tsx";
import { ORDER_COLUMNS } from "../parts/orders.tsx";
import { Since, Time } from "../parts/Since.tsx";
import { Empty, Show } from "../parts/States.tsx";
import { Table, type Column } from "../parts/Table.tsx";
import { Quote, Word } from "../parts/Word.tsx";
import { figure, places, signed, tone } from "../parts/figures.ts";
import { t } from "../text/text.ts";

const EVERY_MS = 5000;

const TRADES: readonly Column<Position>[] = [
  { title: "col.time", cell: (trade) => <Time ts={trade.opened_ts} isDated /> },
  { title: "col.instrument", cell: (trade) => trade.instrument },
  { title: "col.side", cell: (trade) => <Word of="side" word={trade.side ?? ""} /> },
  { title: "col.qty", isNumber: true, cell: (trade) => figure(trade.entry_qty) },
  { title: "pos.entry", isNumber: true, cell: (trade) => figure(trade.entry_price) },
  { title: "col.exit", isNumber: true, cell: (trade) => figure(trade.exit_price) },
  {
    title: "col.realized",
    isNumber: true,
    cell: (trade) => <span className={tone(trade.realized)}>{signed(places(trade.realized, 4))}</span>,
  },
  { title: "pos.fees", isNumber: true, isDesk: true, cell: (trade) => figure(places(trade.fees, 4)) },
  { title: "col.state", cell: (trade) => <Word of="trade" word={trade.status ?? ""} /> },
  {
    title: "col.reason",
    cell: (trade) => (trade.exit_reason === null ? "" : <Word of="reason" word={trade.exit_reason} />),
  },
];

const STEPS: readonly Column<Transition>[] = [
  { title: "col.time", cell: (step) => <Time ts={step.ts} isDated /> },
  { title: "col.from", cell: (step) => <Word of="instance" word={step.from_state ?? ""} /> },
  { title: "col.to", cell: (step) => <Word of="instance" word={step.to_state ?? ""} /> },
  { title: "col.reason", cell: (step) => (step.reason === null ? "" : <Word of="reason" word={step.reason} />) },
];

/** One session: how it is or was, its trades, its steps, its orders, its signals. */
export default function Session({ id }: { id: string }) {
  const streams = ["sessions", "positions", "orders", "signals"];
  const status = useResource(
    useCallback((signal: AbortSignal) => oneSession(id, signal), [id]),
    streams,
    EVERY_MS,
  );
  const trades = useResource(
    useCallback((signal: AbortSignal) => tradesOf(id, signal), [id]),
    streams,
    EVERY_MS,
  );
  const steps = useResource(
    useCallback((signal: AbortSignal) => transitionsOf(id, signal), [id]),
    streams,
    EVERY_MS,
  );
  const orders = useResource(
    useCallback((signal: AbortSignal) => ordersOf(id, signal), [id]),
    streams,
    EVERY_MS,
  );
  const signals = useResource(
    useCallback((signal: AbortSignal) => signalsOf(id, signal), [id]),
    streams,
    EVERY_MS,
  );
  return (
    <>
      <h1 lang="en">{id}</h1>
      <section className="card">
        <Show of={status}>
          {({ session, equity }) => (
            <>
              <p className="row">
                <Mode mode={session.mode} />
                <span className="state">
                  <Word of="session" word={session.state} />
                </span>
                <Since ts={session.state_since_ts} />
                {session.reason === null ? null : <Quote>{session.reason}</Quote>}
              </p>
              <dl className="facts">
                <dt>{t("start.strategy")}</dt>
                <dd lang="en">{session.strategies.join(", ")}</dd>
                <dt>{t("start.venue")}</dt>
                <dd>{session.venue}</dd>
                <dt>{t("start.instruments")}</dt>
                <dd>{session.instruments.join(", ")}</dd>
                <dt>{t("now.equity")}</dt>
                <dd>
                  {figure(places(equity, 2))} <span className="unit">{session.asset ?? ""}</span>
                </dd>
                <dt>{t("col.started")}</dt>
                <dd>
                  <Time ts={session.started_ts} isDated />
                </dd>
              </dl>
              <Link href="/sessions">{t("session.all")}</Link>
            </>
          )}
        </Show>
      </section>
      <section className="card">
        <h2>{t("session.trades")}</h2>
        <Show of={trades} isEmpty={(rows) => rows.length === 0} empty={<Empty text={t("session.no_trades")} />}>
          {(rows) => <Table caption={t("session.trades")} rows={rows} columns={TRADES} keyOf={(row) => row.id} />}
        </Show>
      </section>
      <section className="card">
        <h2>{t("signals.fired")}</h2>
        <Show of={signals} isEmpty={(rows) => rows.length === 0} empty={<Empty text={t("signals.none")} />}>
          {(rows) => (
            <ul className="steps">
              {rows.map((row) => (
                <li key={row.id}>
                  <Time ts={row.ts} isDated /> <Section name={row.section ?? ""} /> {row.instrument}{" "}
                  <Word of="event" word={row.event ?? ""} />
                </li>
              ))}
            </ul>
          )}
        </Show>
      </section>
      <section className="card">
        <h2>{t("session.steps")}</h2>
        <Show of={steps} isEmpty={(rows) => rows.length === 0} empty={<Empty text={t("session.no_steps")} />}>
          {(rows) => <Table caption={t("session.steps")} rows={rows} columns={STEPS} keyOf={(row) => row.id} />}
        </Show>
      </section>
      <section className="card">
        <h2>{t("orders.orders")}</h2>
        <Show of={orders} isEmpty={(rows) => rows.length === 0} empty={<Empty text={t("orders.none")} />}>
          {(rows) => <Table caption={t("orders.orders")} rows={rows} columns={ORDER_COLUMNS} keyOf={(row) => row.id} />}
        </Show>
      </section>
    </>
  );
}
