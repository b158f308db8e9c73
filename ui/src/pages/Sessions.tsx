import { useCallback, useState } from "react";
import { Link, useLocation } from "wouter";
import { allSessions } from "../api/calls.ts";
import type { Session } from "../api/model.ts";
import { useResource } from "../live/resource.ts";
import { Mode } from "../parts/Marks.tsx";
import { Time } from "../parts/Since.tsx";
import { Empty, Show } from "../parts/States.tsx";
import { Table, type Column } from "../parts/Table.tsx";
import { Quote, Word } from "../parts/Word.tsx";
import { duration, figure } from "../parts/figures.ts";
import { toMs } from "../live/freshness.ts";
import { t } from "../text/text.ts";
import { Starter } from "./Starter.tsx";

const EVERY_MS = 10_000;
const STREAMS = ["sessions"];

function lengthOf(session: Session): string {
  const begin = toMs(session.started_ts);
  const end = toMs(session.ended_ts);
  return begin === null || end === null ? "–" : duration(end - begin);
}

const COLUMNS: readonly Column<Session>[] = [
  {
    title: "col.session",
    cell: (session) => (
      <Link href={`/sessions/${session.id}`} lang="en">
        {session.id}
      </Link>
    ),
  },
  { title: "col.mode", cell: (session) => <Mode mode={session.mode} /> },
  {
    title: "col.state",
    cell: (session) => (
      <span className="state">
        <Word of="session" word={session.state} />
      </span>
    ),
  },
  { title: "col.strategy", cell: (session) => <Quote>{session.strategies.join(", ")}</Quote> },
  { title: "col.instrument", isDesk: true, cell: (session) => session.instruments.join(", ") },
  { title: "col.started", cell: (session) => <Time ts={session.started_ts} isDated /> },
  { title: "col.length", isNumber: true, isDesk: true, cell: lengthOf },
  { title: "col.capital", isNumber: true, cell: (session) => `${figure(session.capital)} ${session.asset ?? ""}` },
  { title: "col.reason", isDesk: true, cell: (session) => <Quote>{session.reason ?? ""}</Quote> },
];

/** Every session, the newest first, and the way to start one. */
export default function Sessions() {
  const loaded = useResource(allSessions, STREAMS, EVERY_MS);
  const [, go] = useLocation();
  const open = useCallback((session: Session) => go(`/sessions/${session.id}`), [go]);
  const [isStarted, setIsStarted] = useState(false);
  return (
    <>
      <h1>{t("page.sessions")}</h1>
      <section className="card">
        <h2>{t("start.paper")}</h2>
        <Starter
          onStarted={() => {
            setIsStarted(true);
            loaded.reload();
          }}
        />
        {isStarted ? <p role="status">{t("start.done")}</p> : null}
      </section>
      <section className="card">
        <Show of={loaded} isEmpty={(rows) => rows.length === 0} empty={<Empty text={t("sessions.none")} />}>
          {(rows) => (
            <Table caption={t("page.sessions")} rows={rows} columns={COLUMNS} keyOf={(row) => row.id} open={open} />
          )}
        </Show>
      </section>
    </>
  );
}
