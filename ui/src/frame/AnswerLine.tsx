import { useEffect, useRef, useState } from "react";
import type { PositionView } from "../api/model.ts";
import { useNow } from "../live/clock.ts";
import { freshness, toMs } from "../live/freshness.ts";
import { useLive } from "../live/values.ts";
import type { World } from "../live/world.ts";
import { coin, duration, figure, places, signed, timeOfDay, tone } from "../parts/figures.ts";
import { counted, t, translated } from "../text/text.ts";

const SAID_EVERY_MS = 5000;

function sideOf(position: PositionView): string {
  return translated("side", position.side ?? "") ?? position.side ?? "";
}

/** The size of a position without its sign: the side is a word. */
export function sizeOf(position: PositionView): string {
  return figure(position.qty?.replace(/^-/, ""));
}

function becauseOf(position: PositionView): string {
  const by = position.opened_by.at(-1)?.signal;
  const ms = toMs(by?.ts);
  if (by === undefined && position.signal_id !== null) {
    return t("answer.older");
  }
  return by === undefined || ms === null
    ? t("answer.by_hand")
    : t("answer.because", { section: by.section ?? "", time: timeOfDay(ms, true) });
}

function PositionAnswer({ position, asset }: { position: PositionView; asset: string }) {
  const nowMs = useNow();
  const gain = useLive(position.session_id, `pnl:${String(position.instance)}`);
  const percent = useLive(position.session_id, `pnl_pct:${String(position.instance)}`);
  const liquidation = useLive(position.session_id, `liquidation:${String(position.instance)}`);
  const isStale = gain.value === null || freshness(gain.atMs, gain.cadenceMs, nowMs) === "stale";
  const shown = places(gain.value, 2);
  useEffect(() => {
    document.title = `${sideOf(position)} ${coin(position.instrument)} ${isStale ? "?" : signed(shown)}`;
    return () => {
      document.title = "tightloop";
    };
  }, [position, isStale, shown]);
  return (
    <>
      <span>
        {sideOf(position)} {sizeOf(position)} {coin(position.instrument)}{" "}
        <span className={isStale ? "loss" : tone(shown)}>
          {signed(shown)} {asset} ({signed(places(percent.value, 2))} %)
          {isStale
            ? ` ${t("value.stale", { age: gain.atMs === null ? t("value.never") : duration(nowMs - gain.atMs) })}`
            : ""}
        </span>
      </span>
      <span className={position.stop === null ? "loss" : ""}>
        {position.stop === null ? t("answer.no_stop") : t("answer.stop", { price: figure(position.stop) })}
      </span>
      {liquidation.value === null ? null : (
        <span>{t("answer.liquidation", { percent: figure(places(liquidation.value, 1)) })}</span>
      )}
      <span>{becauseOf(position)}</span>
    </>
  );
}

/** The positions with those of live money first. */
function weightiest(world: World): PositionView | undefined {
  const live = new Set(world.sessions.filter((session) => session.mode === "live").map((session) => session.id));
  return world.positions.find((position) => live.has(position.session_id)) ?? world.positions[0];
}

/** Whether there is a position, and why, in one line of text on every page. */
export function AnswerLine({ world, isLost, isStopped }: { world: World; isLost: boolean; isStopped: boolean }) {
  const position = weightiest(world);
  const unknown = world.orders.filter((order) => order.unknown_since_ts !== null).length;
  const entering = world.orders.filter((order) => order.role === "entry" && order.unknown_since_ts === null).length;
  const silent = world.sessions.filter((session) => !session.is_answering).length;
  const signals = world.statuses
    .flatMap((status) => status.instances)
    .filter((instance) => instance.row.state === "SIGNAL_DETECTED");
  const asset = world.sessions.find((session) => session.id === position?.session_id)?.asset ?? "";
  return (
    <div className="answer" data-answer>
      {isLost ? <span className="loss">{t("answer.lost")}</span> : null}
      {position === undefined ? <span>{t("answer.none")}</span> : <PositionAnswer position={position} asset={asset} />}
      {world.positions.length > 1 ? <span>{counted("answer.more", world.positions.length - 1)}</span> : null}
      {unknown > 0 ? <span className="loss">{counted("answer.unknown", unknown)}</span> : null}
      {position === undefined && entering > 0 ? <span>{counted("answer.entering", entering)}</span> : null}
      {position === undefined && signals[0] !== undefined ? (
        <span>{t("answer.signal", { coin: coin(signals[0].row.instrument) })}</span>
      ) : null}
      {isStopped ? <span className="loss">{t("answer.stopped")}</span> : null}
      {silent > 0 ? <span className="loss">{counted("answer.silent", silent)}</span> : null}
      {position === undefined ? (
        <span className="quiet">
          {world.sessions.length === 0 ? t("answer.no_session") : counted("answer.watching", world.sessions.length)}
        </span>
      ) : null}
    </div>
  );
}

/** What a screen reader hears of it: side, size, lost and back; never a moving gain, and at most each 5 s. */
function spoken(world: World | null, isLost: boolean): string {
  if (world === null) {
    return isLost ? `${t("answer.not_known")}. ${t("answer.lost")}` : "";
  }
  const position = weightiest(world);
  const what =
    position === undefined ? t("answer.none") : `${sideOf(position)} ${sizeOf(position)} ${coin(position.instrument)}`;
  return isLost ? `${what}. ${t("answer.lost")}` : what;
}

export function SpokenAnswer({ world, isLost }: { world: World | null; isLost: boolean }) {
  const text = spoken(world, isLost);
  const [said, setSaid] = useState(text);
  const saidMs = useRef(-SAID_EVERY_MS);
  useEffect(() => {
    const waitMs = Math.max(0, saidMs.current + SAID_EVERY_MS - performance.now());
    const timer = setTimeout(() => {
      saidMs.current = performance.now();
      setSaid(text);
    }, waitMs);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div className="hidden" role="status" aria-live="polite">
      {said}
    </div>
  );
}
