/** What pages ask of the API, one function each. All throw Refusal. */

import { api, forget, must } from "./client.ts";
import type {
  Component,
  Denial,
  Fill,
  NearMiss,
  Order,
  Position,
  RiskEvent,
  Session,
  Signal,
  Start,
  StrategyRow,
  StrategyText,
  Transition,
  Venue,
  Verdict,
} from "./model.ts";
import type { components } from "./schema.d.ts";

export type User = components["schemas"]["Me"];
type Why = components["schemas"]["Why"];
type KillSwitch = components["schemas"]["KillSwitchState"];
type Version = components["schemas"]["VersionShape"];

const LIMIT = 100;

// --- who asks --------------------------------------------------------------------------------------------------------

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

// --- what goes on ----------------------------------------------------------------------------------------------------

export async function allSessions(signal: AbortSignal): Promise<Session[]> {
  return (await must(api.GET("/api/v1/sessions", { params: { query: { limit: LIMIT } }, signal }))).items;
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

export async function oneSession(
  id: string,
  signal: AbortSignal,
): Promise<{ session: Session; equity: string | null }> {
  const path = { id };
  const [session, status] = await Promise.all([
    must(api.GET("/api/v1/sessions/{id}", { params: { path }, signal })),
    must(api.GET("/api/v1/sessions/{id}/status", { params: { path }, signal })),
  ]);
  return { session, equity: status.equity };
}

// --- acts ------------------------------------------------------------------------------------------------------------

/** A key makes a repeated click one act. */
function once(key: string): { "Idempotency-Key": string } {
  return { "Idempotency-Key": key };
}

export function startDefaults(strategy: string): Promise<Start> {
  return must(api.GET("/api/v1/sessions/defaults", { params: { query: { strategy } } }));
}

export async function startSession(body: Start, key: string): Promise<string> {
  return (await must(api.POST("/api/v1/sessions", { params: { header: once(key) }, body }))).session_id;
}

export async function stopSession(id: string, on_exit: "keep" | "flatten", key: string): Promise<void> {
  await must(
    api.POST("/api/v1/sessions/{id}/stop", { params: { path: { id }, header: once(key) }, body: { on_exit } }),
  );
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

// --- the rest --------------------------------------------------------------------------------------------------------

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
