import type { Order } from "../api/model.ts";
import { coin, figure } from "./figures.ts";
import { OrderState } from "./OrderState.tsx";
import { Time } from "./Since.tsx";
import type { Column } from "./Table.tsx";
import { Quote, Word } from "./Word.tsx";

export const ORDER_COLUMNS: readonly Column<Order>[] = [
  { title: "col.state", cell: (order) => <OrderState order={order} /> },
  { title: "col.time", cell: (order) => <Time ts={order.submitted_ts} /> },
  { title: "col.instrument", cell: (order) => order.instrument },
  { title: "col.side", cell: (order) => <Word of="side" word={order.side ?? ""} /> },
  { title: "col.role", cell: (order) => <Word of="role" word={order.role ?? ""} /> },
  { title: "col.type", isDesk: true, cell: (order) => <Word of="type" word={order.type ?? ""} /> },
  { title: "col.filled", isNumber: true, cell: (order) => `${figure(order.filled_qty)} / ${figure(order.qty)}` },
  { title: "col.price", isNumber: true, cell: (order) => figure(order.stop_price ?? order.price) },
  { title: "col.average", isNumber: true, isDesk: true, cell: (order) => figure(order.avg_price) },
  { title: "col.reason", isDesk: true, cell: (order) => <Quote>{order.venue_text ?? order.reason ?? ""}</Quote> },
];

/** Where there is less room: of one session, so its instruments are coins. */
export const RESTING_COLUMNS: readonly Column<Order>[] = [
  { title: "col.state", cell: (order) => <OrderState order={order} /> },
  { title: "col.instrument", cell: (order) => coin(order.instrument) },
  { title: "col.role", cell: (order) => <Word of="role" word={order.role ?? ""} /> },
  { title: "col.side", cell: (order) => <Word of="side" word={order.side ?? ""} /> },
  { title: "col.filled", isNumber: true, cell: (order) => `${figure(order.filled_qty)} / ${figure(order.qty)}` },
  { title: "col.price", isNumber: true, cell: (order) => figure(order.stop_price ?? order.price) },
  { title: "col.time", cell: (order) => <Time ts={order.submitted_ts} /> },
];
