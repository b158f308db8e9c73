/** What pages ask of the API, one function each. All throw Refusal. */

import { api, forget, must } from "./client.ts";
import type {
  Component, Denial, Fill, NearMiss, Order, Position, PositionView, RiskEvent, SectionView, Session, Signal, Start, StatusView,
  StrategyRow, StrategyText, Transition, Venue, Verdict,
} from "./model.ts";
import type { components } from "./schema.d.ts";

export type User = components["schemas"]["Me"];
type Why = components["schemas"]["Why"];
type KillSwitch = components["schemas"]["KillSwitch"];
type Version = components["schemas"]["VersionShape"];

const LIMIT = 100;
/** States of sessions that have ended. */
const OVER: readonly string[] = ["STOPPED", "ERROR", "KILLED"];

// --- who asks ---------------------------------------------------------------------------------------------------------

export async function setUp(code: string, name: string, password: string): Promise<void> {
  forget();
  await must(api.POST("/api/v1/auth/setup", { body: { code, name, password } }));
}

export async function enter(name: string, password: string): Promise<void> {
  forget();
  await must(api.POST("/api/v1/auth/login", { body: { name, password } }));
}

export async function leave(): Promise<void> {
  await must(api.POST("/api/v1/auth/logout"));
  forget();
}

export function whoAmI(): Promise<User> {
  return must(api.GET("/api/v1/auth/me"));
}

export async function confirmPassword(password: string): Promise<void> {
  await must(api.POST("/api/v1/auth/confirm", { body: { password } }));
}

export async function changePassword(old: string, wanted: string): Promise<void> {
  await must(api.POST("/api/v1/auth/password", { body: { old, new: wanted } }));
}

// --- what goes on -----------------------------------------------------------------------------------------------------

export async function allSessions(signal: AbortSignal): Promise<Session[]> {
  return (await must(api.GET("/api/v1/sessions", { params: { query: { limit: LIMIT } }, signal }))).items;
}

export interface Everything {
  readonly sessions: readonly Session[];
  readonly positions: readonly PositionView[];
  readonly orders: readonly Order[];
}

function viewOf(position: Position, signals: readonly Signal[]): PositionView {
  const opened_by = signals
    .filter((signal) => signal.signal_id !== null && signal.signal_id === position.signal_id && signal.session_id === position.session_id)
    .filter((signal) => signal.event === "fired" && (signal.section === "S1" || signal.section === "Z1"))
    .reverse();
  return { mark_price: null, mark_ts: null, unrealized: null, unrealized_pct: null, liquidation_distance_pct: null, ...position, opened_by };
}

/** The sessions that go on or hold something, with everything that is open. */
export async function everything(signal: AbortSignal): Promise<Everything> {
  const [sessions, positions, orders, signals] = await Promise.all([
    allSessions(signal),
    must(api.GET("/api/v1/positions", { params: { query: { status: "open", limit: LIMIT } }, signal })),
    must(api.GET("/api/v1/orders", { params: { query: { state: "open", limit: LIMIT } }, signal })),
    must(api.GET("/api/v1/signals", { params: { query: { event: "fired", limit: LIMIT } }, signal })),
  ]);
  const holders = new Set(positions.items.map((position) => position.session_id));
  return {
    sessions: sessions.filter((session) => !OVER.includes(session.state) || holders.has(session.id)),
    positions: positions.items.map((position) => viewOf(position, signals.items)),
    orders: orders.items,
  };
}

/** One session as it is, within everything. */
export async function statusOf(session: Session, all: Everything, signal: AbortSignal): Promise<StatusView> {
  const path = { id: session.id };
  const [status, conditions] = await Promise.all([
    must(api.GET("/api/v1/sessions/{id}/status", { params: { path }, signal })),
    must(api.GET("/api/v1/sessions/{id}/conditions", { params: { path }, signal })),
  ]);
  return {
    session,
    equity: status.equity,
    instances: status.instances.map((instance, at) => ({ ...instance, instance: at, id: `${session.id}.${at}`, since_ts: null })),
    sections: conditions.sections satisfies readonly SectionView[],
    positions: all.positions.filter((position) => position.session_id === session.id),
    orders: all.orders.filter((order) => order.session_id === session.id),
  };
}

export async function orders(isOpen: boolean, signal: AbortSignal): Promise<Order[]> {
  const query = { state: isOpen ? "open" : "all", limit: LIMIT } as const;
  return (await must(api.GET("/api/v1/orders", { params: { query }, signal }))).items;
}

export async function ordersOf(session: string, signal: AbortSignal): Promise<Order[]> {
  return (await must(api.GET("/api/v1/orders", { params: { query: { session, limit: LIMIT } }, signal }))).items;
}

export async function fills(signal: AbortSignal): Promise<Fill[]> {
  return (await must(api.GET("/api/v1/fills", { params: { query: { limit: LIMIT } }, signal }))).items;
}

