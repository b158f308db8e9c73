import { useCallback, useSyncExternalStore } from "react";
import { live } from "../api/socket.ts";
import type { LiveValue } from "./store.ts";

const NOT_KNOWN: LiveValue = { value: null, atMs: null, cadenceMs: 1000 };

/** A value that moves, of a session and by its key; a change renders whoever shows it, nothing else. */
export function useLive(session: string, key: string): LiveValue {
  const name = `values/${session} ${key}`;
  const subscribe = useCallback((wake: () => void) => live.subscribe(name, wake), [name]);
  return useSyncExternalStore(subscribe, () => live.get(name) ?? NOT_KNOWN);
}
