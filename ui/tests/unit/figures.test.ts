import { describe, expect, it } from "vitest";
import { coin, duration, figure, places, short, signed, tone } from "../../src/parts/figures.ts";

describe("figures", () => {
  it.each([
    ["1234567.8900", "1\u202f234\u202f567.8900"],
    ["-0.00001234", "\u22120.00001234"],
    ["999", "999"],
    ["9007199254740993.1", "9\u202f007\u202f199\u202f254\u202f740\u202f993.1"],
    [null, "\u2013"],
    ["", "\u2013"],
  ])("groups the digits of %s and changes none", (decimal, shown) => {
    expect(figure(decimal)).toBe(shown);
  });

  it("marks gains and losses with a sign, and zero with none", () => {
    expect([signed("15.1"), signed("-2"), signed("0.00"), signed("-0.00"), signed(null)]).toEqual([
      "+15.1",
      "\u22122",
      "0.00",
      "\u22120.00",
      "\u2013",
    ]);
    expect([tone("0.0001"), tone("-3"), tone("0"), tone(null)]).toEqual(["gain", "loss", "flat", "flat"]);
  });

  it("rounds to the places a screen has, and leaves what is not known", () => {
    expect([places("1.005", 2), places("-1.019", 2), places(null, 2), places("3", 2)]).toEqual([
      "1.00",
      "-1.02",
      null,
      "3.00",
    ]);
  });

  it("cuts long fractions, and keeps the first digits of small prices", () => {
    expect(["2503.7700000000004", "0.000012345678", "60295.85891", "0.5", "12.3456", null].map(short)).toEqual([
      "2\u202f503.77",
      "0.0000123457",
      "60\u202f295.8589",
      "0.5",
      "12.3456",
      "\u2013",
    ]);
  });

  it("names the coin of an instrument", () => {
    expect(["binance:WIFUSDT-perp", "ftx:BTCUSD-perp", "binance:USDT", null].map(coin)).toEqual([
      "WIF",
      "BTC",
      "USDT",
      "",
    ]);
  });

  it.each([
    [400, "0.4 s"],
    [12_000, "12 s"],
    [333_000, "5 m 33 s"],
    [11_040_000, "3 h 4 m"],
    [183_600_000, "2 d 3 h"],
    [-5, "0.0 s"],
  ])("writes %d ms as %s", (ms, shown) => {
    expect(duration(ms)).toBe(shown);
  });
});
