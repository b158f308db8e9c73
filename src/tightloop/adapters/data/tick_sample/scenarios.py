"""Scenarios of the tick sample: coins, planned price courses, and the events to label."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from tightloop.adapters.data._shared import Stream
from tightloop.adapters.data.tick_sample import constants
from tightloop.adapters.data.tick_sample.constants import REAL, drawn
from tightloop.adapters.data.tick_sample.tape import Course, TickCoin, coin_orders_per_s
from tightloop.model.labels import DUMP, MARKET_MOVE, NONE, PUMP

SECONDS = 5_400
QUIET_S = 2_160.0
"""No event begins before this: a 30-minute window is warm, with five minutes to spare."""

Corners = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """A planned label: kind, start, extreme and end (seconds since the start)."""

    kind: str
    start_s: float
    peak_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class LabMarket:
    """One coin of a scenario: its course and the events in it."""

    coin: TickCoin
    course: Course
    events: tuple[PlannedEvent, ...]


@dataclass(frozen=True, slots=True)
class _Move:
    """A move of ``size`` (fraction, negative for a fall) of which ``given_back`` is retraced.

    ``burst_share`` of the move comes in its last ``burst_s`` seconds.
    """

    kind: str
    start_s: float
    rise_s: float
    size: float
    given_back: float
    surge: float
    burst_share: float
    burst_s: float
    fade_s: float = constants.FADE_S

    @property
    def peak_s(self) -> float:
        return self.start_s + self.rise_s

    @property
    def event(self) -> PlannedEvent:
        return PlannedEvent(self.kind, self.start_s, self.peak_s, self.peak_s + self.fade_s)

    def price(self, level: float) -> Corners:
        """Return the corners of the log price from ``level``: slow rise, rush, then a retracement, fastest at first."""
        top = float(np.log1p(self.size))
        left = float(np.log1p(self.size * (1.0 - self.given_back)))
        rush = self.peak_s - self.burst_s
        corners = [(self.start_s, 0.0), (rush, (1.0 - self.burst_share) * top), (self.peak_s, top)]
        corners += [
            (self.peak_s + part * self.fade_s, top + (left - top) * (1.0 - (1.0 - part) ** 2))
            for part in (0.04, 0.1, 0.2, 0.35, 0.55, 0.75, 1.0)
        ]
        return [(second, level + round(height, 9)) for second, height in corners]

    def activity(self) -> Corners:
        """Return the corners of the activity: growing with the move, peaking in the rush, then decaying."""
        rush = self.peak_s - self.burst_s
        return [
            (self.start_s, 1.0), (0.3 * self.start_s + 0.7 * rush, max(0.4 * self.surge, 1.0)), (rush, self.surge),
            (rush + 1.0, constants.RUSH * self.surge), (self.peak_s + 15.0, constants.RUSH * self.surge),
            (self.peak_s + 0.1 * self.fade_s, self.surge), (self.peak_s + self.fade_s, 1.0),
        ]  # fmt: skip


_BASE = (
    # Price, decimals, lot, median order (worth about 16 USDT), leverage. An increment is 2 to 12 bps of the price.
    ("A", 0.812, 3, 0.1, 20.0, 20),
    ("B", 0.03174, 5, 1.0, 500.0, 20),
    ("C", 4.271, 3, 0.01, 4.0, 25),
    ("D", 0.000_412_6, 7, 100.0, 40_000.0, 10),
    ("E", 1.534, 3, 0.1, 10.0, 20),
    ("F", 0.1187, 4, 1.0, 150.0, 20),
)  # fmt: skip


def _coins(scenario: str) -> list[TickCoin]:
    perps = (REAL["BTCUSDT-perp"].spread_ticks + REAL["ETHUSDT-perp"].spread_ticks) / 2.0
    pace, spread, quiet = coin_orders_per_s(), perps * constants.SPREAD_FACTOR, constants.QUIET_BPS_5M
    return [
        TickCoin(f"{scenario.upper()}{letter}USDT", price, digits, lot, order, pace, spread, quiet, leverage)
        for letter, price, digits, lot, order, leverage in _BASE
    ]


def _move(stream: Stream, kind: str, start_s: float) -> _Move:
    """Draw a pump or dump from the measured quantiles of real moves."""
    sizes, back = (
        (constants.PUMP_SIZES_PCT, constants.PUMP_GIVEN_BACK)
        if kind == PUMP
        else (constants.DUMP_SIZES_PCT, constants.DUMP_GIVEN_BACK)
    )
    odds = stream.uniform(4).tolist()
    size = drawn(odds[0], sizes) / 100.0
    return _Move(
        kind,
        start_s,
        round(60.0 * drawn(odds[1], constants.PUMP_RISE_MIN)),
        size if kind == PUMP else -size,
        drawn(odds[2], back),
        drawn(odds[3], constants.EVENT_SURGES),
        stream.between(*constants.BURST_SHARE),
        round(stream.between(*constants.BURST_S)),
    )


def _course(*moves: _Move) -> Course:
    """Join moves, each starting at the price the one before it left."""
    price: Corners = [(0.0, 0.0)]
    activity: Corners = [(0.0, 1.0)]
    for move in moves:
        price += move.price(price[-1][1])
        activity += move.activity()
    return Course(tuple(price), tuple(activity))


def _market_move(stream: Stream, up: bool) -> Callable[[Stream], _Move]:
    """Return a function that draws a coin's part in a move of all coins: common time and direction, its own size."""
    start, rise = stream.between(4_985.0, 5_020.0), stream.between(120.0, 180.0)
    size, sign = stream.between(0.05, 0.08), 1.0 if up else -1.0

    def of(coin: Stream) -> _Move:
        magnitude = sign * size * coin.between(0.7, 1.3)
        return _Move(MARKET_MOVE, round(start), round(rise), magnitude, 0.3, 4.0, 0.5, 60.0, fade_s=180.0)

    return of