export async function denials(signal: AbortSignal): Promise<Denial[]> {
  return (await must(api.GET("/api/v1/denials", { params: { query: { limit: LIMIT } }, signal }))).items;
}

export async function tradesOf(session: string, signal: AbortSignal): Promise<Position[]> {
  return (await must(api.GET("/api/v1/positions", { params: { query: { session, limit: LIMIT } }, signal }))).items;
}

export async function transitionsOf(id: string, signal: AbortSignal): Promise<Transition[]> {
  return (await must(api.GET("/api/v1/sessions/{id}/transitions", { params: { path: { id } }, signal }))).items;
}

export async function signals(signal: AbortSignal): Promise<Signal[]> {
  return (await must(api.GET("/api/v1/signals", { params: { query: { limit: LIMIT } }, signal }))).items;
}

export async function signalsOf(session: string, signal: AbortSignal): Promise<Signal[]> {
  return (await must(api.GET("/api/v1/signals", { params: { query: { session, limit: LIMIT } }, signal }))).items;
}

export function why(id: string, signal: AbortSignal): Promise<Why> {
  return must(api.GET("/api/v1/signals/{id}", { params: { path: { id } }, signal }));
}

export async function nearMisses(signal: AbortSignal): Promise<NearMiss[]> {
  return (await must(api.GET("/api/v1/signals/near-misses", { params: { query: { limit: LIMIT } }, signal }))).items;
}

export async function oneSession(id: string, signal: AbortSignal): Promise<{ session: Session; equity: string | null }> {
  const path = { id };
  const [session, status] = await Promise.all([
    must(api.GET("/api/v1/sessions/{id}", { params: { path }, signal })),
    must(api.GET("/api/v1/sessions/{id}/status", { params: { path }, signal })),
  ]);
  return { session, equity: status.equity };
}

// --- acts -------------------------------------------------------------------------------------------------------------

/** A key makes a repeated click one act. */
function once(key: string): { "Idempotency-Key": string } {
  return { "Idempotency-Key": key };
}

export function startDefaults(strategy: string): Promise<Start> {
  return must(api.GET("/api/v1/sessions/defaults", { params: { query: { strategy } } }));
}

export async function startSession(body: Start, key: string): Promise<string> {
  return (await must(api.POST("/api/v1/sessions", { body, headers: once(key) }))).session_id;
}

export async function stopSession(id: string, on_exit: "keep" | "flatten", key: string): Promise<void> {
  await must(api.POST("/api/v1/sessions/{id}/stop", { params: { path: { id } }, body: { on_exit }, headers: once(key) }));
}

export async function killSwitch(reason: string): Promise<void> {
  await must(api.PUT("/api/v1/risk/kill-switch", { body: { scope: "all", reason } }));
}

export async function rearm(scope: string, reason: string): Promise<void> {
  await must(api.POST("/api/v1/risk/rearm", { body: { scope, reason } }));
}

export async function acknowledge(id: string): Promise<void> {
  await must(api.POST("/api/v1/risk/events/{id}/ack", { params: { path: { id } } }));
}

// --- the rest ---------------------------------------------------------------------------------------------------------

export function killState(signal: AbortSignal): Promise<KillSwitch> {
  return must(api.GET("/api/v1/risk/kill-switch", { signal }));
}

export async function riskEvents(signal: AbortSignal): Promise<RiskEvent[]> {
  return (await must(api.GET("/api/v1/risk/events", { params: { query: { limit: LIMIT } }, signal }))).items;
}

export function strategies(signal: AbortSignal): Promise<StrategyRow[]> {
  return must(api.GET("/api/v1/strategies", { signal }));
}

export async function strategyText(id: string, signal: AbortSignal): Promise<StrategyText> {
  const answer = await api.GET("/api/v1/strategies/{id}", { params: { path: { id } }, signal });
  const found = await must(Promise.resolve(answer));
  return { yaml: found.yaml, version: found.version, etag: answer.response.headers.get("ETag") };
}

const NOT_THERE = '"0"';

export async function saveStrategy(id: string, yaml: string, etag: string | null): Promise<void> {
  const headers = { "If-Match": etag ?? NOT_THERE };
  await must(api.PUT("/api/v1/strategies/{id}", { params: { path: { id } }, body: { yaml }, headers }));
}

export function validate(yaml: string): Promise<Verdict> {
  return must(api.POST("/api/v1/strategies/validate", { body: { yaml } }));
}

export function venues(signal: AbortSignal): Promise<Venue[]> {
  return must(api.GET("/api/v1/market/venues", { signal }));
}

export async function components(signal: AbortSignal): Promise<Component[]> {
  return (await must(api.GET("/api/v1/system/components", { signal }))).items;
}

export function version(signal: AbortSignal): Promise<Version> {
  return must(api.GET("/api/v1/system/version", { signal }));
}
