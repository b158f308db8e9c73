/** Decimals of the server as people read them. Nothing is computed: digits are grouped, signs and marks are set. */

const MINUS = "\u2212";
const THIN = "\u202f";

/** Group the digits of a decimal; the server's digits stay as they are. Null and empty are a dash: not known. */
export function figure(decimal: string | null | undefined): string {
  if (decimal === null || decimal === undefined || decimal === "") {
    return "\u2013";
  }
  const [, sign = "", whole = "", rest = ""] = /^([+-]?)(\d+)(.*)$/.exec(decimal) ?? [];
  if (whole === "") {
    return decimal;
  }
  return (sign === "-" ? MINUS : "") + whole.replace(/\B(?=(\d{3})+$)/g, THIN) + rest;
}

/** A figure whose sign matters: gains have a plus. */
export function signed(decimal: string | null | undefined): string {
  return tone(decimal) === "gain" ? `+${figure(decimal)}` : figure(decimal);
}

/** Round a decimal to so many places, as a screen has room for. */
export function places(decimal: string | null, count: number): string | null {
  return decimal === null || !Number.isFinite(Number(decimal)) ? decimal : Number(decimal).toFixed(count);
}

/** Whether a decimal is above, below or at zero; nothing where it is not known. */
export function tone(decimal: string | null | undefined): "gain" | "loss" | "flat" {
  if (decimal === null || decimal === undefined || !/[1-9]/.test(decimal)) {
    return "flat";
  }
  return decimal.startsWith("-") ? "loss" : "gain";
}

/** A duration: `0.4 s`, `12 s`, `5 m 33 s`, `3 h 4 m`, `2 d 3 h`. */
export function duration(ms: number): string {
  const s = Math.max(0, ms) / 1000;
  if (s < 10) {
    return `${s.toFixed(1)} s`;
  }
  const whole = Math.floor(s);
  const parts: [number, string][] = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}

/** The time of day, `12:03:41`, in UTC or where the reader is. */
export function timeOfDay(ms: number, isUtc: boolean): string {
  const at = new Date(ms);
  return isUtc
    ? `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`
    : `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Date and time, `2026-03-01 12:03:41`. */
export function dateTime(ms: number, isUtc: boolean): string {
  const at = new Date(ms);
  const date = isUtc
    ? `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`
    : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${timeOfDay(ms, isUtc)}`;
}

/** The coin of an instrument: `binance:WIFUSDT-perp` is WIF. */
export function coin(instrument: string | null): string {
  const symbol = (instrument ?? "").split(":").at(-1) ?? "";
  return symbol.replace(/-perp$/, "").replace(/(USDT|USDC|USD)$/, "") || symbol;
}

const LONG_FRACTION = /\.\d{5,}$/;
const SHOWN_PLACES = 4;
const SHOWN_DIGITS = 6;

/** A decimal in as many digits as a reader needs: a long fraction is cut, small numbers keep their first digits. */
export function short(decimal: string | null): string {
  if (decimal === null || !LONG_FRACTION.test(decimal)) {
    return figure(decimal);
  }
  const value = Number(decimal);
  const lead = Math.abs(value) >= 1 || value === 0 ? 0 : -Math.floor(Math.log10(Math.abs(value))) - 1;
  const count = Math.abs(value) >= 1 ? SHOWN_PLACES : lead + SHOWN_DIGITS;
  return figure(
    value
      .toFixed(Math.min(count, 20))
      .replace(/(\.\d*?)0+$/, "$1")
      .replace(/\.$/, ""),
  );
}
