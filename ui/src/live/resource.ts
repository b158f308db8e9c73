/** What a page loads: the state it is in, and old values kept while new ones come. */

import { useCallback, useEffect, useRef, useState } from "react";
import { Refusal } from "../api/client.ts";
import { clock } from "./clock.ts";
import { rows, socket } from "../api/socket.ts";

export type Resource<T> =
  | { readonly kind: "loading" }
  | {
      readonly kind: "ready";
      readonly value: T;
      readonly staleSinceMs: number | null;
      readonly refusal: Refusal | null;
    }
  | { readonly kind: "failed"; readonly refusal: Refusal }
  | { readonly kind: "forbidden"; readonly refusal: Refusal };

export interface Loaded<T> {
  readonly state: Resource<T>;
  readonly reload: () => void;
}

const FORBIDDEN = 403;
/** Between two readings after changes, so that a busy session does not use up what the server allows. */
const AT_MOST_EVERY_MS = 2000;

/**
 * Load something at once, again when one of these streams says that something changed, and every so many milliseconds.
 * A failure leaves what was there, as stale.
 */
export function useResource<T>(
  load: (signal: AbortSignal) => Promise<T>,
  streams: readonly string[],
  everyMs?: number,
): Loaded<T> {
  const [state, setState] = useState<Resource<T>>({ kind: "loading" });
  const [round, setRound] = useState(0);
  const reload = useCallback(() => setRound((number) => number + 1), []);
  const latest = useRef(load);
  useEffect(() => {
    if (latest.current !== load) {
      latest.current = load;
      setState({ kind: "loading" });
    }
    const stop = new AbortController();
    load(stop.signal).then(
      (value) => {
        if (!stop.signal.aborted) {
          setState({ kind: "ready", value, staleSinceMs: null, refusal: null });
        }
      },
      (error: unknown) => {
        if (stop.signal.aborted) {
          return;
        }
        const refusal = Refusal.of(error);
        setState((before) => {
          if (refusal.status === FORBIDDEN) {
            return { kind: "forbidden", refusal };
          }
          return before.kind === "ready"
            ? { ...before, staleSinceMs: before.staleSinceMs ?? clock.nowMs(), refusal }
            : { kind: "failed", refusal };
        });
      },
    );
    return () => stop.abort();
  }, [load, round]);
  const joined = streams.join(" ");
  useEffect(() => {
    const names = joined === "" ? [] : joined.split(" ");
    const leave = socket.follow(names);
    const placesOf = () => names.map((name) => rows.place(name) ?? String(rows.state(name) !== undefined)).join(" ");
    let seen = placesOf();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const forget = rows.subscribe(() => {
      const places = placesOf();
      if (places !== seen) {
        seen = places;
        timer ??= setTimeout(() => {
          timer = undefined;
          reload();
        }, AT_MOST_EVERY_MS);
      }
    });
    return () => {
      clearTimeout(timer);
      forget();
      leave();
    };
  }, [joined, reload]);
  useEffect(() => {
    const timer = everyMs === undefined ? undefined : setInterval(reload, everyMs);
    return () => clearInterval(timer);
  }, [everyMs, reload]);
  return { state, reload };
}
