"""``tightloop data fetch``: public history of a venue into the catalog.

What the catalog has is all that a fetch remembers, so one that was interrupted is resumed by giving it again, and a
finished one asks for what is new alone. Rows are written each ROWS_KEPT_MAX, and when it ends, however it ends.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tightloop.adapters.data.importer.storing import Target, check_place, store, stored_keys
from tightloop.adapters.data.rules_file import write_rules
from tightloop.adapters.venues._shared.calls import Hosts
from tightloop.adapters.venues._shared.http import HttpTransport
from tightloop.adapters.venues._shared.numbers import written
from tightloop.adapters.venues._shared.urls import check_url
from tightloop.adapters.venues.binance_usdm import HOSTS, BinanceUsdm
from tightloop.app.markets.fetch import paging
from tightloop.app.markets.fetch.asking import Asker
from tightloop.app.markets.fetch.paging import Columns, Page, Span
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId
from tightloop.model.times import iso
from tightloop.ports.execution import ReadServerTime, ServerTime
from tightloop.ports.market_data import ListedInstrument, ListInstruments

ROWS_KEPT_MAX = 50_000
VENUES = ("binance", "binance-usdm")
KINDS = (*TIMEFRAMES, "trades", "funding", "rules")
_SECOND_NS = 1_000_000_000
_SETTLES_NS = _SECOND_NS  # a venue adds up trades of 0.1 s, so the last aggregate may not be whole


@dataclass(frozen=True, slots=True)
class Wish:
    """What to fetch: KINDS of ``name`` (BTCUSDT-perp) in [since_ns, until_ns), until now where it is None."""

    root: Path
    venue: str
    name: str
    kind: str
    since_ns: int | None = None
    until_ns: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came. ``path``: of the dataset, or of the rules. ``notes``: sentences for the user."""

    path: str
    rows: int
    added: int
    calls: int
    notes: tuple[str, ...]


def fetch(wish: Wish, say: Callable[[str], None], shown: Callable[[int, int], None]) -> Fetched:
    """Fetch and store; return what came. ``shown`` is told seconds of the window that are done, and all of them.

    Raises InputError for what is not offered or refused, ProviderError when the venue stays away. What was fetched
    before an error, or before Ctrl-C, is stored.
    """
    instrument = _instrument_of(wish)
    if wish.url is not None:
        check_url(wish.url)
    return asyncio.run(_fetch(wish, instrument, say, shown))


def _instrument_of(wish: Wish) -> InstrumentId:
    if wish.venue not in VENUES:
        raise _wrong("VENUE", f"{wish.venue!r} is no venue to fetch from", f"name one of {', '.join(VENUES)}")
    if wish.kind not in KINDS:
        raise _wrong("KIND", f"{wish.kind!r} cannot be fetched", f"name one of {', '.join(KINDS)}")
    try:
        instrument = InstrumentId.parse(f"binance:{wish.name}")
    except ValueError as error:
        message, _, remedy = str(error).partition("; ")
        raise _wrong("SYMBOL", message, remedy) from None
    if wish.kind == "funding" and instrument.market == "spot":
        raise _wrong("KIND", "spot has no funding", "fetch that of the perpetual")
    if wish.kind != "rules" and wish.since_ns is None:
        raise _wrong("--since", "is missing", "say from when on, for example --since 2024-01-01")
    if wish.since_ns is not None and wish.until_ns is not None and wish.since_ns >= wish.until_ns:
        raise _wrong("--since", "is not before --until", "write the earlier time first")
    return instrument


def _wrong(field: str, message: str, remedy: str) -> InputError:
    return InputError.one("command line", None, field, message, remedy)


async def _fetch(
    wish: Wish, instrument: InstrumentId, say: Callable[[str], None], shown: Callable[[int, int], None]
) -> Fetched:
    dialect = BinanceUsdm(HOSTS if wish.url is None else Hosts.at(wish.url))
    transport = HttpTransport()
    try:
        asker = Asker(dialect, transport, time.monotonic_ns, say)
        if wish.kind == "rules":
            return await _rules(wish.root, instrument, asker)
        now_ns = await _venue_time_ns(asker)
        span = _window(wish, instrument, now_ns)
        keeper = _Keeper(wish, _target(wish, instrument), span, shown)
        try:
            async for page in _pages(asker, span, wish.kind, keeper.known):
                keeper.take(page)
        finally:
            keeper.write()
        return keeper.fetched(asker.calls_count)
    finally:
        await transport.close()


async def _venue_time_ns(asker: Asker) -> int:
    (told,) = await asker.ask(ReadServerTime())
    assert isinstance(told, ServerTime)
    return told.ts_ns


