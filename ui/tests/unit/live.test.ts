import { describe, expect, it } from "vitest";
import { ServerClock } from "../../src/live/clock.ts";
import { freshness, toMs } from "../../src/live/freshness.ts";
import { LiveStore } from "../../src/live/store.ts";

describe("the age of a value", () => {
  it.each([
    ["a mark each second", 900, 1000, "fresh"],
    ["a mark each second", 2100, 1000, "late"],
    ["a mark each second", 3001, 1000, "stale"],
    ["a coin that trades each 20 s", 30_000, 20_000, "fresh"],
    ["a bar of a minute", 61_000, 60_000, "fresh"],
    ["a bar of a minute", 180_001, 60_000, "stale"],
    ["a source that tells ten times a second", 999, 100, "fresh"],
    ["a source that tells ten times a second", 3001, 100, "stale"],
  ] as const)("%s, %d ms old", (_, ageMs, cadenceMs, wanted) => {
    expect(freshness(1_000_000, cadenceMs, 1_000_000 + ageMs)).toBe(wanted);
  });

  it("is not known without a time, so it is stale", () => {
    expect(freshness(null, 1000, 0)).toBe("stale");
  });

  it("keeps nanoseconds that are too large for a number", () => {
    expect(toMs("1790000000123456789")).toBe(1_790_000_000_123);
    expect(toMs(null)).toBeNull();
  });
});

describe("the server's clock", () => {
  it("believes the answer with the shortest way", () => {
    const clock = new ServerClock();
    clock.learn(1000, 1010, 61_005);
    clock.learn(2000, 2800, 99_999);
    expect(Math.round((clock.nowMs() - Date.now()) / 1000)).toBe(60);
  });
});

describe("the store", () => {
  it("wakes those of a changed key once a frame, with the last value", () => {
    const frames: (() => void)[] = [];
    const store = new LiveStore((flush) => frames.push(flush));
    const seen: (string | null | undefined)[] = [];
    store.subscribe("mark:A", () => seen.push(store.get("mark:A")?.value));
    store.subscribe("mark:B", () => seen.push("B"));
    ["1", "2", "3"].forEach((value) => store.put("mark:A", { value, atMs: 0, cadenceMs: 1000 }));
    expect([seen, frames.length]).toEqual([[], 1]);
    frames.forEach((flush) => flush());
    expect(seen).toEqual(["3"]);
  });

  it("wakes nobody who has left", () => {
    const frames: (() => void)[] = [];
    const store = new LiveStore((flush) => frames.push(flush));
    const seen: string[] = [];
    const leave = store.subscribe("mark:A", () => seen.push("A"));
    store.put("mark:A", { value: "1", atMs: 0, cadenceMs: 1000 });
    leave();
    frames.forEach((flush) => flush());
    expect(seen).toEqual([]);
  });
});
