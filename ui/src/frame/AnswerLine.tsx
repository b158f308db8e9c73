import { useEffect, useRef, useState } from "react";
import type { PositionView } from "../api/model.ts";
import { useNow } from "../live/clock.ts";
import { freshness, toMs } from "../live/freshness.ts";
import type { World } from "../live/world.ts";
import { duration, figure, places, signed, timeOfDay, tone } from "../parts/figures.ts";
import { counted, t, translated } from "../text/text.ts";

const SAID_EVERY_MS = 5000;
const MARK_CADENCE_MS = 1000;

function sideOf(position: PositionView): string {
  return translated("side", position.side ?? "") ?? position.side ?? "";
}

/** The coin of an instrument: `binance:WIFUSDT-perp` is WIF. */
export function coin(instrument: string | null): string {
  const symbol = (instrument ?? "").split(":").at(-1) ?? "";
  return symbol.replace(/-perp$/, "").replace(/(USDT|USDC|USD)$/, "") || symbol;
}

function becauseOf(position: PositionView): string {
  const by = position.opened_by.at(-1);
  const ms = toMs(by?.ts);
  return by === undefined || ms === null ? t("answer.by_hand") : t("answer.because", { section: by.section ?? "", time: timeOfDay(ms, true) });
}

function PositionAnswer({ position, asset }: { position: PositionView; asset: string }) {
  const nowMs = useNow();
  const markMs = toMs(position.mark_ts);
  const isStale = freshness(markMs, MARK_CADENCE_MS, nowMs) === "stale";
  const gain = places(position.unrealized, 2);
  const percent = places(position.unrealized_pct, 2);
  return (
    <>
      <span>
        {sideOf(position)} {figure(position.qty)} {coin(position.instrument)}{" "}
        <span className={isStale ? "loss" : tone(gain)}>
          {signed(gain)} {asset} ({signed(percent)} %){isStale ? ` ${t("value.stale", { age: markMs === null ? t("value.never") : duration(nowMs - markMs) })}` : ""}
        </span>
      </span>
      <span>{position.stop === null ? t("answer.no_stop") : t("answer.stop", { price: figure(position.stop) })}</span>
      {position.liquidation_distance_pct === null ? null : (
        <span className="desk">{t("answer.liquidation", { percent: figure(places(position.liquidation_distance_pct, 1)) })}</span>
      )}
      <span>{becauseOf(position)}</span>
    </>
  );
}

/** Whether there is a position, and why, in one line of text on every page. */
export function AnswerLine({ world, isLost }: { world: World; isLost: boolean }) {
  const [position] = world.positions;
  const unknown = world.orders.filter((order) => order.unknown_since_ts !== null).length;
  const entering = world.orders.filter((order) => order.role === "entry").length;
  const silent = world.sessions.filter((session) => !session.is_answering).length;
  const asset = world.sessions[0]?.asset ?? "";
  return (
    <div className="answer" data-answer>
      {isLost ? <span className="loss">{t("answer.lost")}</span> : null}
      {position === undefined ? <span>{t("answer.none")}</span> : <PositionAnswer position={position} asset={asset} />}
      {world.positions.length > 1 ? <span>{counted("answer.more", world.positions.length - 1)}</span> : null}
      {unknown > 0 ? <span className="loss">{counted("answer.unknown", unknown)}</span> : null}
      {position === undefined && entering > 0 ? <span>{counted("answer.entering", entering)}</span> : null}
      {silent > 0 ? <span className="loss">{counted("answer.silent", silent)}</span> : null}
      {position === undefined ? (
        <span className="quiet">{world.sessions.length === 0 ? t("answer.no_session") : counted("answer.watching", world.sessions.length)}</span>
      ) : null}
    </div>
  );
}

/** What a screen reader hears of it: state, side, size, stale and back; never a moving gain, and not more than each 5 s. */
function spoken(world: World | null, isLost: boolean): string {
  if (world === null) {
    return "";
  }
  const [position] = world.positions;
  const what = position === undefined ? t("answer.none") : `${sideOf(position)} ${figure(position.qty)} ${coin(position.instrument)}`;
  return isLost ? `${what}. ${t("answer.lost")}` : what;
}

export function SpokenAnswer({ world, isLost }: { world: World | null; isLost: boolean }) {
  const text = spoken(world, isLost);
  const [said, setSaid] = useState(text);
  const saidMs = useRef(0);
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

/** The title of the tab: the answer, once a second at most. */
export function titleOf(world: World | null): string {
  const [position] = world?.positions ?? [];
  return position === undefined
    ? "tightloop"
    : `${sideOf(position)} ${signed(places(position.unrealized, 2))} ${coin(position.instrument)}`;
}