def _window(wish: Wish, instrument: InstrumentId, now_ns: int) -> Span:
    """Return what to ask for; nothing after the venue's present time, which a bar may still change in."""
    assert wish.since_ns is not None, "the options were looked at"
    known_ns = now_ns - _SETTLES_NS if wish.kind == "trades" else now_ns
    end_ns = known_ns if wish.until_ns is None else min(wish.until_ns, known_ns)
    if wish.since_ns >= end_ns:
        raise _wrong("--since", f"is after the venue's present time, {iso(now_ns)}", "write an earlier time")
    return Span(instrument.symbol, instrument.market == "spot", wish.since_ns, end_ns)


def _target(wish: Wish, instrument: InstrumentId) -> Target:
    if wish.kind == "funding":
        return Target("funding", instrument.venue, instrument.symbol)
    if wish.kind == "trades":
        return Target("trades", instrument.venue, instrument.stem)
    return Target("bars", instrument.venue, f"{instrument.stem}-{wish.kind}", wish.kind)


def _pages(asker: Asker, span: Span, kind: str, known: paging.Keys) -> AsyncIterator[Page]:
    if kind == "trades":
        return paging.trade_pages(asker, span, known)
    if kind == "funding":
        return paging.funding_pages(asker, span, known)
    return paging.bar_pages(asker, span, kind, known)


class _Keeper:
    """Keeps pages until they are written, and counts."""

    def __init__(self, wish: Wish, target: Target, span: Span, shown: Callable[[int, int], None]) -> None:
        self._root, self._kind, self._target, self._span, self._shown = wish.root, wish.kind, target, span, shown
        check_place(wish.root, target, aggregate=wish.kind == "trades")
        self.known = stored_keys(wish.root, target, span.start_ns, span.end_ns)
        self._kept: list[Columns] = []
        self._rows = self._added = 0
        self._lacking: list[tuple[int, int]] = []

    def take(self, page: Page) -> None:
        """Keep a page; write when there are enough of them."""
        self._kept.append(page.columns)
        self._lacking += page.lacking
        start_ns, end_ns = self._span.start_ns, self._span.end_ns
        self._shown(
            min(page.reached_ns, end_ns) // _SECOND_NS - start_ns // _SECOND_NS, (end_ns - start_ns) // _SECOND_NS
        )
        if sum(len(next(iter(columns.values()))) for columns in self._kept) >= ROWS_KEPT_MAX:
            self.write()

    def write(self) -> None:
        """Store what is kept."""
        kept, self._kept = [columns for columns in self._kept if len(next(iter(columns.values())))], []
        if kept:
            new = {name: np.concatenate([columns[name] for columns in kept]) for name in kept[0]}
            self._rows, added, _ = store(self._root, self._target, new, aggregate=self._kind == "trades")
            self._added += added

    def fetched(self, calls: int) -> Fetched:
        """Return what came, and what did not."""
        there = stored_keys(self._root, self._target, self._span.start_ns, self._span.end_ns)
        notes = self._lacks_at_the_ends(there)
        if self._lacking:
            count = sum(last - first + 1 for first, last in self._lacking)
            first, last = self._lacking[0]
            notes.append(f"the venue has no trades of {count:,} ids, first {first} to {last}")
        return Fetched(self._target.path, len(there), self._added, calls, tuple(notes))

    def _lacks_at_the_ends(self, there: paging.Keys) -> list[str]:
        if not len(there):
            return [f"the venue has nothing from {iso(self._span.start_ns)} to {iso(self._span.end_ns)}"]
        if self._kind not in TIMEFRAMES:
            return []
        step_ns = TIMEFRAMES[self._kind]
        notes, first_ns, end_ns = [], int(there[0]), int(there[-1]) + step_ns
        if first_ns - self._span.start_ns >= step_ns:
            notes.append(f"the venue has no bars before {iso(first_ns)}")
        if self._span.end_ns - end_ns >= step_ns:
            notes.append(f"the venue has no bars after {iso(end_ns)}")
        return notes


async def _rules(root: Path, instrument: InstrumentId, asker: Asker) -> Fetched:
    listed = await asker.ask(ListInstruments(instrument.market == "spot"))
    found = [row for row in listed if isinstance(row, ListedInstrument) and row.symbol == instrument.symbol]
    if not found:
        raise _wrong("SYMBOL", f"the venue does not list {instrument}", "name a symbol as the venue writes it")
    row = found[0]
    names = ("price_increment", "lot_size", "min_notional", "qty_max", "market_qty_max")
    stated = {name: getattr(row, name) for name in names}
    rules = {name: written(value) for name, value in stated.items() if not math.isnan(value)}
    rules |= {"contract_size": written(row.multiplier), "settle_asset": row.settle_asset}
    changed = write_rules(root, instrument, rules)
    notes = [f"{name}: {now}" if not before else f"{name}: {now}, was {before}" for name, before, now in changed]
    if not row.is_trading:
        notes.append(f"the venue does not trade it now: {row.status}")
    notes.append("fees and margin tiers are an account's and are not public: the entry keeps those it has")
    return Fetched("instruments.yaml", len(rules), len(changed), asker.calls_count, tuple(notes))
