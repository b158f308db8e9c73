/** The server's time, told by its greetings and by the answer with the shortest round trip. */

import { useSyncExternalStore } from "react";

export class ServerClock {
  private offsetMs = 0;
  private roundTripMs = Infinity;

  /** Learn from an answer: when it was asked for and received by our clock, and what the server's clock said. */
  learn(askedMs: number, receivedMs: number, serverMs: number): void {
    const roundTripMs = receivedMs - askedMs;
    if (roundTripMs <= this.roundTripMs) {
      this.roundTripMs = roundTripMs;
      this.offsetMs = serverMs - (askedMs + receivedMs) / 2;
    }
  }

  /** Forget what was learned: after a sleep, or at another server. */
  reset(): void {
    this.roundTripMs = Infinity;
  }

  nowMs(): number {
    return Date.now() + this.offsetMs;
  }
}

export const clock = new ServerClock();

const TICK_MS = 500;
const waiting = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let tick = 0;

function subscribe(wake: () => void): () => void {
  waiting.add(wake);
  timer ??= setInterval(() => {
    tick = clock.nowMs();
    waiting.forEach((each) => each());
  }, TICK_MS);
  return () => {
    waiting.delete(wake);
    if (waiting.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

function snapshot(): number {
  if (tick === 0 || timer === undefined) {
    tick = clock.nowMs();
  }
  return tick;
}

/** The server's time in milliseconds, new twice a second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, snapshot);
}
