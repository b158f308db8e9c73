/** What is going on now, as every page sees it: the answer line, Now and the emergency stop show the same rows. */

import { createContext, useContext, useEffect, useSyncExternalStore } from "react";
import { rows, socket } from "../api/socket.ts";
import { sessionsOf, statusOf, type GoingSession, type Status } from "../api/told.ts";
import type { Order, PositionView } from "../api/model.ts";

export interface World {
  /** Those that have not ended. */
  readonly sessions: readonly GoingSession[];
  readonly statuses: readonly Status[];
  readonly positions: readonly PositionView[];
  readonly orders: readonly Order[];
}

interface Seen {
  readonly going: readonly GoingSession[] | null;
  readonly world: World | null;
}

function build(): Seen {
  const going = sessionsOf(rows.state("sessions"))?.filter((session) => session.is_open) ?? null;
  if (going === null) {
    return { going, world: null };
  }
  const statuses = going.flatMap(
    (session) => statusOf(session, rows.state(`session/${session.id}`), rows.state(`status/${session.id}`)) ?? [],
  );
  const world = {
    sessions: going,
    statuses,
    positions: statuses.flatMap((status) => status.positions),
    orders: statuses.flatMap((status) => status.orders),
  };
  return { going, world: statuses.length < going.length ? null : world };
}

let builtOf = -1;
let built: Seen = { going: null, world: null };

function snapshot(): Seen {
  if (builtOf !== rows.version) {
    built = build();
    builtOf = rows.version;
  }
  return built;
}

/** Follow streams while shown. */
export function useFollowed(streams: readonly string[]): void {
  const joined = streams.join(" ");
  useEffect(() => (joined === "" ? undefined : socket.follow(joined.split(" "))), [joined]);
}

/** Follow all that is open; null while it is not known. */
export function useReadWorld(): World | null {
  const { going, world } = useSyncExternalStore(rows.subscribe, snapshot);
  // Of each session its rows, what it says of itself, and the values that move.
  const streams = (going ?? []).flatMap(({ id }) => [`session/${id}`, `status/${id}`, `values/${id}`]);
  useFollowed(["sessions", ...streams]);
  return world;
}

export const WorldContext = createContext<World | null>(null);

export function useWorld(): World | null {
  return useContext(WorldContext);
}
