/** The rows of streams as the server tells them: a snapshot replaces, a delta changes rows by their ids. */

export type Row = Readonly<Record<string, unknown>> & { readonly id: string };

export interface RowChange {
  readonly table: string;
  readonly id: string;
  readonly row: Readonly<Record<string, unknown>> | null;
}

/** Tables by name; of a stream that has no tables, one value under "". */
export interface StreamState {
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, Row>>;
  readonly whole: unknown;
}

/** Rows that are kept of a table; the oldest goes first, but none that is still open. */
const KEPT_MAX = 500;
const ENDED: ReadonlyMap<string, ReadonlySet<unknown>> = new Map([
  ["orders", new Set(["FILLED", "CANCELED", "REJECTED", "EXPIRED", "DENIED"])],
  ["positions", new Set(["closed", "liquidated"])],
]);

function hasEnded(table: string, row: Row): boolean {
  const ends = ENDED.get(table);
  return table !== "instances" && (ends === undefined || ends.has(row["state"]) || ends.has(row["status"]));
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && "id" in value && typeof value.id === "string";
}

/** Whether a place of the read model, `index.count`, comes after another. Another index begins anew. */
export function isAfter(place: string, before: string | null): boolean {
  const [index = "", count = ""] = place.split(".");
  const [seenIndex, seenCount = ""] = before?.split(".") ?? [];
  return index !== seenIndex || Number(count) > Number(seenCount);
}

function tablesOf(state: unknown): Map<string, Map<string, Row>> {
  const tables = new Map<string, Map<string, Row>>();
  if (typeof state === "object" && state !== null) {
    for (const [table, found] of Object.entries(state)) {
      if (Array.isArray(found)) {
        tables.set(table, new Map(found.filter(isRow).map((row) => [row.id, row])));
      }
    }
  }
  return tables;
}

export class RowStore {
  private readonly states = new Map<string, StreamState>();
  private readonly places = new Map<string, string>();
  private readonly waiting = new Set<() => void>();
  private isScheduled = false;
  /** Counts changes, so that what is made of the rows is made anew. */
  version = 0;

  constructor(private readonly schedule: (flush: () => void) => void) {}

  state(stream: string): StreamState | undefined {
    return this.states.get(stream);
  }

  place(stream: string): string | null {
    return this.places.get(stream) ?? null;
  }

  replace(stream: string, place: string | null, state: unknown): void {
    this.states.set(stream, { tables: tablesOf(state), whole: state });
    if (place === null) {
      this.places.delete(stream);
    } else {
      this.places.set(stream, place);
    }
    this.tell();
  }

  change(stream: string, place: string, changes: readonly RowChange[]): void {
    this.places.set(stream, place);
    const before = this.states.get(stream);
    if (before === undefined) {
      return;
    }
    const tables = new Map(before.tables);
    for (const { table, id, row } of changes) {
      const found = new Map(tables.get(table));
      found.delete(id);
      if (row !== null && isRow(row)) {
        found.set(id, row);
      }
      if (found.size > KEPT_MAX) {
        const oldest = [...found.values()].find((each) => hasEnded(table, each));
        found.delete(oldest?.id ?? "");
      }
      tables.set(table, found);
    }
    this.states.set(stream, { tables, whole: before.whole });
    this.tell();
  }

  drop(stream: string): void {
    this.states.delete(stream);
    this.places.delete(stream);
    this.tell();
  }

  /** Ask for snapshots at the next connection: another gateway counts anew. */
  forgetPlaces(): void {
    this.places.clear();
  }

  clear(): void {
    this.states.clear();
    this.places.clear();
    this.tell();
  }

  readonly subscribe = (wake: () => void): (() => void) => {
    this.waiting.add(wake);
    return () => this.waiting.delete(wake);
  };

  private tell(): void {
    this.version += 1;
    if (!this.isScheduled) {
      this.isScheduled = true;
      this.schedule(() => {
        this.isScheduled = false;
        [...this.waiting].forEach((wake) => wake());
      });
    }
  }
}
