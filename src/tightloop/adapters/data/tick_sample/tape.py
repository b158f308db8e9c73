"""The tape of one coin: self-exciting orders, their prints, and the best quotes they trade against."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data._shared import Stream, exp_6, to_digits
from tightloop.adapters.data._shared.arrays import Flags
from tightloop.adapters.data.tick_sample import constants
from tightloop.adapters.data.tick_sample.constants import DELAYS_MS, ORDER_PRINTS, ORDER_SIZES, REAL, SHARES, quantile
from tightloop.core.domain.types import Floats, Ints

Columns = dict[str, npt.NDArray[Any]]

NS_PER_MS = 1_000_000
REOPENED_S = 0.5
"""Seconds from the first quote after a halt to the first trade."""
GENERATIONS_MAX = 200
SPREAD_MAX = 2.0
"""Widest spread, in mean spreads: a wider one would make the last price look like bad data."""
WARMUP_S = 120.0
"""Seconds simulated before the start, so that the first orders have parent orders too."""


@dataclass(frozen=True, slots=True)
class Course:
    """Plan of a coin: piecewise linear functions of seconds since the start, as corners (second, value).

    ``log_price``: added to the log price. ``activity``: order rate over normal. ``silent``: spans [from, to) without
    trades and quotes. ``missing``: spans in which rows are not recorded.
    """

    log_price: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    activity: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    silent: tuple[tuple[float, float], ...] = ()
    missing: tuple[tuple[float, float], ...] = ()

    def price_at(self, seconds: Floats) -> Floats:
        """Return the planned log price at each moment."""
        return np.asarray(np.interp(seconds, *np.array(self.log_price).T))

    def activity_at(self, seconds: Floats) -> Floats:
        """Return the planned activity at each moment."""
        return np.asarray(np.interp(seconds, *np.array(self.activity).T))


@dataclass(frozen=True, slots=True)
class TickCoin:
    """Parameters of a coin.

    ``digits``: decimals of a price. ``order``: median order in base units. ``spread_ticks``: mean spread in increments.
    ``quiet_bps_5m``: typical move in five minutes without events, 0 for none.
    """

    symbol: str
    price: float
    digits: int
    lot: float
    order: float
    orders_per_s: float
    spread_ticks: float
    quiet_bps_5m: float
    leverage_max: int

    @property
    def increment(self) -> float:
        """Price increment."""
        return float(f"1e-{self.digits}")


def coin_orders_per_s() -> float:
    """Return orders per second of a small coin: the median of the real streams, thinned."""
    return float(np.median([figures.orders_per_s for figures in REAL.values()])) * constants.ARRIVAL_FACTOR


def make_tape(stream: Stream, coin: TickCoin, course: Course, start_ns: int, seconds: int) -> tuple[Columns, Columns]:
    """Return trades and quotes as catalog columns, by time of receipt."""
    moments = _orders(stream, coin, course, seconds)
    signs, surprises = _sides(stream, course, moments)
    sizes = _sizes(stream, coin, len(moments))
    times, is_order = _with_quiet_updates(stream, course, moments, seconds)
    book = _Book(stream, coin, course, times, is_order, signs, surprises, sizes)
    happened = start_ns + np.rint(times * 1_000).astype(np.int64) * NS_PER_MS
    trades = book.prints(happened)
    received = _received(stream, happened)
    places = np.repeat(np.flatnonzero(is_order), book.print_counts)
    trades["ts_init_ns"] = received[places]
    trades["trade_id"] = np.arange(1, len(places) + 1, dtype=np.int64)
    quotes = {"ts_event_ns": happened, "ts_init_ns": received + 1_000, **book.quotes()}
    changed = np.ones(len(happened), bool)
    for name in ("bid", "bid_qty", "ask", "ask_qty"):
        changed[1:] &= quotes[name][1:] == quotes[name][:-1]
    changed[1:] = ~changed[1:]
    quotes = {name: column[changed] for name, column in quotes.items()}
    recorded = [_recorded(columns, course, start_ns) for columns in (trades, quotes)]
    order = ("ts_event_ns", "ts_init_ns", "trade_id", "price", "qty", "buyer_is_maker")
    return {name: recorded[0][name] for name in order}, recorded[1]


def _recorded(columns: Columns, course: Course, start_ns: int) -> Columns:
    kept = np.ones(len(columns["ts_init_ns"]), bool)
    for begin, end in course.missing:
        since, until = (start_ns + int(edge * 1e9) for edge in (begin, end))
        kept &= (columns["ts_init_ns"] < since) | (columns["ts_init_ns"] >= until)
    return {name: column[kept] for name, column in columns.items()}


def _outside(moments: Floats, course: Course) -> Floats:
    for begin, end in course.silent:
        moments = moments[(moments < begin) | (moments >= end)]
    return moments


def _orders(stream: Stream, coin: TickCoin, course: Course, seconds: int) -> Floats:
    """Return order times in seconds: a Hawkes process whose immigrants follow the planned activity."""
    grid = np.arange(-WARMUP_S, seconds + 1.0)
    pace = course.activity_at(np.maximum(grid, 0.0)) * coin.orders_per_s * (1.0 - constants.BRANCHING)
    total = np.concatenate(([0.0], np.cumsum(pace[:-1])))
    count = int(total[-1] + 8.0 * total[-1] ** 0.5 + 50)
    arrivals = np.cumsum(-np.log1p(-stream.uniform(count)))
    parents = np.interp(arrivals[arrivals < total[-1]], total, grid)
    generations = [parents]
    table = _poisson_table(constants.BRANCHING)
    gap = 1.0 / coin.orders_per_s
    for _generation in range(GENERATIONS_MAX):
        children = np.repeat(parents, np.searchsorted(table, stream.uniform(len(parents)), side="right"))
        if not len(children):
            break
        fast, means = constants.KERNEL[0][0], (constants.KERNEL[0][1], constants.KERNEL[1][1])
        mean = np.where(stream.uniform(len(children)) < fast, *means) * gap
        # With higher activity, child orders follow faster too.
        mean = mean / course.activity_at(np.maximum(children, 0.0))
        parents = children - np.log1p(-stream.uniform(len(children))) * mean
        generations.append(parents)
    moments = np.sort(np.rint(np.concatenate(generations) * 1_000) / 1_000)
    moments = _outside(moments[(moments >= 0.5) & (moments < seconds)], course)
    for _begin, end in course.silent:  # after a halt, quotes resume before trades
        moments = moments[(moments < end) | (moments > end + REOPENED_S)]
    return np.asarray(moments[np.concatenate(([True], np.diff(moments) > 0))])


def _poisson_table(mean: float) -> Floats:
    """Return the probabilities of at most 0, 1, 2, ... children."""
    odds = np.cumprod(np.concatenate(([round(float(np.exp(-mean)), 12)], mean / np.arange(1.0, 30.0))))
    return np.cumsum(odds)


def _sides(stream: Stream, course: Course, moments: Floats) -> tuple[Floats, Floats]:
    """Return the side of each order (1 buy, -1 sell), and its unexpected part, which alone moves the price."""
    count = len(moments)
    slope = (course.price_at(moments + 2.0) - course.price_at(moments - 2.0)) / 4.0
    # A planned move of 0.02 % a second draws most orders to its side.
    buys = 0.5 + 0.38 * np.clip(slope / 2e-4, -1.0, 1.0)
    fresh = np.where(stream.uniform(count) < buys, 1.0, -1.0)
    copies = stream.uniform(count) < constants.COPY_SHARE
    odds = np.cumsum(np.arange(1, constants.COPY_LAGS + 1) ** -constants.COPY_DECAY)
    lags = np.searchsorted(odds, stream.uniform(count) * odds[-1], side="right") + 1
    sides = fresh.tolist()
    for place in np.flatnonzero(copies & (lags <= np.arange(count))).tolist():
        sides[place] = sides[place - int(lags[place])]
    surprises = np.where(copies, 0.0, fresh - (2.0 * buys - 1.0))
    return np.array(sides), surprises


def _sizes(stream: Stream, coin: TickCoin, count: int) -> tuple[Floats, Ints]:
    """Return lots and number of prints of each order; large orders are split into many prints."""
    uniform = stream.uniform(count)
    lots = np.maximum(np.rint(quantile(uniform, SHARES, ORDER_SIZES) * coin.order / coin.lot), 1.0)
    prints = np.rint(quantile(uniform, SHARES, ORDER_PRINTS)).astype(np.int64)
    return lots, np.minimum(prints, lots.astype(np.int64))


def _with_quiet_updates(stream: Stream, course: Course, moments: Floats, seconds: int) -> tuple[Floats, Flags]:
    """Return the times at which the book changes, and flags of those that are orders.

    Half of the other updates follow an order closely, half are independent.
    """
    per_order = float(np.median([figures.quotes_per_order for figures in REAL.values()])) * constants.QUOTE_FACTOR - 1.0
    count = int(len(moments) * per_order)
    near = moments[(stream.uniform(count // 2) * len(moments)).astype(np.int64)] + 0.05 * stream.uniform(count // 2)
    grid = np.arange(seconds + 1.0)
    lively = np.concatenate(([0.0], np.cumsum(course.activity_at(grid[:-1]))))
    alone = np.interp(stream.uniform(count - count // 2) * lively[-1], lively, grid)
    ticking = np.arange(0.001, seconds, 5.0)  # feeds repeat an unchanged quote
    reopened = [end for _begin, end in course.silent]
    others = np.rint(np.concatenate((near, alone, ticking, reopened)) * 1_000) / 1_000
    others = _outside(others[(others >= 0) & (others < seconds)], course)
    times = np.unique(np.concatenate((moments, others)))
    return times, np.isin(times, moments)


def _received(stream: Stream, happened: Ints) -> Ints:
    """Return receive times, in the order of the event times."""
    delay_us = np.rint(quantile(stream.uniform(len(happened)) * 0.999, SHARES, (0.5, *DELAYS_MS[1:])) * 1_000)
    received = np.maximum.accumulate(happened + delay_us.astype(np.int64) * 1_000)
    # Simultaneous arrivals stay in order, 2 us apart.
    steps = np.arange(len(received), dtype=np.int64) * 2_000
    return np.asarray(np.maximum.accumulate(received - steps) + steps)


class _Book:
    """Best prices and quantities after each moment; an order trades against those of the moment before."""

    def __init__(
        self,
        stream: Stream,
        coin: TickCoin,
        course: Course,
        times: Floats,
        is_order: Flags,
        signs: Floats,
        surprises: Floats,
        sizes: tuple[Floats, Ints],
    ) -> None:
        self.coin, self._stream = coin, stream
        self._orders, self._signs = np.flatnonzero(is_order), signs
        self._lots, self.print_counts = sizes
        moves = np.zeros(len(times))
        # Only orders that copy no side move the price; scale their step to the quiet volatility.
        fresh_per_s = coin.orders_per_s * (1.0 - constants.COPY_SHARE)
        step = coin.quiet_bps_5m * 1e-4 / (300.0 * fresh_per_s) ** 0.5
        # With higher activity there are more orders, and each carries less information.
        moves[self._orders] = surprises * step / course.activity_at(times[self._orders]) ** 0.5
        log_price = course.price_at(times) + np.cumsum(moves)
        middle = coin.price * exp_6(log_price) / coin.increment
        self._spread_and_prices(middle, len(times))
        self._quantities(course, times)

    def _spread_and_prices(self, middle: Floats, count: int) -> None:
        """Draw spreads that hold for a while, exponential from one increment up to SPREAD_MAX means."""
        holds = np.maximum.accumulate(np.where(self._stream.uniform(count) < 0.05, np.arange(count), 0))
        extra = -np.log1p(-self._stream.uniform(count)) * max(self.coin.spread_ticks - 0.5, 0.0)
        spread = 1.0 + np.floor(np.minimum(extra[holds], SPREAD_MAX * self.coin.spread_ticks))
        self.bid = np.maximum(np.rint(middle - spread / 2.0), 1.0)
        self.ask = self.bid + spread

    def _quantities(self, course: Course, times: Floats) -> None:
        """Draw best quantities in lots; the side that the price moves away from is thicker."""
        count = len(times)
        mean_lots = float(self._lots.mean()) * constants.DEPTH_ORDERS
        level = mean_lots / float(np.exp(constants.BOOK_DEVIATION**2 / 2))
        slope = (course.price_at(times + 5.0) - course.price_at(times - 5.0)) / 10.0
        lean = 0.8 * np.clip(slope / 2e-4, -1.0, 1.0)
        sides = []
        for sign in (1.0, -1.0):
            holds = np.maximum.accumulate(np.where(self._stream.uniform(count) < 0.75, np.arange(count), 0))
            noise = self._stream.normal(count)[holds] * constants.BOOK_DEVIATION
            sides.append(np.maximum(np.rint(level * exp_6(noise + sign * lean)), 1.0))
        self.bid_lots, self.ask_lots = sides

    def quotes(self) -> Columns:
        """Return the columns of the quotes, without times."""
        digits, lot = self.coin.digits, self.coin.lot
        return {
            "bid": to_digits(self.bid * self.coin.increment, digits),
            "bid_qty": to_digits(self.bid_lots * lot, 6),
            "ask": to_digits(self.ask * self.coin.increment, digits),
            "ask_qty": to_digits(self.ask_lots * lot, 6),
        }

    def prints(self, happened: Ints) -> Columns:
        """Return the prints of all orders: at the best price, one increment beyond once it is exhausted."""
        counts = self.print_counts
        before = np.maximum(self._orders - 1, 0)
        first = np.concatenate(([0], np.cumsum(counts)[:-1]))
        rank = np.arange(counts.sum()) - np.repeat(first, counts)
        # Cumulative floors split an order evenly into whole lots that sum to it.
        total, many = np.repeat(self._lots, counts), np.repeat(counts, counts)
        lots = np.floor(total * (rank + 1) / many) - np.floor(total * rank / many)
        signs = np.repeat(self._signs, counts)
        best = np.repeat(np.where(self._signs > 0, self.ask[before], self.bid[before]), counts)
        best_lots = np.repeat(np.where(self._signs > 0, self.ask_lots[before], self.bid_lots[before]), counts)
        further = np.floor(total * rank / many) >= best_lots
        ticks = np.maximum(best + signs * further, 1.0)
        return {
            "ts_event_ns": np.repeat(happened[self._orders], counts),
            "price": to_digits(ticks * self.coin.increment, self.coin.digits),
            "qty": to_digits(lots * self.coin.lot, 6),
            "buyer_is_maker": signs < 0,
        }
