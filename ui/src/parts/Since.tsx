import { useNow } from "../live/clock.ts";
import { toMs } from "../live/freshness.ts";
import { useDisplay } from "../live/display.ts";
import { t } from "../text/text.ts";
import { dateTime, duration, timeOfDay } from "./figures.ts";

/** A moment as a time of day, the date in its title; a dash where there is none. */
export function Time({ ts, isDated = false }: { ts: string | null | undefined; isDated?: boolean }) {
  const { isUtc } = useDisplay();
  const ms = toMs(ts);
  if (ms === null) {
    return <>–</>;
  }
  const whole = dateTime(ms, isUtc);
  return (
    <time dateTime={new Date(ms).toISOString()} title={whole}>
      {isDated ? whole : timeOfDay(ms, isUtc)}
    </time>
  );
}

/** Since when, and for how long by now. */
export function Since({ ts }: { ts: string | null | undefined }) {
  const nowMs = useNow();
  const ms = toMs(ts);
  return ms === null ? null : (
    <span className="since">
      {t("since")} <Time ts={ts} /> ({duration(nowMs - ms)})
    </span>
  );
}
