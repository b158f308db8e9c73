"""The public market of a venue as facts: sockets that are kept open, prints that were missed, funding as it settles.

Sockets hand over what each frame said (``take``), in the order it came. Trade ids tell what was missed: after a socket
was lost, prints wait until the last trades were asked for, and those with newer ids stand before them; ids that were
had already are ignored. What comes so late stands between two DATA_GAPs: it is not of now, so no window may hold it,
and no decision comes of it. What was not reached stays a jump of ids, which the step is told as a DATA_GAP as well
(``core/replay/live.py``).

A funding rate becomes a fact when the venue has settled it, never before: a forecast is none. It does so once,
however long the venue goes on to announce a time that has passed.

What no market can have, a price that is not positive or a number beyond all bounds, is counted and becomes no fact.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tightloop.core.domain.enums import FeedState
from tightloop.core.domain.ticks import Gap
from tightloop.core.limits import PRICE_MAX, QUANTITY_MAX
from tightloop.ports.execution import Failure, RateLimited, Report
from tightloop.ports.market_data import (
    BestQuote,
    BookChange,
    ListFundingRates,
    ListRecentTrades,
    Market,
    Print,
    PublicRequest,
    SettledRate,
    VenueMark,
)
from tightloop.ports.transport import Transport
from tightloop.ports.venue import VenueDialect
from tightloop.runtime.session import told
from tightloop.runtime.session.market.bars import MadeBars
from tightloop.runtime.session.market.intake import Intake

CALL_TIMEOUT_S = 10.0
TRADES_KEPT = 1_000
FUNDING_ASKED_EVERY_S = 5.0
FUNDING_ROWS = 100
SETTLED_WITHIN_NS = 1_000_000_000
"""The time a venue gives to a settled rate may differ by this much from the one it announced."""
_MS = 1_000_000


class VenueRefused(OSError):
    """The venue did not answer what it was asked; the text says what it said.

    ``is_final``: it would say the same again, as it does not know the key.
    """

    is_final = False


@dataclass(slots=True)
class MarketFeed:
    """Public data of ``symbols`` (instrument number by the venue's symbol) into an intake.

    ``bars``: where prints go as well, if strategies run on bars. ``now_ns``: time of the process, ns UTC.
    """

    dialect: VenueDialect
    transport: Transport
    now_ns: Callable[[], int]
    intake: Intake
    symbols: Mapping[str, int]
    bars: MadeBars | None = None
    on_bar_opened: Callable[[int, float], None] = lambda _instrument, _price: None
    on_mark: Callable[[int, VenueMark], None] = lambda _instrument, _mark: None
    on_book: Callable[[BookChange], None] = lambda _change: None
    on_limited: Callable[[float], None] = lambda _retry_after_s: None
    held_ns: int = 0
    """Nothing is asked before: Retry-After."""
    received_ns: int = 0
    repeated_count: int = 0
    malformed_count: int = 0
    next_funding_ns: dict[str, int] = field(default_factory=dict)
    venue_ns: int = 0
    """The latest time that the venue said with a mark; its clock may be ahead of ours."""
    _settled_ns: dict[str, int] = field(default_factory=dict)
    _awaited_ns: dict[str, int] = field(default_factory=dict)
    _last_id: dict[str, int] = field(default_factory=dict)
    _held: list[Print] | None = None
    _is_other_lost: bool = False

    async def ask(self, request: PublicRequest) -> list[Market]:
        """Ask the venue; raises VenueRefused, NotSent or NoAnswer."""
        if self.now_ns() < self.held_ns:  # no waiting: prints may wait for what is asked here
            raise VenueRefused(f"{type(request).__name__}: the venue limits requests")
        call = self.dialect.encode(request, self.now_ns() // _MS, None)
        answer = await self.transport.call(call, CALL_TIMEOUT_S)
        found = self.dialect.decode(request, answer)
        if not isinstance(found, list):
            if isinstance(found, RateLimited):
                self.on_limited(found.retry_after_s)
                self.hold(found.retry_after_s)
            raise VenueRefused(f"{type(request).__name__}: {_words(found)}")
        return found  # type: ignore[return-value]  # answers to public requests are of the market

    def hold(self, retry_after_s: float) -> None:
        """Ask nothing for a time: the venue limits requests."""
        self.held_ns = max(self.held_ns, self.now_ns() + int(retry_after_s * 1e9))

    def go_on(self, last_ids: Mapping[str, int]) -> None:
        """Begin after prints with these ids, by symbol: what came since is asked for before anything new."""
        self._last_id = {symbol: last_id for symbol, last_id in last_ids.items() if last_id > 0}
        self.lost()

    def lost(self, *, has_prints: bool = True) -> None:
        """Note that a socket is gone, and tell it, once for each loss.

        ``has_prints``: prints are missing then, and new ones wait until the missing ones were asked for.
        """
        if not has_prints:
            if not self._is_other_lost:
                self._tell(FeedState.DOWN)
            self._is_other_lost = True
            return
        if self.bars is not None:
            for instrument in self.symbols.values():
                self.bars.lose(instrument)
        if self._held is None:
            self._held = []
            self._tell(FeedState.DOWN)

    def regained(self) -> None:
        """Note that a socket without prints is open again."""
        if self._is_other_lost and self._held is None:
            self._tell(FeedState.UP)
        self._is_other_lost = False

    async def catch_up(self) -> None:
        """Put the prints that were missed, as far as the venue still has them, then those that waited."""
        if self._held is None:
            return
        try:
            for symbol in sorted(self._last_id):
                answer = await self.ask(ListRecentTrades(symbol, TRADES_KEPT))
                last_id = self._last_id[symbol]
                missed = [one for one in answer if isinstance(one, Print) and one.trade_id > last_id]
                self.repeated_count += len(answer) - len(missed)
                if missed:
                    self._put_missed(symbol, missed)
        finally:  # what was not reached stays a jump of ids
            if self.bars is not None:
                for instrument in self.symbols.values():
                    self.bars.regain(instrument)
            self._tell(FeedState.UP)
            held, self._held = self._held, None
            for fact in held or ():
                self._take_print(fact)

    async def has_missed(self) -> bool:
        """Return whether the venue has prints that did not come: a quiet market and a dead socket look alike.

        Raises what ``ask`` does. Where no print ever came, silence counts as a loss.
        """
        for symbol, last_id in sorted(self._last_id.items()):
            found = [one.trade_id for one in await self.ask(ListRecentTrades(symbol, 1)) if type(one) is Print]
            if any(trade_id > max(last_id, self._last_id[symbol]) for trade_id in found):
                return True
        return not self._last_id

    def _put_missed(self, symbol: str, missed: list[Print]) -> None:
        """Put prints that come late, between two gaps: no window holds them, because they are not of now."""
        self._gap(symbol)
        for one in missed:
            self._take_print(one)
        self._gap(symbol)

    def _gap(self, symbol: str) -> None:
        self.intake.put_event(told.gap(self.symbols[symbol], Gap.PRINTS))

    def _tell(self, state: FeedState) -> None:
        """Put a FEED_STATE for every instrument."""
        for instrument in self.symbols.values():
            last_ns = self.received_ns if state is FeedState.DOWN else 0
            self.intake.put_event(told.feed_state(instrument, state, last_ns))

    def take(self, found: list[Report | Market] | Failure) -> None:
        """Put what a frame said into the intake."""
        if not isinstance(found, list):
            self.malformed_count += 1
            return
        self.received_ns = self.now_ns()
        for fact in found:
            kind = type(fact)
            if kind is Print:
                self._print(fact)  # type: ignore[arg-type]  # its type was just looked at
            elif kind is BestQuote:
                self._quote(fact)  # type: ignore[arg-type]  # its type was just looked at
            elif kind is BookChange:
                self.on_book(fact)  # type: ignore[arg-type]  # its type was just looked at
            elif isinstance(fact, VenueMark) and fact.symbol in self.symbols:
                self.next_funding_ns[fact.symbol] = fact.next_funding_ns
                self.venue_ns = max(self.venue_ns, fact.ts_event_ns)
                if fact.symbol in self.symbols:
                    self.on_mark(self.symbols[fact.symbol], fact)

    def _print(self, fact: Print) -> None:
        if self._held is None:
            self._take_print(fact)
        else:
            self._held.append(fact)

    def _take_print(self, fact: Print) -> None:
        instrument = self.symbols.get(fact.symbol)
        if instrument is None:
            return
        if not (0.0 < fact.price <= PRICE_MAX and 0.0 < fact.qty <= QUANTITY_MAX and fact.trade_id >= 0):
            self.malformed_count += 1
            return
        if fact.trade_id <= self._last_id.get(fact.symbol, -1):
            self.repeated_count += 1
            return
        self._last_id[fact.symbol] = fact.trade_id
        if self.bars is not None and self.bars.take(
            instrument, fact.price, fact.qty, min(fact.ts_event_ns, self.received_ns or self.now_ns())
        ):
            self.on_bar_opened(instrument, fact.price)
        self.intake.put_print(
            instrument, fact.price, fact.qty, fact.trade_id, int(fact.is_buyer_maker), fact.ts_event_ns
        )

    def _quote(self, fact: BestQuote) -> None:
        instrument = self.symbols.get(fact.symbol)
        if not (0.0 < fact.bid <= PRICE_MAX and 0.0 < fact.ask <= PRICE_MAX) or not (
            0.0 <= fact.bid_qty <= QUANTITY_MAX and 0.0 <= fact.ask_qty <= QUANTITY_MAX
        ):
            self.malformed_count += 1  # a side without orders has no price, so there is no quote
        elif instrument is not None:
            self.intake.put_quote(instrument, fact.bid, fact.bid_qty, fact.ask, fact.ask_qty, fact.ts_event_ns)

    async def settle(self) -> None:
        """Ask for each funding rate once its time has come, until the venue has it, and put it as a fact."""
        awaited = self._awaited_ns  # it outlives a question without an answer, which ends this task
        while True:
            await asyncio.sleep(FUNDING_ASKED_EVERY_S)
            for symbol, due_ns in self.next_funding_ns.items():
                if due_ns > self._settled_ns.get(symbol, 0) + SETTLED_WITHIN_NS:
                    awaited[symbol] = min(awaited.get(symbol, due_ns), due_ns)
            for symbol, due_ns in sorted(awaited.items()):
                if due_ns <= max(self.now_ns(), self.venue_ns) and await self._settled(symbol, due_ns):
                    del awaited[symbol]

    async def _settled(self, symbol: str, due_ns: int) -> bool:
        """Put the rate that settled at ``due_ns``, if the venue has it already."""
        since_ns = due_ns - SETTLED_WITHIN_NS
        until_ns = max(self.now_ns(), self.venue_ns) + _MS
        for row in await self.ask(ListFundingRates(symbol, since_ns, until_ns, FUNDING_ROWS)):
            if isinstance(row, SettledRate) and row.symbol == symbol and row.ts_event_ns >= since_ns:
                self._settled_ns[symbol] = max(due_ns, row.ts_event_ns)
                self._rate(row)
                return True
        return False

    def _rate(self, row: SettledRate) -> None:
        self.intake.put_event(told.funding_rate(self.symbols[row.symbol], row.rate))


def _words(failure: Failure) -> str:
    text = getattr(failure, "text", "")
    return f"{type(failure).__name__} {text}".strip()
