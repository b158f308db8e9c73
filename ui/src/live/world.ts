/** What is going on now, as every page sees it: one reading for the answer line, Now and the emergency stop. */

import { createContext, useContext } from "react";
import { everything, statusOf } from "../api/calls.ts";
import type { Order, PositionView, Session, StatusView } from "../api/model.ts";
import { useResource, type Loaded } from "./resource.ts";

export interface World {
  readonly sessions: readonly Session[];
  readonly statuses: readonly StatusView[];
  readonly positions: readonly PositionView[];
  readonly orders: readonly Order[];
}

/** How often it is read again when nobody tells of a change. */
const EVERY_MS = 3000;
const STREAMS = ["sessions", "positions", "orders", "signals", "risk"] as const;

async function readWorld(signal: AbortSignal): Promise<World> {
  const all = await everything(signal);
  const statuses = await Promise.all(all.sessions.map((session) => statusOf(session, all, signal)));
  return { ...all, statuses };
}

export function useReadWorld(): Loaded<World> {
  return useResource(readWorld, STREAMS, EVERY_MS);
}

const NOTHING: Loaded<World> = { state: { kind: "loading" }, reload: () => undefined };

export const WorldContext = createContext<Loaded<World>>(NOTHING);

export function useWorld(): Loaded<World> {
  return useContext(WorldContext);
}
