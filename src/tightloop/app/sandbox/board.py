"""The public side of a symbol: best quotes, price levels, prints, minutes, mark price; and their numbers.

Levels. The best level of each side is the market's quote. Behind it come levels one increment apart whose quantities
are drawn from a table by price, and drawn again every five seconds, a fifth of them each second. What takers took
from a level is missing until the market's next quote.

Numbers. Levels are published on a grid of 100 ms; each change of a level counts one. The snapshot is that of the last
point of the grid, so a client that applies the changes after it has the same book.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import islice

from tightloop.app.sandbox.listing import Listing
from tightloop.app.sandbox.markets.source import Candle
from tightloop.app.sandbox.records import Aggregate, BookMoved, Printed, Quoted
from tightloop.model.times import MINUTE_NS, SECOND_NS

LEVELS = 50
BOOK_GRID_NS = 100_000_000
KEPT_PRINTS = 100_000
FIRST_TRADE_ID = 10_000_000
FIRST_AGGREGATE_ID = 5_000_000
PRINTS_A_PAST_MINUTE = 4
_TABLE = 997
_INDEX_SHARE = 0.1  # how far the index follows the middle of the quotes in a second

Levels = dict[int, int]


class Board:
    """What is public of a symbol. ``bid`` None: no quote yet; ``last`` None: no print yet."""

    def __init__(self, listing: Listing, seed: int, past: Callable[[str], list[Candle]]) -> None:
        self.listing = listing
        self.bid: float | None = None
        self.ask: float | None = None
        self.bid_lots = self.ask_lots = 0
        self.last: float | None = None
        self.mark: float | None = None
        self.index: float | None = None
        self._past = past
        self._played: list[Candle] = []
        self.prints: deque[Printed] = deque(maxlen=KEPT_PRINTS)
        self.aggregates: deque[Aggregate] = deque(maxlen=KEPT_PRINTS)
        self.next_trade_id = FIRST_TRADE_ID
        self._next_aggregate = FIRST_AGGREGATE_ID
        self._grows = False
        self.update_id = 1_000_000
        self.book_id = 5_000_000
        self.past_count = 0
        self.taken: dict[tuple[bool, int], int] = {}
        self._published: tuple[Levels, Levels] = ({}, {})
        self._published_at = -1
        draw = random.Random(f"{seed} {listing.symbol}")
        self._table = [draw.lognormvariate(-0.5, 1.0) for _ in range(_TABLE)]

    def quote(self, bid: float, bid_lots: int, ask: float, ask_lots: int, ts_ns: int) -> Quoted:
        """Take in a quote of the market."""
        self.bid, self.bid_lots, self.ask, self.ask_lots = bid, bid_lots, ask, ask_lots
        self.taken.clear()
        self.update_id += 1
        return Quoted(self.listing.symbol, self.update_id, bid, bid_lots, ask, ask_lots, ts_ns)

    def print_trade(self, price: float, lots: int, is_buyer_maker: bool, ts_ns: int) -> Printed:
        """Take in a trade and give it its number."""
        listing = self.listing
        trade = Printed(listing.symbol, self.next_trade_id, price, lots, is_buyer_maker, ts_ns)
        self.next_trade_id += 1
        self.last = price
        self.prints.append(trade)
        self._aggregate(trade)
        self._candle(ts_ns, price).add(price, lots, listing.qty(lots), not is_buyer_maker, trade.trade_id)
        return trade

    def _aggregate(self, trade: Printed) -> None:
        last = self.aggregates[-1] if self._grows else None
        alike = (trade.ts_ns, trade.price, trade.is_buyer_maker)
        if last is not None and (last.ts_ns, last.price, last.is_buyer_maker) == alike:
            last.lots += trade.lots
            last.last_id = trade.trade_id
            return
        number, first = self._next_aggregate, trade.trade_id
        self._next_aggregate += 1
        self._grows = True
        self.aggregates.append(
            Aggregate(number, trade.price, trade.lots, first, first, trade.is_buyer_maker, trade.ts_ns)
        )

    def close_aggregate(self) -> None:
        """End the last aggregate, because it is told; the next print begins another."""
        self._grows = False

    def _candle(self, ts_ns: int, price: float) -> Candle:
        """Return the minute of a time; minutes without prints before it are flat."""
        open_ns = ts_ns - ts_ns % MINUTE_NS
        minutes = self._all_minutes if self.is_past_read else self._played
        while minutes and minutes[-1].open_ns + MINUTE_NS < open_ns:
            close = minutes[-1].close
            minutes.append(Candle(minutes[-1].open_ns + MINUTE_NS, close, close, close, close))
        if not minutes or minutes[-1].open_ns < open_ns:
            minutes.append(Candle(open_ns, price, price, price, price))
        return minutes[-1]

    @cached_property
    def _all_minutes(self) -> list[Candle]:
        """Minutes of the past, then those that were played, flat ones between them; the past is read when asked."""
        found = self._past(self.listing.symbol)
        self.past_count = len(found)
        if found and self._played:
            last = found[-1]
            first_ns = self._played[0].open_ns
            flat = range(last.open_ns + MINUTE_NS, first_ns, MINUTE_NS)
            found += [Candle(open_ns, last.close, last.close, last.close, last.close) for open_ns in flat]
        return found + self._played

    @property
    def is_past_read(self) -> bool:
        """Whether the past has been read."""
        return "_all_minutes" in self.__dict__

    @property
    def minutes(self) -> list[Candle]:
        """All minutes, ascending and without gaps."""
        return self._all_minutes

    def fill_minutes(self, now_ns: int) -> None:
        """Add flat minutes up to the one that runs."""
        if self.minutes:
            self._candle(now_ns, self.minutes[-1].close)

    @property
    def middle(self) -> float | None:
        """Middle of the best quotes, else the last print."""
        if self.bid is None or self.ask is None:
            return self.last
        return (self.bid + self.ask) / 2.0

    def tick_mark(self) -> bool:
        """Move index and mark price on by a second; whether there is one."""
        middle = self.middle
        if middle is None:
            return False
        index = middle if self.index is None else self.index + _INDEX_SHARE * (middle - self.index)
        self.index = round(index, 8)
        self.mark = round(sorted((middle, self.index, middle if self.last is None else self.last))[1], 8)
        return True

    def levels(self, is_bid: bool, now_ns: int) -> list[tuple[int, int]]:
        """Return a side's levels, best first: increments and lots, without what was taken; empty without a quote."""
        best = self.bid if is_bid else self.ask
        if best is None:
            return []
        listing, step = self.listing, -1 if is_bid else 1
        first = listing.ticks(best)
        second = now_ns // SECOND_NS
        found = []
        for behind in range(LEVELS):
            tick = first + step * behind
            if tick <= 0:
                break
            lots = (self.bid_lots if is_bid else self.ask_lots) if behind == 0 else self._drawn(tick, second, step)
            if self.taken:
                lots -= self.taken.get((is_bid, tick), 0)
            if lots > 0:
                found.append((tick, lots))
        return found

    def _drawn(self, tick: int, second: int, step: int) -> int:
        turn = (second + tick) // 5
        return 1 + int(self.listing.depth * self._table[(tick * 31 + turn * 17 + step) % _TABLE])

    def lots_at(self, is_bid: bool, price: float, now_ns: int) -> int:
        """Return the lots that stand at a price, 0 where there is no level."""
        tick = self.listing.ticks(price)
        return next((lots for found, lots in self.levels(is_bid, now_ns) if found == tick), 0)

    def take(self, is_bid: bool, price: float, lots: int) -> None:
        """Take lots from a level."""
        key = (is_bid, self.listing.ticks(price))
        self.taken[key] = self.taken.get(key, 0) + lots

    def publish(self, now_ns: int) -> BookMoved | None:
        """Publish the levels if a point of the grid was passed and they changed."""
        point = now_ns // BOOK_GRID_NS
        if point == self._published_at:
            return None
        self._published_at = point
        sides = (dict(self.levels(True, now_ns)), dict(self.levels(False, now_ns)))
        changes = [_changes(old, new) for old, new in zip(self._published, sides, strict=True)]
        self._published = sides
        count = len(changes[0]) + len(changes[1])
        if not count:
            return None
        previous = self.book_id
        self.book_id += count
        price = self.listing.price
        bids, asks = (tuple((price(tick), lots) for tick, lots in side) for side in changes)
        return BookMoved(self.listing.symbol, previous + 1, self.book_id, previous, bids, asks, now_ns)

    def snapshot(self, limit: int) -> tuple[int, list[tuple[float, int]], list[tuple[float, int]]]:
        """Return number, bids and asks of the book as it was last published, best first."""
        price = self.listing.price
        bids = [(price(tick), lots) for tick, lots in sorted(self._published[0].items(), reverse=True)]
        asks = [(price(tick), lots) for tick, lots in sorted(self._published[1].items())]
        return self.book_id, bids[:limit], asks[:limit]

    def latest_prints(self, rows: int) -> list[Printed]:
        """Return the last prints, ascending; those of the past where there are too few."""
        found = list(islice(reversed(self.prints), rows))[::-1]
        if len(found) < rows:
            minutes, place = self.minutes, self.past_count
            while len(found) < rows and place:
                place -= 1
                found = [*self.past_prints(minutes[place], place), *found]
        return found[-rows:]

    def prints_from(self, trade_id: int, rows: int) -> list[Printed]:
        """Return prints from a number on, ascending."""
        found: list[Printed] = []
        if trade_id < FIRST_TRADE_ID and self.minutes:
            place = max(0, self.past_count - -(-(FIRST_TRADE_ID - trade_id) // PRINTS_A_PAST_MINUTE))
            while len(found) < rows + PRINTS_A_PAST_MINUTE and place < self.past_count:
                found += self.past_prints(self.minutes[place], place)
                place += 1
        found = [trade for trade in found if trade.trade_id >= trade_id]
        kept_from = self.prints[0].trade_id if self.prints else 0
        skipped = max(0, trade_id - kept_from)
        return (found + list(islice(self.prints, skipped, skipped + rows)))[:rows]

    def aggregates_between(
        self, start_ns: int | None, end_ns: int | None, first: int | None, rows: int
    ) -> list[Aggregate]:
        """Return aggregates within times (None: open) from a number on: the first ones, without a bound the last."""
        low = start_ns if start_ns is not None else 0
        high = end_ns if end_ns is not None else 2**62
        played = [found for found in self.aggregates if low <= found.ts_ns <= high and found.number >= (first or 0)]
        begins_in_past = not self.aggregates or (start_ns is not None and start_ns < self.aggregates[0].ts_ns)
        if first is not None:
            begins_in_past = first < FIRST_AGGREGATE_ID
        if begins_in_past or (start_ns is None and first is None and len(played) < rows):
            played = self._past_aggregates(low, high, first or 0, rows) + played
        return played[:rows] if start_ns is not None or first is not None else played[-rows:]

    def aggregates_after(self, number: int) -> list[Aggregate]:
        """Return the aggregates after a number, ascending."""
        count = max(0, min(len(self.aggregates), self._next_aggregate - 1 - number))
        return list(islice(reversed(self.aggregates), count))[::-1]

    def _past_aggregates(self, low_ns: int, high_ns: int, first: int, rows: int) -> list[Aggregate]:
        """Return aggregates of the past: each print is one."""
        shift = FIRST_TRADE_ID - FIRST_AGGREGATE_ID
        begin = self.minutes[0].open_ns if self.minutes else 0
        place = max(0, (low_ns - begin) // MINUTE_NS) if low_ns else 0
        if first:
            place = max(place, self.past_count - -(-(FIRST_AGGREGATE_ID - first) // PRINTS_A_PAST_MINUTE))
        elif not low_ns:
            place = max(0, self.past_count - -(-rows // PRINTS_A_PAST_MINUTE))
        found: list[Aggregate] = []
        while place < self.past_count and len(found) < rows + PRINTS_A_PAST_MINUTE:
            for trade in self.past_prints(self.minutes[place], place):
                number = trade.trade_id - shift
                if low_ns <= trade.ts_ns <= high_ns and number >= first:
                    ids = (trade.trade_id, trade.trade_id)
                    found.append(Aggregate(number, trade.price, trade.lots, *ids, trade.is_buyer_maker, trade.ts_ns))
            place += 1
        return found

    def past_prints(self, candle: Candle, place: int) -> Sequence[Printed]:
        """Return the four prints of a minute of the past, the ``place``-th from the first; they make up its candle."""
        first = FIRST_TRADE_ID - PRINTS_A_PAST_MINUTE * (self.past_count - place)
        rising = candle.close >= candle.open
        path = (candle.open, candle.low, candle.high, candle.close)
        path = path if rising else (candle.open, candle.high, candle.low, candle.close)
        share = candle.lots // PRINTS_A_PAST_MINUTE
        found = []
        for at, price in enumerate(path):
            lots = share if at else candle.lots - 3 * share
            if not lots:
                continue
            is_sell = path[at - 1] > price if at else not rising
            ts_ns = candle.open_ns + at * (MINUTE_NS - 1_000_000) // 3
            found.append(Printed(self.listing.symbol, first + at, price, lots, is_sell, ts_ns - ts_ns % 1_000_000))
        return found


def _changes(old: Levels, new: Levels) -> list[tuple[int, int]]:
    """Return what makes ``new`` of ``old``, by price."""
    changed = [(tick, lots) for tick, lots in new.items() if old.get(tick) != lots]
    return sorted(changed + [(tick, 0) for tick in old if tick not in new])
