"""Ticks through the real step, and the same ticks as plain lists that definitions are computed from.

``watch`` runs a plan over prints and quotes one event at a time and gives what every variant was after each of them.
``Past`` is the market as it was known then: lists, cut at an event, with windows of time and nothing clever.
"""

import json
import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from tests.parity.runs import NAMES, read, rules_for

from tightloop.core import indicators
from tightloop.core.domain.ticks import TICK, Clock
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.backtest.one_by_one import ticks as ticks_one_by_one
from tightloop.runtime.feeds.ticks import PIECE_ROWS, TickFeed, TickSource
from tightloop.runtime.results.recorder import Recorder

SECOND_NS = 1_000_000_000
START_NS = 1_704_063_600 * SECOND_NS
TRADE, QUOTE, GRID, GAP = "trade", "quote", "grid", "gap"


def ns(seconds):
    """Seconds as a parameter has them, in nanoseconds."""
    return round(seconds * 1e9)


# A market -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Print:
    ts_ns: int
    price: float
    qty: float
    sign: int = 1  # 1: a buyer took
    id: int = 0


@dataclass(frozen=True)
class Quote:
    ts_ns: int
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float

    @property
    def mid(self):
        return (self.bid + self.ask) / 2

    @property
    def spread(self):
        return self.ask - self.bid

    @property
    def liquidity(self):
        return self.bid * self.bid_qty + self.ask * self.ask_qty

    @property
    def imbalance(self):
        """-100 to 100; None without a quantity on either side."""
        whole = self.bid_qty + self.ask_qty
        return 100 * (self.bid_qty - self.ask_qty) / whole if whole > 0 else None


def prints_of(rows, *, start_ns=START_NS):
    """Prints from (seconds, price[, qty[, sign]]), numbered without a gap."""
    return [
        Print(start_ns + ns(s), float(price), *(rest or (1.0,)), id=k) for k, (s, price, *rest) in enumerate(rows, 1)
    ]


def quotes_of(rows, *, start_ns=START_NS):
    """Quotes from (seconds, bid, bid_qty, ask, ask_qty)."""
    return [Quote(start_ns + ns(s), *map(float, rest)) for s, *rest in rows]


def random_market(seed, *, count=400, mean_s=0.7, gap_share=0.0, quiet_share=0.02, quiet_s=90.0, price=10.0):
    """Prints and quotes with repeated times, times on whole seconds, silent minutes, flat prices and empty sizes.

    Whole seconds are what windows begin and end at: about every fourth tick lies exactly on such an end.
    """
    rng = np.random.default_rng(seed)
    return (
        _random_prints(rng, count, mean_s, gap_share, quiet_share, quiet_s, price),
        _random_quotes(rng, count, mean_s, quiet_share, quiet_s, price),
    )


