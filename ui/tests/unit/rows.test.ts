import { describe, expect, it } from "vitest";
import { sessionsOf, statusOf } from "../../src/api/told.ts";
import { isAfter, RowStore, type RowChange } from "../../src/live/rows.ts";

const STREAM = "session/a";

function store(): RowStore {
  return new RowStore((flush) => flush());
}

function order(number: number, more: Record<string, unknown> = {}): RowChange {
  const id = `a.${String(number)}`;
  return { table: "orders", id, row: { id, order_id: String(number), submitted_ts: String(number), ...more } };
}

function ids(rows: RowStore): string[] {
  return [...(rows.state(STREAM)?.tables.get("orders")?.keys() ?? [])];
}

describe("places", () => {
  it("come one after the other in one index; another index begins anew", () => {
    expect(isAfter("f0.10", "f0.9")).toBe(true);
    expect(isAfter("f0.9", "f0.9")).toBe(false);
    expect(isAfter("f0.8", "f0.9")).toBe(false);
    expect(isAfter("aa.1", "f0.9")).toBe(true);
    expect(isAfter("f0.1", null)).toBe(true);
  });
});

describe("rows", () => {
  it("are replaced by a snapshot, and changed by their ids by a delta", () => {
    const rows = store();
    rows.replace(STREAM, "f0.5", { orders: [order(1).row, order(2).row] });
    rows.change(STREAM, "f0.6", [order(2, { state: "FILLED" }), order(3), { table: "orders", id: "a.1", row: null }]);
    expect(ids(rows)).toEqual(["a.2", "a.3"]);
    expect(rows.state(STREAM)?.tables.get("orders")?.get("a.2")).toMatchObject({ state: "FILLED" });
    expect(rows.place(STREAM)).toBe("f0.6");
    rows.replace(STREAM, "f0.7", { orders: [] });
    expect(ids(rows)).toEqual([]);
  });

  it("do not grow for ever, keep what is open, and lose their place with another gateway", () => {
    const rows = store();
    rows.replace(STREAM, "f0.1", { orders: [order(1, { state: "ACCEPTED" }).row] });
    for (let number = 2; number < 700; number += 1) {
      rows.change(STREAM, `f0.${String(number)}`, [order(number, { state: "FILLED" })]);
    }
    expect(ids(rows)).toHaveLength(500);
    expect(ids(rows)[0]).toBe("a.1");
    expect(ids(rows).at(-1)).toBe("a.699");
    rows.forgetPlaces();
    expect(rows.place(STREAM)).toBeNull();
  });

  it("wake those who show them", () => {
    const rows = store();
    let woken = 0;
    const leave = rows.subscribe(() => (woken += 1));
    rows.replace(STREAM, "f0.1", {});
    leave();
    rows.drop(STREAM);
    expect(woken).toBe(1);
  });
});

describe("a session", () => {
  it("is not known before its rows are", () => {
    expect(sessionsOf(undefined)).toBeNull();
    const rows = store();
    rows.replace("sessions", null, {
      sessions: [
        { id: "a", state: "RUNNING" },
        { id: "b", state: "STOPPED" },
      ],
    });
    const [going, over] = sessionsOf(rows.state("sessions")) ?? [];
    expect([going?.is_open, over?.is_open]).toEqual([true, false]);
    expect(going === undefined ? "" : statusOf(going, undefined, undefined)).toBeNull();
  });

  it("has its unknown orders first, only open positions, and what opened each", () => {
    const rows = store();
    rows.replace("sessions", null, { sessions: [{ id: "a", state: "RUNNING" }] });
    const position = { session_id: "a", signal_id: "sig_1", opened_ts: "5" };
    rows.replace(STREAM, "f0.1", {
      orders: [
        order(1, { state: "ACCEPTED", unknown_since_ts: null }).row,
        order(2, { state: "SUBMITTED", unknown_since_ts: "7" }).row,
        order(3, { state: "FILLED", unknown_since_ts: null }).row,
      ],
      positions: [
        { id: "a.1", status: "open", ...position },
        { id: "a.2", status: "closed", ...position },
      ],
      signals: [
        { id: "a.9.3", seq: 9, n: 3, section: "Z1", event: "fired", signal_id: "sig_1" },
        { id: "a.9.0", seq: 9, n: 0, section: "S1", event: "fired", signal_id: "sig_1" },
        { id: "a.8.0", seq: 8, n: 0, section: "S1", event: "suppressed", signal_id: null },
      ],
      conditions: [
        { id: "a.9.0.1", seq: 9, n: 0, place: 1 },
        { id: "a.9.0.0", seq: 9, n: 0, place: 0 },
      ],
    });
    const [session] = sessionsOf(rows.state("sessions")) ?? [];
    const status = session === undefined ? null : statusOf(session, rows.state(STREAM), undefined);
    expect(status?.orders.map((each) => each.order_id)).toEqual(["2", "1"]);
    expect(status?.positions.map((each) => each.id)).toEqual(["a.1"]);
    const opened = status?.positions[0]?.opened_by ?? [];
    expect(opened.map(({ signal }) => signal.section)).toEqual(["S1", "Z1"]);
    expect(opened[0]?.conditions.map((each) => each.place)).toEqual([0, 1]);
  });
});
