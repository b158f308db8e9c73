import { describe, expect, it } from "vitest";
import { KeyReader, type Meaning, type Pressed } from "../../src/frame/keys.ts";

const PLAIN: Omit<Pressed, "key" | "atMs"> = { isShift: false, isControl: false, isInField: false, hasLayer: false };

function read(keys: readonly (Partial<Pressed> & { key: string; atMs: number })[], hasLetters = true): Meaning[] {
  const reader = new KeyReader(() => hasLetters);
  return keys.map((pressed) => reader.read({ ...PLAIN, ...pressed })).filter((meaning) => meaning.kind !== "none");
}

describe("keys", () => {
  it("go to a page by g and a letter, if it comes soon", () => {
    expect(
      read([
        { key: "g", atMs: 0 },
        { key: "o", atMs: 500 },
      ]),
    ).toEqual([{ kind: "go", path: "/orders" }]);
    expect(
      read([
        { key: "g", atMs: 0 },
        { key: "o", atMs: 1600 },
      ]),
    ).toEqual([]);
  });

  it("stop everything by Escape twice within a second, with nothing on top", () => {
    const emergency = [{ kind: "act", act: "emergency" }];
    expect(
      read([
        { key: "Escape", atMs: 0 },
        { key: "Escape", atMs: 900 },
      ]),
    ).toEqual(emergency);
    expect(
      read([
        { key: "Escape", atMs: 0 },
        { key: "Escape", atMs: 1100 },
      ]),
    ).toEqual([]);
    expect(read([{ key: "Escape", atMs: 0, isShift: true }])).toEqual(emergency);
  });

  it("only close a dialog by Escape, however often: the one that closed it is not the first of two", () => {
    expect(
      read([
        { key: "Escape", atMs: 0, hasLayer: true },
        { key: "Escape", atMs: 300 },
      ]),
    ).toEqual([]);
    expect(
      read([
        { key: "Escape", atMs: 0 },
        { key: "x", atMs: 100 },
        { key: "Escape", atMs: 300 },
      ]),
    ).toEqual([]);
  });

  it("are letters in fields, under dialogs and where the user wants no keys", () => {
    expect(
      read([
        { key: "?", atMs: 0, isInField: true },
        { key: "?", atMs: 1, hasLayer: true },
      ]),
    ).toEqual([]);
    expect(read([{ key: "?", atMs: 0 }], false)).toEqual([]);
    expect(read([{ key: "?", atMs: 0 }])).toEqual([{ kind: "act", act: "help" }]);
    expect(read([{ key: "k", atMs: 0, isControl: true, isInField: true }], false)).toEqual([
      { kind: "act", act: "find" },
    ]);
  });
});
