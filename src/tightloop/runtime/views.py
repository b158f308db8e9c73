"""What rows of the read model mean on a screen: the one place where figures of positions and answers are computed.

Plain functions over rows as ``index.db`` has them (columns by name) and over the latest prices; nothing of the engine
is imported, nothing is asked for. What is not known is None, as is what follows from it. Percentages are of 100.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

Row = Mapping[str, Any]
SECOND_MS = 1_000
FRESH, LATE, STALE, UNKNOWN = "fresh", "late", "stale", "unknown"
LATE_MS, STALE_MS = 1_000, 3_000
CUSHION_WARNING_PCT, CUSHION_CRITICAL_PCT = 25.0, 15.0
WATCHING = ("MONITORING", "SIGNAL_DETECTED", "ENTRY_EVALUATION", "ENTRY_PENDING")


def decimal_text(value: float | str | None) -> str | None:
    """Return the shortest decimal that reads back to the same number, without an exponent; a text stays as it is."""
    if value is None or isinstance(value, str):
        return value
    if not math.isfinite(value):
        return None
    return format(Decimal(repr(float(value))).normalize(), "f") if value else "0"


# Ages


@dataclass(frozen=True, slots=True)
class Age:
    """How old a number is: ``level`` fresh, late, stale or unknown; from ``late_ms`` and ``stale_ms`` on it is so."""

    level: str
    age_ms: int | None
    late_ms: int
    stale_ms: int


def age_of(ts_ns: int | None, now_ns: int, cadence_ms: int = SECOND_MS) -> Age:
    """Judge a number by how often it is to be expected: late after two of its cadences, stale after three.

    ``ts_ns``: when it was received, None: never. A bar's cadence is its length, that of a quiet market's mark a second.
    """
    late_ms, stale_ms = max(LATE_MS, 2 * cadence_ms), max(STALE_MS, 3 * cadence_ms)
    if ts_ns is None:
        return Age(UNKNOWN, None, late_ms, stale_ms)
    age_ms = max(0, now_ns - ts_ns) // 1_000_000
    level = STALE if age_ms > stale_ms else LATE if age_ms > late_ms else FRESH
    return Age(level, age_ms, late_ms, stale_ms)


# Positions


def unrealized_of(qty: float | None, entry: float | None, mark: float | None) -> float | None:
    """Return the result of a position at a mark, before fees. ``qty``: base units, signed."""
    if qty is None or entry is None or mark is None:
        return None
    return _known(qty * (mark - entry))


def share_pct(part: float | None, whole: float | None) -> float | None:
    """Return a part in percent of a whole; None where the whole is 0."""
    return None if part is None or not whole else _known(100.0 * part / whole)


def distance_pct(price: float | None, mark: float | None) -> float | None:
    """Return how far a price lies from the mark, in percent of the mark: 0 or more."""
    return None if price is None or not mark else _known(100.0 * abs(price - mark) / mark)


def cushion_pct(
    qty: float | None, entry: float | None, mark: float | None, margin: float | None, liquidation: float | None
) -> float | None:
    """Return the share of an isolated position's margin, its unrealised result counted, above maintenance.

    Maintenance follows from the liquidation price, at which nothing of the margin is left above it; its rate is taken
    to be the same at the mark.
    """
    if None in (qty, entry, mark, margin, liquidation) or not qty or not liquidation:
        return None
    assert entry is not None
    assert mark is not None
    assert margin is not None
    worth = margin + qty * (mark - entry)
    left = margin + qty * (liquidation - entry)
    maintenance = left / liquidation * mark
    return _known(100.0 * (worth - maintenance) / worth) if worth > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class PositionView:
    """A position as pages show it. Money in the settle asset, prices per unit, ``qty`` signed base units.

    ``unrealized_pct``: of the entry's notional. ``result``: realised, unrealised and funding, less fees.
    """

    session_id: str
    trade_id: int
    instance: int | None
    strategy: str | None
    instrument: str
    side: str | None
    qty: float | None
    entry_price: float | None
    mark: float | None
    notional: float | None
    unrealized: float | None
    unrealized_pct: float | None
    result: float | None
    stop: float | None
    stop_distance_pct: float | None
    stop_result: float | None
    target: float | None
    target_distance_pct: float | None
    liquidation_price: float | None
    liquidation_distance_pct: float | None
    cushion_pct: float | None
    opened_ts: int | None
    status: str
    seq: int


def position(row: Row, mark: float | None) -> PositionView:
    """Return the figures of a row of ``positions`` at a mark (of a closed one: the price it ended at)."""
    is_open = row["closed_ts"] is None
    qty, entry = row["qty"], row["entry_price"]
    price = mark if is_open else row["exit_price"]
    unrealized = unrealized_of(qty, entry, price) if is_open else 0.0
    liquidation = row["liquidation_price"]
    return PositionView(
        row["session_id"], row["trade_id"], row["instance"], row["strategy"], row["instrument"], row["side"], qty,
        entry, price, None if qty is None or price is None else abs(qty) * price, unrealized,
        share_pct(unrealized, None if qty is None or entry is None else abs(qty) * entry), result_of(row, unrealized),
        row["stop"], distance_pct(row["stop"], price), unrealized_of(qty, entry, row["stop"]),
        row["target"], distance_pct(row["target"], price), liquidation, distance_pct(liquidation, price),
        cushion_pct(qty, entry, price, row["margin"], liquidation), row["opened_ts"], row["status"], row["seq"],
    )  # fmt: skip


def result_of(row: Row, unrealized: float | None = 0.0) -> float | None:
    """Return what a row of ``positions`` has earned: realised, unrealised and funding, less fees; None if unknown."""
    parts = (row["realized"], unrealized, row["funding"], row["fees"])
    known = [float(part) for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    realized, open_result, funding, fees = known
    return _known(realized + open_result + funding - fees)


# Why not yet


@dataclass(frozen=True, slots=True)
class ConditionView:
    """A condition of a watched section: what it compares now, and the nearest it came. ``distance`` 0: it is met."""

    place: int
    text: str
    unit: str
    value: float | None
    threshold: float | None
    distance: float | None
    nearest: float | None
    nearest_ts: int | None
    others_met: int | None
    others: int | None


def conditions(
    plan: Mapping[str, Any], section: str, nearest: Iterable[Row], now: Mapping[int, Row] = MappingProxyType({})
) -> list[ConditionView]:
    """Return the conditions of a section by place. ``plan``: of the instance's row, read.

    ``nearest``: rows of ``closest`` of the watch; ``now``: value, threshold and distance by place, as they are now.
    """
    kept = {row["place"]: row for row in nearest}
    found = []
    for one in plan["sections"].get(section, ()):
        near, seen = kept.get(one["place"], {}), now.get(one["place"], {})
        found.append(ConditionView(
            one["place"], one["text"], one["unit"], _said(seen, "value"),
            _said(seen, "threshold") if seen else one["threshold"], _said(seen, "distance"), _said(near, "distance"),
            _said(near, "at_ts"), _said(near, "others_met"), _said(near, "others"),
        ))  # fmt: skip
    return found


# The answer line


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """What a session holds or waits for, in one line. ``code`` and ``parts`` are for other languages than ``text``.

    ``level``: of the age of what it says. Codes: position, entering, exiting, watching, cooling, over, unknown.
    """

    code: str
    text: str
    parts: Mapping[str, str | None]
    level: str


def answers(
    session: Row, positions: Sequence[PositionView], instances: Sequence[Row], nearest: Row | None, age: Age
) -> list[AnswerLine]:
    """Return a line for each open position of a session, or one that says what it does without one.

    ``nearest``: the row of ``closest`` of the watched condition with the least distance in percent of its threshold,
    with its instrument and section. ``age``: of the prices.
    """
    held = [one for one in positions if one.status in ("open", "foreign") and one.qty]
    if held:
        return [_held(one, session["asset"], age) for one in held]
    if session["ended_ts"] is not None or session["pid"] is None:
        state = str(session["state"]).lower()
        is_over = session["ended_ts"] is not None
        text = f"No position, {state}" if is_over else "No position known of, and no process runs the session"
        return [AnswerLine("over" if is_over else "unknown", text, {"state": session["state"]}, age.level)]
    states = [str(row["state"]) for row in instances]
    for code, state, words in (
        ("exiting", "EXIT_PENDING", "a position is being closed"), ("entering", "ENTRY_PENDING", "an entry is out"),
    ):  # fmt: skip
        of_it = [row for row in instances if row["state"] == state]
        if of_it:
            name = str(of_it[0]["instrument"])
            return [AnswerLine(code, f"{symbol_of(name)}: {words}", {"instrument": name}, age.level)]
    watching = sum(state in WATCHING for state in states)
    if not watching:
        return [AnswerLine("cooling", "No position, nothing is watched", {}, age.level)]
    parts: dict[str, str | None] = {"count": str(watching)}
    text = f"No position, {watching} watched"
    if nearest is not None:
        section, name = nearest["section"], str(nearest["instrument"])
        parts |= {"instrument": name, "section": section, "distance": decimal_text(nearest["distance"])}
        text += f"; nearest: {symbol_of(name)} {section}, {_rounded(nearest['distance'])} missing"
    return [AnswerLine("watching", text, parts, age.level)]


def _held(one: PositionView, asset: str, age: Age) -> AnswerLine:
    symbol, side = symbol_of(one.instrument), one.side or "?"
    parts = {
        "instrument": one.instrument, "side": one.side, "qty": decimal_text(None if one.qty is None else abs(one.qty)),
        "unrealized": decimal_text(one.unrealized), "unrealized_pct": decimal_text(one.unrealized_pct),
        "stop": decimal_text(one.stop), "liquidation_distance_pct": decimal_text(one.liquidation_distance_pct),
    }  # fmt: skip
    text = f"{side} {parts['qty']} {symbol}"
    if one.unrealized is not None:
        share = "" if one.unrealized_pct is None else f" ({one.unrealized_pct:+.2f} %)"
        text += f" {one.unrealized:+.2f} {asset}{share}"
    else:
        text += ", its result is not known"
    text += f", stop {parts['stop']}" if one.stop is not None else ", no stop"
    if one.liquidation_distance_pct is not None:
        text += f", liquidation {one.liquidation_distance_pct:.0f} % away"
    return AnswerLine("position", text, parts, age.level)


def nearest_of(rows: Iterable[Row], instruments: Mapping[int, str]) -> Row | None:
    """Return the unmet condition that came nearest, in percent of its threshold. ``instruments``: by instance."""

    def share(row: Row) -> float:
        return float(row["distance"]) / (abs(float(row["threshold"])) or 1.0)

    unmet = [row for row in rows if row["distance"] and row["threshold"] is not None]
    if not unmet:
        return None
    found = min(unmet, key=share)
    return {**found, "instrument": instruments[found["instance"]]}


def symbol_of(instrument: str) -> str:
    """Return an instrument without its venue and kind: BTCUSDT of binance:BTCUSDT-perp."""
    return instrument.partition(":")[2].rpartition("-")[0] or instrument


def _rounded(value: float) -> str:
    return f"{value:.3g}"


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _said(row: Row, name: str) -> Any:
    """Return a column of a row; None of one that is not there."""
    return row[name] if row else None
