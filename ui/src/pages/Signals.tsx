import { useCallback, useState } from "react";
import { nearMisses, signals, why } from "../api/calls.ts";
import type { NearMiss, Signal } from "../api/model.ts";
import { useResource } from "../live/resource.ts";
import { ConditionList } from "../parts/Conditions.tsx";
import { Section } from "../parts/Marks.tsx";
import { Time } from "../parts/Since.tsx";
import { Empty, Show } from "../parts/States.tsx";
import { Table, type Column } from "../parts/Table.tsx";
import { Word } from "../parts/Word.tsx";
import { figure } from "../parts/figures.ts";
import { t } from "../text/text.ts";

const EVERY_MS = 10_000;
const STREAMS = ["signals"];

const MISS_COLUMNS: readonly Column<NearMiss>[] = [
  { title: "col.section", cell: (miss) => <Section name={miss.section ?? ""} /> },
  { title: "col.strategy", cell: (miss) => miss.session_id },
  { title: "col.value", isNumber: true, cell: (miss) => figure(miss.value) },
  { title: "col.threshold", isNumber: true, cell: (miss) => figure(miss.threshold) },
  { title: "col.distance", isNumber: true, cell: (miss) => figure(miss.distance) },
  {
    title: "col.others",
    isNumber: true,
    cell: (miss) => `${String(miss.others_met ?? "–")} / ${String(miss.others ?? "–")}`,
  },
  { title: "col.time", cell: (miss) => <Time ts={miss.at_ts} /> },
];

export function Why({ id }: { id: string }) {
  const load = useCallback((signal: AbortSignal) => why(id, signal), [id]);
  const found = useResource(load, []);
  return <Show of={found}>{(answer) => <ConditionList conditions={answer.conditions} />}</Show>;
}

function SignalLine({ signal, isOpen, toggle }: { signal: Signal; isOpen: boolean; toggle: () => void }) {
  return (
    <li>
      <button type="button" className="plain" aria-expanded={isOpen} onClick={toggle}>
        <Time ts={signal.ts} isDated /> <Section name={signal.section ?? ""} /> {signal.instrument}{" "}
        <Word of="event" word={signal.event ?? ""} />{" "}
        <span className="faint">
          {signal.strategy} {figure(signal.price)}{" "}
          {signal.reason === null ? null : <Word of="reason" word={signal.reason} />}
        </span>
      </button>
      {isOpen ? <Why id={signal.id} /> : null}
    </li>
  );
}

/** What fired or was held back, each with all its conditions; and what nearly did. */
export default function Signals() {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const found = useResource(signals, STREAMS, EVERY_MS);
  const misses = useResource(nearMisses, STREAMS, EVERY_MS);
  const toggle = (id: string) =>
    setOpen((before) => {
      const after = new Set(before);
      if (!after.delete(id)) {
        after.add(id);
      }
      return after;
    });
  return (
    <>
      <h1>{t("page.signals")}</h1>
      <section className="card">
        <h2>{t("signals.fired")}</h2>
        <Show of={found} isEmpty={(rows) => rows.length === 0} empty={<Empty text={t("signals.none")} />}>
          {(rows) => (
            <ul className="steps">
              {rows.map((row) => (
                <SignalLine key={row.id} signal={row} isOpen={open.has(row.id)} toggle={() => toggle(row.id)} />
              ))}
            </ul>
          )}
        </Show>
      </section>
      <section className="card">
        <h2>{t("signals.near")}</h2>
        <Show of={misses} isEmpty={(rows) => rows.length === 0} empty={<Empty text={t("signals.no_near")} />}>
          {(rows) => <Table caption={t("signals.near")} rows={rows} columns={MISS_COLUMNS} keyOf={(row) => row.id} />}
        </Show>
      </section>
    </>
  );
}
