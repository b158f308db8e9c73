/** How old a value may be. Times are milliseconds; those of the server are nanoseconds since 1970 as decimal text. */

export type Freshness = "fresh" | "late" | "stale";

const LATE_MIN_MS = 1000;
const STALE_MIN_MS = 3000;
const NS_PER_MS = 1_000_000n;

/** Turn nanoseconds as text into milliseconds; null stays null. */
export function toMs(ts: string | null | undefined): number | null {
  return ts === null || ts === undefined || ts === "" ? null : Number(BigInt(ts) / NS_PER_MS);
}

/**
 * Judge a value by the cadence of its source: a coin that trades rarely is not a dead feed, and a closed bar is not
 * old before the next is due. Without a time nothing is known of it, so it counts as stale.
 */
export function freshness(atMs: number | null, cadenceMs: number, nowMs: number): Freshness {
  if (atMs === null) {
    return "stale";
  }
  const ageMs = nowMs - atMs;
  if (ageMs > Math.max(STALE_MIN_MS, 3 * cadenceMs)) {
    return "stale";
  }
  return ageMs > Math.max(LATE_MIN_MS, 2 * cadenceMs) ? "late" : "fresh";
}
