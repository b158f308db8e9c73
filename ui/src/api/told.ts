/** Rows of the WebSocket as pages use them. */

import type { StreamState } from "../live/rows.ts";
import type { Condition, Instance, NearMiss, Order, Position, PositionView, Session, Signal } from "./model.ts";
import type { components } from "./schema.d.ts";

type SessionStatus = components["schemas"]["SessionStatus"];

/** States of sessions that have ended. */
const OVER: readonly string[] = ["STOPPED", "ERROR", "KILLED"];
const OPEN_ORDERS: readonly string[] = [
  "INITIALIZED",
  "SUBMITTED",
  "IN_FLIGHT",
  "ACCEPTED",
  "PARTIALLY_FILLED",
  "PENDING_CANCEL",
  "UNKNOWN",
];
const OPEN_POSITIONS: readonly string[] = ["open", "foreign"];

export interface Plan {
  readonly place: number;
  readonly variant: string;
  readonly text: string;
  readonly unit: string;
}

/** A condition that is watched: the nearest it came, with its words. */
export interface Watched {
  readonly key: string;
  readonly text: string;
  readonly unit: string;
  readonly nearest: NearMiss | null;
}

export interface SectionView {
  readonly section: string;
  readonly watched: readonly Watched[];
}

export interface InstanceView {
  readonly row: Instance;
  readonly sections: readonly SectionView[];
}

export interface Status {
  readonly session: Session;
  readonly said: SessionStatus | null;
  readonly instances: readonly InstanceView[];
  readonly positions: readonly PositionView[];
  readonly orders: readonly Order[];
  readonly signals: readonly { readonly signal: Signal; readonly conditions: readonly Condition[] }[];
}

export type GoingSession = Session & { readonly is_open: boolean };

/** All sessions that the stream told of; null before it did. */
export function sessionsOf(state: StreamState | undefined): GoingSession[] | null {
  const whole = state?.whole as { sessions?: Session[] } | null | undefined;
  return whole?.sessions?.map((session) => ({ ...session, is_open: !OVER.includes(session.state) })) ?? null;
}

function table<T>(state: StreamState, name: string): T[] {
  return [...(state.tables.get(name)?.values() ?? [])] as unknown as T[];
}

function numberOf(id: string | null): number {
  return Number(id ?? 0);
}

function sectionsOf(instance: Instance, misses: readonly NearMiss[]): SectionView[] {
  const plan = (instance.plan as { sections?: Record<string, Plan[]> } | null)?.sections ?? {};
  return Object.entries(plan).map(([section, conditions]) => {
    const ours = misses.filter((miss) => miss.instance === instance.instance && miss.section === section);
    const since =
      ours
        .map((miss) => miss.since_ts)
        .sort((a, b) => numberOf(a) - numberOf(b))
        .at(-1) ?? null;
    return {
      section,
      watched: conditions.map((condition) => ({
        key: String(condition.place),
        text: condition.text,
        unit: condition.unit === "price" ? "" : condition.unit,
        nearest: ours.find((miss) => miss.place === condition.place && miss.since_ts === since) ?? null,
      })),
    };
  });
}

/** One session as its rows tell; null before the first of them. */
export function statusOf(
  session: Session,
  state: StreamState | undefined,
  said: StreamState | undefined,
): Status | null {
  if (state === undefined) {
    return null;
  }
  const conditions = table<Condition>(state, "conditions");
  const signals = table<Signal>(state, "signals")
    .sort((a, b) => (b.seq ?? 0) - (a.seq ?? 0) || (b.n ?? 0) - (a.n ?? 0))
    .map((signal) => ({
      signal,
      conditions: conditions
        .filter((condition) => condition.seq === signal.seq && condition.n === signal.n)
        .sort((a, b) => (a.place ?? 0) - (b.place ?? 0)),
    }));
  const opening = signals.filter(
    ({ signal }) => signal.event === "fired" && (signal.section === "S1" || signal.section === "Z1"),
  );
  const misses = table<NearMiss>(state, "closest");
  const positions = table<Position>(state, "positions")
    .filter((position) => OPEN_POSITIONS.includes(position.status ?? ""))
    .sort((a, b) => numberOf(a.opened_ts) - numberOf(b.opened_ts));
  const orders = table<Order>(state, "orders")
    .filter((order) => OPEN_ORDERS.includes(order.state ?? "") || order.unknown_since_ts !== null)
    .sort((a, b) => numberOf(a.submitted_ts) - numberOf(b.submitted_ts));
  return {
    session,
    said: (said?.whole ?? null) as SessionStatus | null,
    instances: table<Instance>(state, "instances")
      .sort((a, b) => (a.instance ?? 0) - (b.instance ?? 0))
      .map((row) => ({ row, sections: sectionsOf(row, misses) })),
    positions: positions.map((position) => ({
      ...position,
      opened_by: opening
        .filter(({ signal }) => signal.signal_id !== null && signal.signal_id === position.signal_id)
        .reverse(),
    })),
    orders: [
      ...orders.filter((order) => order.unknown_since_ts !== null),
      ...orders.filter((order) => order.unknown_since_ts === null),
    ],
    signals,
  };
}
