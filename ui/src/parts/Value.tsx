import { useEffect, useRef, useState } from "react";
import { useNow } from "../live/clock.ts";
import { freshness } from "../live/freshness.ts";
import { t } from "../text/text.ts";
import { duration, short, signed, tone } from "./figures.ts";

interface Shown {
  /** A decimal as text; null while it is not known. */
  value: string | null;
  unit?: string | undefined;
  /** When it was true, milliseconds by the server's clock; null when never. */
  atMs: number | null;
  cadenceMs: number;
  /** Whether its sign matters: gains get a plus and a colour. */
  isGain?: boolean;
  /** Whether the age stands beside it also while it is young. */
  hasAge?: boolean;
}

const FLASH_MS = 500;

function useFlash(value: string | null): boolean {
  const before = useRef(value);
  const [isNew, setIsNew] = useState(false);
  useEffect(() => {
    if (before.current === value) {
      return;
    }
    before.current = value;
    setIsNew(true);
    const timer = setTimeout(() => setIsNew(false), FLASH_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return isNew;
}

/** A number that lives: with its unit, and its age as soon as that matters. The only way to show one. */
export function Value({ value, unit, atMs, cadenceMs, isGain = false, hasAge = false }: Shown) {
  const nowMs = useNow();
  const isNew = useFlash(value);
  const state = value === null ? "stale" : freshness(atMs, cadenceMs, nowMs);
  const age = atMs === null ? t("value.never") : duration(nowMs - atMs);
  const classes = ["value", state, isGain ? tone(value) : "", isNew ? "flash" : ""].filter(Boolean).join(" ");
  return (
    <span className={classes} data-freshness={state}>
      <span className="figure">{isGain ? signed(value) : short(value)}</span>
      {unit === undefined ? null : <span className="unit"> {unit}</span>}
      {state === "stale" ? <span className="age"> {t("value.stale", { age })}</span> : null}
      {state === "late" || (hasAge && state === "fresh") ? <span className="age"> {age}</span> : null}
    </span>
  );
}
