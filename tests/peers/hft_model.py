"""A simulated venue and a post-only quoter in plain Python, by the rules of HFTBACKTEST.md: slow, short, to be read.

Three parts that know nothing of each other's insides: the book that best quotes make, the venue's resting orders with
their places in the queue, and the quoter's own record of its orders. Two links carry messages between the latter two.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

BUY, SELL = 1, -1
WORKING, EXPIRED, FILLED, CANCELED = 1, 2, 3, 4
NEVER = 1 << 62
STATE = 4  # where a row of `Order.row` has the end of the order

Latency = Callable[[int], int]


# --- the book ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Half:
    """One side of the book: the best tick, and the last quantity known of every tick that is not beyond it."""

    side: int
    best: int | None = None
    known: dict[int, float] = field(default_factory=dict)

    def better(self, tick: int, than: int) -> bool:
        return (tick - than) * self.side > 0

    def drop(self, beyond: Callable[[int], bool]) -> list[tuple[int, float, float]]:
        gone = [tick for tick in self.known if beyond(tick)]
        return [(tick, self.known.pop(tick), 0.0) for tick in gone]

    def quoted(self, tick: int, quantity: float) -> list[tuple[int, float, float]]:
        """Take a best quote; what changed, as (tick, quantity before, quantity now).

        An unchanged quote is no change at all. Levels that the best leaves behind by improving stay as they were.
        """
        if tick == self.best and self.known.get(tick) == quantity:
            return []
        changes = [(tick, self.known.get(tick, 0.0), quantity)]
        self.known[tick], self.best = quantity, tick
        return changes + self.drop(lambda other: self.better(other, tick))

    def crossed(self, tick: int) -> list[tuple[int, float, float]]:
        """The other side is now best at `tick`: what stood there or better is gone."""
        return self.drop(lambda other: not self.better(tick, other))


# --- places in the queue ----------------------------------------------------------------------------------------------


def log2(front: float, back: float) -> float:
    return ratio(math.log(1.0 + back), math.log(1.0 + (back + front)))


def power3(front: float, back: float) -> float:
    return 1.0 - ratio(front, front + back) ** 3.0


def ratio(a: float, b: float) -> float:
    return a / b if b else math.copysign(math.inf, a) if a else math.nan


BEHIND: dict[str, Callable[[float, float], float] | None] = {"risk": None, "log2": log2, "power3": power3}


@dataclass(slots=True)
class Place:
    """How much stands before an order at its price, and what traded there since the level last changed."""

    front: float
    traded: float = 0.0

    def trade(self, quantity: float, lot: float) -> bool:
        """A trade at the price; True if it reached the order by at least half a lot."""
        self.front -= quantity
        self.traded += quantity
        return -self.front / lot >= 0.5

    def level(self, before: float, now: float, behind: Callable[[float, float], float] | None) -> None:
        """The quantity of the level changed: what trades do not explain left, partly before the order, partly behind.

        `behind` gives the part behind; without it nothing that leaves is taken to have stood before the order.
        """
        left = before - now - self.traded
        self.traded = 0.0
        if behind is not None and left >= 0.0:
            back = before - self.front
            part = behind(self.front, back)
            if math.isinf(part):
                part = 1.0
            self.front += min(back - part * left, 0.0) - (1.0 - part) * left
        self.front = now if math.isnan(self.front) else min(self.front, now)


# --- orders and messages ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Order:
    """An order as the quoter knows it; `state` 0 is on its way."""

    number: int
    side: int
    tick: int
    sent_ns: int
    state: int = 0
    exchange_ns: int = 0
    seen_ns: int = -1
    cancelling: bool = False

    def row(self) -> list[int]:
        filled = self.tick if self.state == FILLED else 0
        return [self.number, self.side, self.tick, self.sent_ns, self.state, self.exchange_ns, self.seen_ns, filled]


class Link:
    """One direction between quoter and venue: a message never overtakes another that is still on its way."""

    def __init__(self, latency: Latency) -> None:
        self.latency = latency
        self.waiting: deque[tuple[int, Any]] = deque()

    def send(self, now_ns: int, message: Any) -> None:
        arrival = now_ns + self.latency(now_ns)
        self.waiting.append((max(arrival, self.waiting[-1][0]) if self.waiting else arrival, message))

    def next_ns(self) -> int:
        return self.waiting[0][0] if self.waiting else NEVER

    def received(self, now_ns: int) -> Iterator[Any]:
        while self.waiting and self.waiting[0][0] == now_ns:
            yield self.waiting.popleft()[1]


def constant(ns: int) -> Latency:
    return lambda at: ns


def recorded(at_ns: list[int], took_ns: list[int]) -> Latency:
    """Linear between the rows, the first before them and the last after them; the fraction of a ns is cut off.

    The rows are walked forward only, to the next pair around the time asked: with times that go back, which arrivals
    can do, this is not the same as looking the pair up.
    """
    row, end = 0, len(at_ns) - 1

    def latency(at: int) -> int:
        nonlocal row
        if at < at_ns[0]:
            return took_ns[0]
        while row < end and not at_ns[row] <= at < at_ns[row + 1]:
            row += 1
        if row == end:
            return took_ns[end]
        slope = float(took_ns[row + 1] - took_ns[row]) / float(at_ns[row + 1] - at_ns[row])
        return int(slope * float(at - at_ns[row])) + took_ns[row]

    return latency


# --- the venue --------------------------------------------------------------------------------------------------------


class Venue:
    def __init__(self, lot: float, queue: str, answers: Link) -> None:
        self.lot, self.behind, self.answers = lot, BEHIND[queue], answers
        self.halves = {BUY: Half(BUY), SELL: Half(SELL)}
        self.resting: dict[int, tuple[int, int, Place]] = {}

    def answer(self, now_ns: int, number: int, state: int | None) -> None:
        self.answers.send(now_ns, (number, state, now_ns))

    def fill(self, now_ns: int, numbers: list[int]) -> None:
        for number in numbers:
            del self.resting[number]
            self.answer(now_ns, number, FILLED)

    def quote(self, now_ns: int, side: int, tick: int, quantity: float) -> None:
        """A best quote moves places in the queue; it fills only what the other side's best now reaches."""
        for half, changes in (
            (self.halves[side], self.halves[side].quoted(tick, quantity)),
            (self.halves[-side], self.halves[-side].crossed(tick)),
        ):
            for level, before, now in changes:
                for owner, price, place in self.resting.values():
                    if owner == half.side and price == level:
                        place.level(before, now, self.behind)
        resting = self.resting.items()
        self.fill(now_ns, [n for n, (owner, price, _) in resting if owner == -side and reaches(owner, price, tick)])

    def trade(self, now_ns: int, aggressor: int, tick: int, quantity: float) -> None:
        filled = []
        for number, (owner, price, place) in self.resting.items():
            if owner == aggressor or not reaches(owner, price, tick):
                continue
            if price != tick or place.trade(quantity, self.lot):
                filled.append(number)
        self.fill(now_ns, filled)

    def arrive(self, now_ns: int, request: str, number: int, side: int, tick: int) -> None:
        if request == "cancel":
            gone = self.resting.pop(number, None)
            self.answer(now_ns, number, CANCELED if gone else None)
            return
        against = self.halves[-side].best
        if against is not None and reaches(side, tick, against):
            self.answer(now_ns, number, EXPIRED)
            return
        self.resting[number] = (side, tick, Place(self.halves[side].known.get(tick, 0.0)))
        self.answer(now_ns, number, WORKING)


