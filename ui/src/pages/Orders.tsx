import { NativeSelect } from "@mantine/core";
import { useCallback, useState } from "react";
import { denials, fills, orders } from "../api/calls.ts";
import type { Denial, Fill, Order } from "../api/model.ts";
import { useResource } from "../live/resource.ts";
import { ORDER_COLUMNS } from "../parts/orders.tsx";
import { Time } from "../parts/Since.tsx";
import { Empty, Show } from "../parts/States.tsx";
import { Table, type Column } from "../parts/Table.tsx";
import { Quote, Word } from "../parts/Word.tsx";
import { figure, short } from "../parts/figures.ts";
import { t } from "../text/text.ts";

const EVERY_MS = 10_000;
const STREAMS = ["orders"];
const FILL_STREAMS = ["fills"];

const FILL_COLUMNS: readonly Column<Fill>[] = [
  { title: "col.time", cell: (fill) => <Time ts={fill.ts} /> },
  { title: "col.instrument", cell: (fill) => fill.instrument },
  { title: "col.side", cell: (fill) => <Word of="side" word={fill.side ?? ""} /> },
  { title: "col.role", cell: (fill) => <Word of="role" word={fill.role ?? ""} /> },
  { title: "col.qty", isNumber: true, cell: (fill) => figure(fill.qty) },
  { title: "col.price", isNumber: true, cell: (fill) => figure(fill.price) },
  { title: "col.fee", isNumber: true, cell: (fill) => `${short(fill.fee)} ${fill.fee_asset ?? ""}` },
  { title: "col.slippage", isNumber: true, isDesk: true, cell: (fill) => short(fill.slippage) },
  { title: "col.liquidity", isDesk: true, cell: (fill) => <Word of="liquidity" word={fill.liquidity ?? ""} /> },
  { title: "col.origin", isDesk: true, cell: (fill) => <Word of="origin" word={fill.origin ?? ""} /> },
];

const DENIAL_COLUMNS: readonly Column<Denial>[] = [
  { title: "col.time", cell: (denial) => <Time ts={denial.ts} /> },
  { title: "col.instrument", cell: (denial) => denial.instrument },
  { title: "col.check", cell: (denial) => <Quote>{denial.check_name ?? ""}</Quote> },
  { title: "col.asked", isNumber: true, cell: (denial) => figure(denial.asked) },
  { title: "col.allowed", isNumber: true, cell: (denial) => figure(denial.allowed) },
  { title: "col.reason", cell: (denial) => <Quote>{denial.text ?? denial.reason ?? ""}</Quote> },
];

function unknownFirst(rows: readonly Order[]): Order[] {
  return [
    ...rows.filter((row) => row.unknown_since_ts !== null),
    ...rows.filter((row) => row.unknown_since_ts === null),
  ];
}

/** Orders, those nobody answered first; fills; orders that our own checks refused. */
export default function Orders() {
  const [isOpen, setIsOpen] = useState(true);
  const loadOrders = useCallback((signal: AbortSignal) => orders(isOpen, signal), [isOpen]);
  const ours = useResource(loadOrders, STREAMS, EVERY_MS);
  const done = useResource(fills, FILL_STREAMS, EVERY_MS);
  const refused = useResource(denials, STREAMS, EVERY_MS);
  return (
    <>
      <h1>{t("page.orders")}</h1>
      <section className="card">
        <div className="row apart">
          <h2>{t("orders.orders")}</h2>
          <NativeSelect
            size="xs"
            aria-label={t("orders.which")}
            value={isOpen ? "open" : "all"}
            onChange={(event) => setIsOpen(event.currentTarget.value === "open")}
            data={[
              { value: "open", label: t("orders.open") },
              { value: "all", label: t("orders.all") },
            ]}
          />
        </div>
        <Show
          of={ours}
          isEmpty={(rows) => rows.length === 0}
          empty={<Empty text={t(isOpen ? "orders.none_open" : "orders.none")} />}
        >
          {(rows) => (
            <Table
              caption={t("orders.orders")}
              rows={unknownFirst(rows)}
              columns={ORDER_COLUMNS}
              keyOf={(row) => row.id}
            />
          )}
        </Show>
      </section>
      <section className="card">
        <h2>{t("orders.fills")}</h2>
        <Show of={done} isEmpty={(rows) => rows.length === 0} empty={<Empty text={t("orders.no_fills")} />}>
          {(rows) => <Table caption={t("orders.fills")} rows={rows} columns={FILL_COLUMNS} keyOf={(row) => row.id} />}
        </Show>
      </section>
      <section className="card">
        <h2>{t("orders.denials")}</h2>
        <Show of={refused} isEmpty={(rows) => rows.length === 0} empty={<Empty text={t("orders.no_denials")} />}>
          {(rows) => (
            <Table caption={t("orders.denials")} rows={rows} columns={DENIAL_COLUMNS} keyOf={(row) => row.id} />
          )}
        </Show>
      </section>
    </>
  );
}
