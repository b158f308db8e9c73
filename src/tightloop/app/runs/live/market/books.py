"""Order books of a session: one snapshot, then every change after it, each update as facts of one stamp.

The venue's numbers say which changes belong together (``adapters/venues/_shared/books.py``). In facts the updates of an
instrument have numbers of their own, one after the other, because venues count differently and some count nothing. A
number that is left out says that the book is not known any more: strategy and simulated venue void it, and so does a
backtest of the recording. It is left out before an update that changes nothing (a quantity of 0 where there is none),
told as soon as the loss is known; the next snapshot then makes a new book.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from tightloop.adapters.venues._shared.books import BookSequence, BookState
from tightloop.app.runs.live.venues import TROUBLE
from tightloop.core.limits import PRICE_MAX, QUANTITY_MAX
from tightloop.ports.market_data import BookChange, Market, PublicRequest, ReadBook
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.market.feed import MarketFeed
from tightloop.runtime.session.market.intake import BookLevel, Intake

DEPTH = 500
"""Levels a side that a snapshot is asked for: more than the core keeps."""
AGAIN_S = 0.5
"""Between two questions for snapshots."""
Ask = Callable[[PublicRequest], Awaitable[list[Market]]]


class FollowedBooks:
    """The books of ``symbols`` (instrument number by the venue's symbol), as facts in ``intake``.

    ``ask``: asks the venue. ``numbers``: by symbol, of the last update that the journal has; 0 where there is none.
    ``prices``: by symbol, any positive price of the instrument where such an update was.
    """

    def __init__(
        self, intake: Intake, symbols: Mapping[str, int], ask: Ask, numbers: Mapping[str, int],
        prices: Mapping[str, float],
    ) -> None:  # fmt: skip
        self._intake, self._symbols, self._ask = intake, symbols, ask
        self._sequences = {symbol: BookSequence() for symbol in symbols}
        self._numbers = {symbol: numbers.get(symbol, 0) for symbol in symbols}
        self._prices = dict(prices)
        self._is_wanted = asyncio.Event()
        self.malformed_count = self.gap_count = 0

    def take(self, change: BookChange) -> None:
        """Take a change of a stream, or a snapshot that was asked for."""
        sequence = self._sequences.get(change.symbol)
        if sequence is None:
            return
        if not _is_well_formed(change):
            self.malformed_count += 1
            self._lose(change.symbol, sequence)
        else:
            applied = sequence.take(change)
            if applied.is_gap:
                self.gap_count += 1
                self._void(change.symbol)
            for one in applied.changes:
                self._put(one)
        if sequence.state is BookState.WANTED:
            self._is_wanted.set()

    def lost(self) -> None:
        """Note that a socket is gone, or that the process was: no book is known."""
        for symbol, sequence in self._sequences.items():
            self._lose(symbol, sequence)

    async def follow(self) -> None:
        """Ask for a snapshot of each book that is wanted, once changes of it arrive. Raises what asking raises."""
        while True:
            await self._is_wanted.wait()
            self._is_wanted.clear()
            for symbol, sequence in self._sequences.items():
                if sequence.state is BookState.WANTED:
                    await self._read(symbol, sequence)
            await asyncio.sleep(AGAIN_S)

    async def _read(self, symbol: str, sequence: BookSequence) -> None:
        sequence.asked()
        try:
            found = await self._ask(ReadBook(symbol, DEPTH))
        except TROUBLE:
            sequence.lost()
            self._is_wanted.set()
            raise
        for one in found:
            if isinstance(one, BookChange):
                self.take(one)

    def _lose(self, symbol: str, sequence: BookSequence) -> None:
        if sequence.state is BookState.KNOWN or self._numbers[symbol] > 0:
            self._void(symbol)
        sequence.lost()

    def _void(self, symbol: str) -> None:
        """Pass over a number, so that the book is void."""
        price = self._prices.get(symbol, 0.0)
        self._numbers[symbol] += 2
        if price > 0.0:
            self._tell(symbol, [(price, 0.0, True)], 0, is_snapshot=False)

    def _put(self, change: BookChange) -> None:
        levels = [(price, qty, True) for price, qty in change.bids] + [
            (price, qty, False) for price, qty in change.asks
        ]
        if not levels:
            return
        self._numbers[change.symbol] += 1
        self._prices[change.symbol] = levels[0][0]
        self._tell(change.symbol, levels, change.ts_event_ns, is_snapshot=change.is_snapshot)

    def _tell(self, symbol: str, levels: list[BookLevel], ts_event_ns: int, *, is_snapshot: bool) -> None:
        instrument, number = self._symbols[symbol], self._numbers[symbol]
        self._intake.put_update(instrument, levels, number, ts_event_ns, is_snapshot=is_snapshot)


def _is_well_formed(change: BookChange) -> bool:
    """Return whether every level has a price that can be, and a quantity (0: it is gone)."""
    levels = (*change.bids, *change.asks)
    return all(0.0 < price <= PRICE_MAX and 0.0 <= qty <= QUANTITY_MAX for price, qty in levels)


def followed_books(session: Session, symbols: Mapping[str, int], feed: MarketFeed) -> FollowedBooks:
    """Return the books of a session, fed by ``feed``; those that its last process knew are void."""
    plan, streams = session.plan, session.driver.streams
    count = len(plan.instruments)
    numbers = {symbol: max(int(streams[count + at]["last_id"]) - 1, 0) for symbol, at in symbols.items()}
    marks = {symbol: float(plan.states[0]["instruments"][at]["mark"]) for symbol, at in symbols.items()}
    books = FollowedBooks(session.intake, symbols, feed.ask, numbers, marks)
    books.lost()
    feed.on_book = books.take
    return books
