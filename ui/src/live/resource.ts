/** What a page loads: the state it is in, and old values kept while new ones come. */

import { useCallback, useEffect, useRef, useState } from "react";
import { Refusal } from "../api/client.ts";
import { changes } from "../api/socket.ts";

export type Resource<T> =
  | { readonly kind: "loading" }
  | { readonly kind: "ready"; readonly value: T; readonly staleSinceMs: number | null; readonly refusal: Refusal | null }
  | { readonly kind: "failed"; readonly refusal: Refusal }
  | { readonly kind: "forbidden"; readonly refusal: Refusal };

export interface Loaded<T> {
  readonly state: Resource<T>;
  readonly reload: () => void;
}

const FORBIDDEN = 403;

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
            ? { ...before, staleSinceMs: before.staleSinceMs ?? Date.now(), refusal }
            : { kind: "failed", refusal };
        });
      },
    );
    return () => stop.abort();
  }, [load, round]);
  const joined = streams.join(" ");
  useEffect(() => changes.listen(joined === "" ? [] : joined.split(" "), reload), [joined, reload]);
  useEffect(() => {
    const timer = everyMs === undefined ? undefined : setInterval(reload, everyMs);
    return () => clearInterval(timer);
  }, [everyMs, reload]);
  return { state, reload };
}