def reaches(side: int, price: int, other: int) -> bool:
    """An order of `side` at `price` meets `other`: at its price or better for it."""
    return (price - other) * side >= 0


# --- the quoter -------------------------------------------------------------------------------------------------------


class Quoter:
    def __init__(self, requests: Link, eager: bool) -> None:
        self.requests, self.eager = requests, eager
        self.best: dict[int, int] = {}
        self.orders: list[Order] = []
        self.live: dict[int, Order] = {}

    def answered(self, number: int, state: int | None, exchange_ns: int) -> None:
        """A refused cancel (state None) only says that the order ended before: its end came or comes as well."""
        order = self.live.get(number)
        if order is None:
            return
        order.cancelling = False
        if state is not None:
            order.state, order.exchange_ns = state, exchange_ns

    def decide(self, now_ns: int) -> None:
        for order in list(self.live.values()):
            if order.state in (EXPIRED, FILLED, CANCELED):
                order.seen_ns = now_ns
                del self.live[order.number]
        if len(self.best) < 2:
            return
        for side in (BUY, SELL):
            tick = self.best[side]
            mine = [order for order in self.live.values() if order.side == side]
            for order in mine:
                if order.state == WORKING and not order.cancelling and order.tick != tick:
                    order.cancelling = True
                    self.requests.send(now_ns, ("cancel", order.number, side, order.tick))
            if all(self.eager and order.cancelling for order in mine):
                order = Order(len(self.orders) + 1, side, tick, now_ns)
                self.orders.append(order)
                self.live[order.number] = order
                self.requests.send(now_ns, ("new", order.number, side, tick))