def _times(rng, count, mean_s, quiet_share, quiet_s):
    steps = np.round(rng.exponential(mean_s, count) * 1e3).astype(np.int64) * 1_000_000
    steps[rng.random(count) < 0.15] = 0
    quiet = rng.random(count) < quiet_share
    steps[quiet] += (rng.uniform(0.3, 1.0, quiet.sum()) * quiet_s * SECOND_NS).astype(np.int64)
    times = START_NS + np.cumsum(steps)
    whole = rng.random(count) < 0.25
    times[whole] = -(-times[whole] // SECOND_NS) * SECOND_NS
    return np.maximum.accumulate(times)


def _random_prints(rng, count, mean_s, gap_share, quiet_share, quiet_s, price):
    times = _times(rng, count, mean_s, quiet_share, quiet_s)
    moves = rng.normal(0.0, 0.004, count) * (rng.random(count) > 0.2)
    prices = np.round(price * np.exp(np.cumsum(moves)), 4)
    qty = np.round(rng.exponential(5.0, count), 3) * (rng.random(count) > 0.05)
    signs = rng.choice([-1, 1], count)
    ids = np.cumsum(1 + (rng.random(count) < gap_share) * rng.integers(1, 9, count))
    return [
        Print(int(t), float(p), float(q), int(s), int(i))
        for t, p, q, s, i in zip(times, prices, qty, signs, ids, strict=True)
    ]


def _random_quotes(rng, count, mean_s, quiet_share, quiet_s, price):
    times = _times(rng, count, mean_s, quiet_share, quiet_s)
    mids = price * np.exp(np.cumsum(rng.normal(0.0, 0.003, count)))
    halves = mids * rng.uniform(0.0001, 0.004, count)
    sizes = np.round(rng.exponential(50.0, (2, count)), 2) * (rng.random((2, count)) > 0.1)
    return [
        Quote(int(t), float(m - h), float(b), float(m + h), float(a))
        for t, m, h, b, a in zip(times, mids, halves, sizes[0], sizes[1], strict=True)
    ]


# Through the step -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """After one event: its time and kind, how many prints and quotes had come, where the last gap lay, all outputs."""

    ts_ns: int
    kind: str
    prints: int
    quotes: int
    gap: tuple[int, int]  # prints and quotes before the last gap
    values: dict[str, tuple[float, ...]]


def strategy_text(variants, feed=("trades", "quotes")):
    """A strategy that computes variants and never trades."""
    never = {"all": [{next(iter(variants)): "> 1e300"}]}
    entry = {"immediate": True, "order": {"type": "market"}, "size": {"type": "fixed", "value": 100}}
    return json.dumps(
        {
            "name": "watch",
            "family": "signal",
            "direction": "LONG",
            "instruments": [NAMES[0]],
            "feed": list(feed),
            "capital": 1_000,
            "variants": variants,
            "sections": {"S1": never, "Z1": entry, "ZE1": never},
            "costs": {"funding": "off"},
        }
    )


def plan_of(variants, feed=("trades", "quotes")):
    strategies = read(strategy_text(variants, feed))
    return make_plan(strategies, rules_for(strategies))


def cells_of(plan):
    """Where the outputs of each windowed variant lie in the arena: (first, past the last)."""
    own = plan.states[0]["instruments"][0]
    cells, places = {}, {}
    for name, variant in plan.strategies[0].variants.items():
        indicator = indicators.load(variant.type)
        if not indicator.is_windowed:
            continue
        place = places.setdefault((variant.type, *variant.values.items()), len(places))
        base = int(plan.states[0]["indicators"][own["tick_first"] + place]["base"])
        cells[name] = base, base + len(indicator.outputs)
    assert len(places) == own["tick_count"]
    return cells


def feed_of(plan, prints, quotes):
    """The ticks of the first instrument, received when they happened."""
    sources = []
    for kind, ticks in (("trades", prints), ("quotes", quotes)):
        if kind in plan.feed:
            rows = np.zeros(len(ticks), TICK)
            for row, tick in zip(rows, ticks, strict=True):
                row["ts_event_ns"] = row["ts_init_ns"] = tick.ts_ns
                if kind == "trades":
                    row["trade_id"], row["is_buyer_maker"] = tick.id, int(tick.sign < 0)
                    row["price"], row["qty"] = tick.price, tick.qty
                else:
                    row["price"], row["qty"], row["ask"], row["ask_qty"] = (
                        tick.bid, tick.bid_qty, tick.ask, tick.ask_qty,
                    )  # fmt: skip
            pieces = [rows[k : k + PIECE_ROWS] for k in range(0, len(rows), PIECE_ROWS)]
            sources.append((TickSource(0, kind, iter(pieces)), Clock.BOTH))
    return TickFeed(sources, {}, plan.grids_ns)


def expected_events(prints, quotes, grid_ns):
    """(time, kind, prints so far, quotes so far, gap) of every event, from the definition of the order."""
    ticks = [(t.ts_ns, 1, k, TRADE) for k, t in enumerate(prints)] + [
        (t.ts_ns, 2, k, QUOTE) for k, t in enumerate(quotes)
    ]
    last_ns = max(t for t, *_ in ticks)
    first = -(-min(t for t, *_ in ticks) // grid_ns) * grid_ns
    ticks += [(t, 3, 0, GRID) for t in range(first, last_ns, grid_ns)]
    found, counts, gap = [], [0, 0], (0, 0)
    for ts_ns, _, k, kind in sorted(ticks):
        if kind == TRADE and k > 0 and prints[k].id > prints[k - 1].id + 1:
            gap = tuple(counts)
            found.append((ts_ns, GAP, *counts, gap))
        counts[0] += kind == TRADE
        counts[1] += kind == QUOTE
        found.append((ts_ns, kind, *counts, gap))
    return found


def watch(variants, prints, quotes=()):
    """What every windowed variant was after every event; the events are compared with those expected."""
    feed = ("trades",) * bool(prints) + ("quotes",) * bool(quotes)
    plan = plan_of(variants, feed)
    cells, events = cells_of(plan), expected_events(prints, quotes, plan.grids_ns[0])
    seen = []

    def observe(plan):
        ts_ns, kind, *counts, gap = events[len(seen)]
        assert int(plan.states[0]["ts_ns"]) == ts_ns, (len(seen), kind)
        values = {name: tuple(plan.arena[a:b].tolist()) for name, (a, b) in cells.items()}
        seen.append(Seen(ts_ns, kind, *counts, gap, values))

    ticks_one_by_one.run(plan, feed_of(plan, prints, quotes), Recorder(), observe)
    assert len(seen) == len(events)
    return seen


# As it is defined -----------------------------------------------------------------------------------------------------


class Past:
    """What was known after an event. Windows are (t1, t2) in seconds before ``now_ns``: (now - t1, now - t2]."""

    def __init__(self, prints, quotes, seen, now_ns=None):
        self.prints, self.quotes = prints[: seen.prints], quotes[: seen.quotes]
        self._print_times = [tick.ts_ns for tick in self.prints]
        self._quote_times = [tick.ts_ns for tick in self.quotes]
        self.now_ns = seen.ts_ns if now_ns is None else now_ns
        self.gap = seen.gap
        self._seen = seen

    def at(self, seconds_before):
        """The same knowledge, looked at from an earlier time."""
        moved = object.__new__(Past)
        moved.__dict__.update(self.__dict__)
        moved.now_ns = self.now_ns - ns(seconds_before)
        return moved

    def _of(self, tape):
        trades = tape == "trades"
        return (self.prints, self._print_times) if trades else (self.quotes, self._quote_times)

    def is_warm(self, seconds_before, tape="trades"):
        """A tick since the last gap lies at or before that time."""
        ticks, _ = self._of(tape)
        first = self.gap[0 if tape == "trades" else 1]
        return first < len(ticks) and ticks[first].ts_ns <= self.now_ns - ns(seconds_before)

    def window(self, t1, t2, tape="trades"):
        """The ticks of a window."""
        ticks, times = self._of(tape)
        return ticks[bisect_right(times, self.now_ns - ns(t1)) : bisect_right(times, self.now_ns - ns(t2))]

    def in_force(self, seconds_before, tape="trades"):
        """The last tick at or before a time."""
        ticks, times = self._of(tape)
        at = bisect_right(times, self.now_ns - ns(seconds_before))
        return ticks[at - 1] if at else None

    def durations(self, t1, t2, tape="trades"):
        """(tick, seconds in force inside the window), the one carried in first."""
        begin, end = self.now_ns - ns(t1), self.now_ns - ns(t2)
        ticks = [self.in_force(t1, tape), *self.window(t1, t2, tape)]
        ends = [tick.ts_ns for tick in ticks[1:]] + [end]
        return [(tick, (until - max(tick.ts_ns, begin)) / 1e9) for tick, until in zip(ticks, ends, strict=True)]

    def time_mean(self, t1, t2, read, tape="trades", weigh=lambda tick: 1.0):
        """Mean over time of what is read from the tick in force; NaN when not warm or without weight."""
        if not self.is_warm(t1, tape):
            return math.nan
        parts = [(read(tick), weigh(tick) * s) for tick, s in self.durations(t1, t2, tape)]
        whole = math.fsum(w for _, w in parts)
        return math.fsum(x * w for x, w in parts) / whole if whole > 0 else math.nan

    def twpa(self, t1, t2):
        return self.time_mean(t1, t2, lambda tick: tick.price)


def pasts(prints, quotes, seen):
    """What was known after each event."""
    return [Past(prints, quotes, one) for one in seen]


def same(value, expected, scale=0.0, rel=1e-9):
    """Equal to 1e-9 of itself, or of ``scale`` where a small difference of large numbers is meant; NaN is NaN."""
    if math.isnan(value) or math.isnan(expected):
        return math.isnan(value) and math.isnan(expected)
    return abs(value - expected) <= rel * max(abs(value), abs(expected), scale)


def check(name, seen, expected, output=0, scale=0.0):
    """Compare a variant with a list of expected numbers, one for each event; some must be known."""
    assert len(seen) == len(expected)
    for k, (one, wanted) in enumerate(zip(seen, expected, strict=True)):
        value = one.values[name][output]
        assert same(value, wanted, scale), f"{name} at event {k} ({one.kind}, {one.ts_ns}): {value} != {wanted}"
    assert not all(math.isnan(x) for x in expected), f"{name} is never known: the test shows nothing"


def on_grid(seen, grid_s, compute):
    """``compute(k)`` at the points of an indicator's own grid (k: number of the event), held in between; NaN before."""
    found, last = [], math.nan
    for k, one in enumerate(seen):
        if one.kind == GRID and one.ts_ns % ns(grid_s) == 0:
            last = compute(k)
        found.append(last)
    return found
