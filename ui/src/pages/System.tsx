import { components, version } from "../api/calls.ts";
import type { Component } from "../api/model.ts";
import { useResource } from "../live/resource.ts";
import { Since } from "../parts/Since.tsx";
import { Empty, Show } from "../parts/States.tsx";
import { Table, type Column } from "../parts/Table.tsx";
import { Quote, Word } from "../parts/Word.tsx";
import { duration } from "../parts/figures.ts";
import { t } from "../text/text.ts";

const EVERY_MS = 5000;
const STREAMS = ["system"];
const COLUMNS: readonly Column<Component>[] = [
  { title: "col.component", cell: (part) => <Quote>{part.name}</Quote> },
  {
    title: "col.state",
    cell: (part) => (
      <span className={part.state === "ok" ? "tag" : "tag warn"}>
        <Word of="component" word={part.state} />
      </span>
    ),
  },
  { title: "col.age", isNumber: true, cell: (part) => (part.age_s === null ? "–" : duration(part.age_s * 1000)) },
  { title: "col.since", isDesk: true, cell: (part) => <Since ts={part.since_ts} /> },
  { title: "col.reason", cell: (part) => <Quote>{part.reason}</Quote> },
];

/** The parts of the platform: how each is, since when, and why. */
export default function System() {
  const parts = useResource(components, STREAMS, EVERY_MS);
  const running = useResource(version, []);
  return (
    <>
      <h1>{t("page.system")}</h1>
      <section className="card">
        <h2>{t("system.components")}</h2>
        <Show of={parts} isEmpty={(rows) => rows.length === 0} empty={<Empty text={t("system.none")} />}>
          {(rows) => <Table caption={t("system.components")} rows={rows} columns={COLUMNS} keyOf={(row) => row.name} />}
        </Show>
      </section>
      <section className="card">
        <h2>{t("system.version")}</h2>
        <Show of={running}>{(found) => <p className="mono">{`tightloop ${found.version}, API ${found.api}`}</p>}</Show>
      </section>
    </>
  );
}