# --- the run ----------------------------------------------------------------------------------------------------------

Row = tuple[int, int, int, float]  # side of the quote or aggressor, its kind, tick, quantity
TRADE, QUOTE = 0, 1


def market(job: dict[str, Any]) -> tuple[list[tuple[int, int, Row]], list[tuple[int, int, Row]]]:
    """What the exchange and what the quoter sees: (time, kind, row), trades before quotes at equal times."""
    tick, shift = job["tick"], job["receive_shift_ns"]
    exchange: list[tuple[int, int, Row]] = []
    local: list[tuple[int, int, Row]] = []
    columns = ("ts_event_ns", "ts_init_ns")
    trades = pl.read_parquet(job["trades"]).select(*columns, "price", "qty", "buyer_is_maker")
    quotes = pl.read_parquet(job["quotes"]).select(*columns, "bid", "bid_qty", "ask", "ask_qty")
    for event, init, price, quantity, sold in trades.iter_rows():
        row = (SELL if sold else BUY, TRADE, round(price / tick), quantity)
        exchange.append((event if job["two_clocks"] else init + shift, TRADE, row))
    for event, init, bid, bid_quantity, ask, ask_quantity in quotes.iter_rows():
        for row in ((BUY, QUOTE, round(bid / tick), bid_quantity), (SELL, QUOTE, round(ask / tick), ask_quantity)):
            exchange.append((event if job["two_clocks"] else init + shift, QUOTE, row))
            local.append((init + shift, QUOTE, row))
    exchange.sort(key=lambda seen: seen[:2])
    return exchange, local


def run(job: dict[str, Any]) -> list[list[int]]:
    """Every order the quoter sent, in order, as rows of `Order.row`."""
    if isinstance(job["latency"], list):
        asked, there, back = (list(column) for column in zip(*job["latency"], strict=True))
        to_venue = Link(recorded(asked, [b - a for a, b in zip(asked, there, strict=True)]))
        to_quoter = Link(recorded(there, [b - a for a, b in zip(there, back, strict=True)]))
    else:
        to_venue, to_quoter = Link(constant(job["latency"])), Link(constant(job["latency"]))
    venue, quoter = Venue(job["lot"], job["queue"], to_quoter), Quoter(to_venue, job["eager"])
    exchange, local = market(job)
    decision = min(exchange[0][0], local[0][0]) + job["step_ns"]
    seen = happened = 0
    while True:
        at_quoter = local[seen][0] if seen < len(local) else NEVER
        at_venue = exchange[happened][0] if happened < len(exchange) else NEVER
        now = min(at_quoter, to_quoter.next_ns(), at_venue, to_venue.next_ns())
        if now == NEVER:
            return [order.row() for order in quoter.orders]
        if now > decision:
            quoter.decide(decision)
            decision += job["step_ns"]
        elif now == at_quoter:
            side, _, tick, _ = local[seen][2]
            quoter.best[side] = tick
            seen += 1
        elif now == to_quoter.next_ns():
            for answer in to_quoter.received(now):
                quoter.answered(*answer)
        elif now == at_venue:
            side, kind, tick, quantity = exchange[happened][2]
            (venue.trade if kind == TRADE else venue.quote)(now, side, tick, quantity)
            happened += 1
        else:
            for request in to_venue.received(now):
                venue.arrive(now, *request)
