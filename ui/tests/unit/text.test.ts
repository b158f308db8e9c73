import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import en from "../../src/text/en.json" with { type: "json" };
import pl from "../../src/text/pl.json" with { type: "json" };

const SOURCES = join(import.meta.dirname, "../../src");
const FORM = /\.(one|few|many|other)$/;
/** Stems whose keys are words of the server. */
const STEMS =
  /^(component|event|instance|liquidity|mode|order|origin|problem|reason|role|session|severity|side|trade|type)\./;

function sources(folder: string): string {
  return readdirSync(folder, { withFileTypes: true })
    .map((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? sources(path) : /\.tsx?$/.test(entry.name) ? readFileSync(path, "utf8") : "";
    })
    .join("\n");
}

function holes(text: string): string[] {
  return [...text.matchAll(/\{\w+\}/g)].map(([hole]) => hole).sort();
}

describe("texts", () => {
  it("have the same keys in both languages", () => {
    expect(Object.keys(pl)).toEqual(Object.keys(en));
  });

  it("fill in the same values", () => {
    const polish = new Map(Object.entries(pl));
    const differing = Object.entries(en).filter(
      ([key, text]) => holes(text).join() !== holes(polish.get(key) ?? "").join(),
    );
    expect(differing).toEqual([]);
  });

  it("are all used, and none is missing", () => {
    const written = sources(SOURCES);
    const unused = Object.keys(en).filter((key) => !STEMS.test(key) && !written.includes(`"${key.replace(FORM, "")}"`));
    expect(unused).toEqual([]);
  });
});