def _nothing(kind: str = NONE) -> PlannedEvent:
    return PlannedEvent(kind, QUIET_S, QUIET_S, float(SECONDS))


def _moving(scenario: str, kind: str) -> Callable[[int], list[LabMarket]]:
    """Plan five coins with an individual move, one without, and at the end a move of the whole market."""

    def plan(seed: int) -> list[LabMarket]:
        together = _market_move(_stream(seed, scenario, 99), up=kind == PUMP)
        markets = []
        for index, coin in enumerate(_coins(scenario)):
            stream = _stream(seed, scenario, index)
            begin = QUIET_S + stream.between(0.0, 150.0)
            moves = [_move(stream, kind, round(begin))] if index < len(_BASE) - 1 else []
            moves.append(together(stream))
            quiet = () if len(moves) > 1 else (PlannedEvent(NONE, QUIET_S, QUIET_S, moves[0].start_s - 1.0),)
            markets.append(LabMarket(coin, _course(*moves), (*quiet, *(move.event for move in moves))))
        return markets

    return plan


def _thin(_seed: int) -> list[LabMarket]:
    """Plan sparse trades and wide spreads: prints move the last price by percents without any event."""
    return [
        LabMarket(
            replace(
                coin,
                orders_per_s=coin.orders_per_s * constants.THIN_ARRIVAL_FACTOR,
                spread_ticks=coin.spread_ticks * constants.THIN_SPREAD_FACTOR,
            ),
            Course(),
            (_nothing(),),
        )
        for coin in _coins("thin")
    ]


def _gap(seed: int) -> list[LabMarket]:
    """Plan unrecorded rows: just before a rush, during a slow rise, or during a mere drift."""
    markets = []
    for index, coin in enumerate(_coins("gap")):
        stream = _stream(seed, "gap", index)
        move = replace(_move(stream, PUMP, QUIET_S), rise_s=1_800.0)
        # Gaps begin on a whole minute, so that a one-minute bar is missing too.
        if index < 2:
            move = replace(move, start_s=move.start_s + -(move.peak_s - move.burst_s) % 60.0)
            begin, length = move.peak_s - move.burst_s - 60.0, 60.0
        else:
            begin, length = QUIET_S + 60.0 * round(stream.between(5.0, 15.0)), round(stream.between(60.0, 90.0))
        missing = ((begin, begin + length),)
        if index < 4:
            course, events = _course(move), (move.event,)
        else:
            drift = round(stream.between(-0.05, 0.05), 6)
            course, events = Course(((0.0, 0.0), (begin, 0.0), (begin + length, drift))), (_nothing(),)
        calm = _calmed(course, begin, begin + length)
        markets.append(LabMarket(coin, replace(calm, missing=missing), events))
    return markets


def _calmed(course: Course, begin: float, end: float) -> Course:
    """Reduce trading to a third from ``begin`` to ``end``, so that the gap stays small enough to be accepted."""
    edges = course.activity_at(np.array([begin, end])).tolist()
    calm = [(begin, edges[0]), (begin + 1.0, edges[0] / 3), (end, edges[1] / 3), (end + 1.0, edges[1])]
    before = [corner for corner in course.activity if corner[0] < begin]
    after = [corner for corner in course.activity if corner[0] > end + 1.0]
    return replace(course, activity=(*before, *calm, *after))


def _halt(seed: int) -> list[LabMarket]:
    """Plan halts of some minutes followed by a price jump, up and down in turns; none of them is a pump."""
    markets = []
    for index, coin in enumerate(_coins("halt")):
        stream = _stream(seed, "halt", index)
        begin = round(QUIET_S + stream.between(0.0, 900.0))
        end = begin + round(stream.between(300.0, 600.0))
        size = stream.between(0.08, 0.20) * (1.0 if index % 2 == 0 else -1.0)
        price = ((0.0, 0.0), (end - 1.0, 0.0), (float(end), round(float(np.log1p(size)), 9)))
        activity = ((0.0, 1.0), (end - 1.0, 1.0), (float(end), 6.0), (end + 240.0, 1.0))
        event = PlannedEvent(NONE, float(begin), float(end), end + 600.0)
        markets.append(LabMarket(coin, Course(price, activity, silent=((float(begin), float(end)),)), (event,)))
    return markets


def _flat(_seed: int) -> list[LabMarket]:
    """Plan normal trading at a constant price."""
    return [LabMarket(replace(coin, quiet_bps_5m=0.0), Course(), (_nothing(),)) for coin in _coins("flat")]


def _stream(seed: int, scenario: str, index: int) -> Stream:
    return Stream(seed, 2, list(SCENARIOS).index(scenario), index)


SCENARIOS: Mapping[str, Callable[[int], list[LabMarket]]] = MappingProxyType(
    {
        "pump": _moving("pump", PUMP),
        "dump": _moving("dump", DUMP),
        "thin": _thin,
        "gap": _gap,
        "halt": _halt,
        "flat": _flat,
    }
)
"""Builders of the markets of each scenario, by name; each takes a seed."""


def scenario_names(wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the names in table order without repeats; all of them for ``all``."""
    return tuple(SCENARIOS) if "all" in wanted else tuple(name for name in SCENARIOS if name in wanted)
