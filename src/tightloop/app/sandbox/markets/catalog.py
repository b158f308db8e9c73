"""The market of ``--data``: what a catalog has of perps, moved in time so that clients come when the playing begins.

Of each perp the best there is is played: trades with quotes, trades alone, or bars of the shortest timeframe. Without
quotes, each print has one of an increment around it. A bar becomes twelve prints along open, the nearer extreme, the
other one, close. The last half hour before the begin is played as history, up to seven days before it are minutes.
Rules come from the catalog; where it says none, increments are those of the prices, and margin one tier of 20x.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tightloop.adapters.data import catalog as catalogs
from tightloop.adapters.data import shared
from tightloop.app.sandbox.listing import Listing, TierRule, decimals
from tightloop.app.sandbox.markets.sample import Columns, lots_of
from tightloop.app.sandbox.markets.source import Candle, MarketRow, print_row, quote_row
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId, InstrumentRules, base_and_quote
from tightloop.model.times import DAY_NS, HOUR_NS, MINUTE_NS, iso, text_ns

PLAYED_BEFORE_NS = 30 * MINUTE_NS
PAST_NS = 7 * DAY_NS
WARM_NS = 6 * HOUR_NS
WARM_SHARE = 0.25
RATE_UNSAID = 0.0001
"""Funding rate of a perp whose catalog has none: the interest part of the venue's formula."""
_PRINTS_A_BAR = 12
_DIGITS_MAX = 8
_LEVERAGE, _MAINTENANCE = 20, 0.025
_DEPTH_ORDERS = 8
_ACCEPTED = frozenset(shared.FAULT_KINDS)


@dataclass(frozen=True, slots=True)
class Recording:
    """What there is of a perp, in the catalog's time. ``bars``: open times with prices and volume."""

    instrument: InstrumentId
    trades: Columns | None
    quotes: Columns | None
    bars: Columns | None
    bar_ns: int

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the datasets it comes from."""
        place = f"{self.instrument.venue}/{self.instrument.stem}"
        if self.trades is not None:
            return (f"trades/{place}", f"quotes/{place}")
        return tuple(f"bars/{place}-{timeframe}" for timeframe, step_ns in TIMEFRAMES.items() if step_ns == self.bar_ns)

    @property
    def times(self) -> Any:
        """Times of the rows that are played, ascending."""
        if self.trades is not None:
            return self.trades["ts_init_ns"]
        assert self.bars is not None, "a recording has trades or bars"
        return self.bars["open_ns"]


class CatalogMarket:
    """The perps of a catalog, from ``begin`` (ISO time; None: a quarter in, at most six hours) on."""

    def __init__(self, root: Path, start_ns: int, begin: str | None) -> None:
        self._catalog = catalogs.Catalog(root)
        self._recordings = {found.instrument.symbol: found for found in self._read()}
        if not self._recordings:
            remedy = "name a catalog with trades or bars of perps, or leave --data out for the sample"
            raise InputError.one(root, None, "--data", "has no perp that could be played", remedy)
        self.start_ns = start_ns
        self.begin_ns = (start_ns - PLAYED_BEFORE_NS) // MINUTE_NS * MINUTE_NS
        self._shift_ns = start_ns - self._begin_of(begin)
        self.listings = tuple(
            _listing(recording, self._catalog.rules(recording.instrument)) for recording in self._recordings.values()
        )
        paths = (path for found in self._recordings.values() for path in found.paths)
        self.is_synthetic = self._catalog.is_synthetic(paths)
        self._rates = {symbol: self._funding(found.instrument) for symbol, found in self._recordings.items()}

    def _read(self) -> Iterator[Recording]:
        """Yield what is there; of a symbol on several venues the first one with trades, else with bars."""
        seen: set[str] = set()
        perps = [found for found in self._catalog.instruments() if found.market == "perp"]
        ticks = {found: self._ticks("trades", found) for found in perps}
        for instrument in sorted(perps, key=lambda found: (ticks[found] is None, str(found))):
            trades = ticks[instrument]
            if instrument.symbol in seen:
                continue
            if trades is not None:
                seen.add(instrument.symbol)
                yield Recording(instrument, trades, self._ticks("quotes", instrument), None, 0)
            elif self._catalog.timeframes(instrument):
                seen.add(instrument.symbol)
                timeframe = self._catalog.timeframes(instrument)[0]
                bars = self._catalog.bars(instrument, timeframe, accepted=_ACCEPTED).bars
                names = ("open_ns", "close_ns", "open", "high", "low", "close", "volume")
                columns = {name: np.asarray(bars[name]) for name in names}
                yield Recording(instrument, None, None, columns, int(columns["close_ns"][0] - columns["open_ns"][0]))

    def _ticks(self, kind: str, instrument: InstrumentId) -> Columns | None:
        loaded = self._catalog.ticks(kind, instrument, accepted=_ACCEPTED)
        return None if loaded is None else loaded.columns

    def _begin_of(self, begin: str | None) -> int:
        """Return when the playing begins, in the catalog's time. Raises InputError."""
        first = min(int(found.times[0]) for found in self._recordings.values())
        last = max(int(found.times[-1]) for found in self._recordings.values())
        if begin is None:
            moment = first + min(WARM_NS, int((last - first) * WARM_SHARE))
            return moment - moment % MINUTE_NS
        asked = text_ns(begin)
        span = f"use a time from {iso(first)} to {iso(last)}"
        if asked is None:
            raise InputError.one("--from", None, "", f"{begin!r} is not a time", span)
        if not first <= asked < last:
            raise InputError.one("--from", None, "", f"{begin} is outside of the catalog", span)
        return asked

    def _funding(self, instrument: InstrumentId) -> tuple[list[int], list[float]]:
        found = self._catalog.funding(instrument.venue, instrument.symbol, accepted=_ACCEPTED)
        return ([], []) if found is None else (found.ts_ns.tolist(), found.rate.tolist())

    def rate(self, symbol: str, ts_ns: int) -> float:
        """Return the catalog's last funding rate by then, else RATE_UNSAID."""
        times, rates = self._rates[symbol]
        place = int(np.searchsorted(times, ts_ns - self._shift_ns, side="right")) - 1
        return rates[place] if place >= 0 else RATE_UNSAID

    def rows(self) -> Iterator[MarketRow]:
        """Yield the rows of all symbols in order of time, until the catalog ends."""
        return heapq.merge(*(self._rows_of(listing, self.begin_ns, None) for listing in self.listings))

    def _rows_of(self, listing: Listing, begin_ns: int, end_ns: int | None) -> Iterator[MarketRow]:
        """Yield the rows of a symbol in [begin, end) of the twin's time."""
        found, shift = self._recordings[listing.symbol], self._shift_ns
        prints = _of_bars(found, listing, shift, begin_ns, end_ns)
        if found.trades is not None:
            prints = _of_trades(found.trades, listing, shift, begin_ns, end_ns)
        if found.quotes is None:
            return _quoted(prints, listing)
        return heapq.merge(prints, _of_quotes(found.quotes, listing, shift, begin_ns, end_ns))

    def past(self, symbol: str) -> list[Candle]:
        """Return up to seven days of minutes before what is played, without gaps."""
        listing = next(found for found in self.listings if found.symbol == symbol)
        minutes: list[Candle] = []
        for row in self._rows_of(listing, self.begin_ns - PAST_NS, self.begin_ns):
            if row.is_quote:
                continue
            open_ns = row.ts_ns - row.ts_ns % MINUTE_NS
            while minutes and minutes[-1].open_ns + MINUTE_NS < open_ns:
                close = minutes[-1].close
                minutes.append(Candle(minutes[-1].open_ns + MINUTE_NS, close, close, close, close))
            if not minutes or minutes[-1].open_ns < open_ns:
                minutes.append(Candle(open_ns, row.price, row.price, row.price, row.price))
            minutes[-1].add(row.price, row.lots, listing.qty(row.lots), not row.is_buyer_maker, -1)
        return minutes


def _window(times: Any, shift: int, begin_ns: int, end_ns: int | None) -> slice:
    """Return the rows in [begin, end) of the twin's time."""
    low = int(np.searchsorted(times, begin_ns - shift))
    high = len(times) if end_ns is None else int(np.searchsorted(times, end_ns - shift))
    return slice(low, high)


def _of_trades(
    columns: Columns, listing: Listing, shift: int, begin_ns: int, end_ns: int | None
) -> Iterator[MarketRow]:
    rows = _window(columns["ts_init_ns"], shift, begin_ns, end_ns)
    names = ("ts_init_ns", "price", "buyer_is_maker")
    lots = lots_of(listing, columns["qty"][rows], 1)
    for ts_ns, price, is_sell, many in zip(*(columns[name][rows].tolist() for name in names), lots, strict=True):
        yield print_row(ts_ns + shift, listing.symbol, price, many, is_sell > 0)


def _of_quotes(
    columns: Columns, listing: Listing, shift: int, begin_ns: int, end_ns: int | None
) -> Iterator[MarketRow]:
    rows = _window(columns["ts_init_ns"], shift, begin_ns, end_ns)
    times, bids, asks = (columns[name][rows].tolist() for name in ("ts_init_ns", "bid", "ask"))
    sizes = [lots_of(listing, columns[name][rows], 1) for name in ("bid_qty", "ask_qty")]
    for ts_ns, bid, ask, bid_lots, ask_lots in zip(times, bids, asks, *sizes, strict=True):
        if bid < ask:
            yield quote_row(ts_ns + shift, listing.symbol, bid, bid_lots, ask, ask_lots)


def _of_bars(found: Recording, listing: Listing, shift: int, begin_ns: int, end_ns: int | None) -> Iterator[MarketRow]:
    """Yield twelve prints a bar: open, the nearer extreme, the other one, close, and prices between them."""
    if found.bars is None:
        return
    rows = _window(found.bars["open_ns"], shift, begin_ns, end_ns)
    columns = [found.bars[name][rows].tolist() for name in ("open_ns", "open", "high", "low", "close")]
    lots = lots_of(listing, found.bars["volume"][rows] / _PRINTS_A_BAR, 1)
    corners = (0, _PRINTS_A_BAR // 3, 2 * _PRINTS_A_BAR // 3, _PRINTS_A_BAR - 1)
    last = None
    for open_ns, open_, high, low, close, many in zip(*columns, lots, strict=True):
        is_low_first = open_ - low <= high - open_
        path = (open_, low, high, close) if is_low_first else (open_, high, low, close)
        for at, price in enumerate(np.interp(range(_PRINTS_A_BAR), corners, path).tolist()):
            on_grid = listing.price(listing.ticks(price))
            ts_ns = open_ns + shift + at * found.bar_ns // _PRINTS_A_BAR
            yield print_row(ts_ns, listing.symbol, on_grid, many, last is not None and on_grid < last)
            last = on_grid


def _quoted(prints: Iterator[MarketRow], listing: Listing) -> Iterator[MarketRow]:
    """Yield prints, each new price after a quote of an increment around it."""
    last = None
    for row in prints:
        if row.price != last:
            tick = listing.ticks(row.price)
            bid, ask = (tick, tick + 1) if row.is_buyer_maker else (tick - 1, tick)
            if bid > 0:
                depth = listing.depth
                yield quote_row(row.ts_ns, listing.symbol, listing.price(bid), depth, listing.price(ask), depth)
            last = row.price
        yield row


def _listing(found: Recording, rules: InstrumentRules) -> Listing:
    """Return the rules of a perp."""
    prices = found.trades["price"] if found.trades is not None else (found.bars or {})["close"]
    sizes = found.trades["qty"] if found.trades is not None else (found.bars or {})["volume"] / _PRINTS_A_BAR
    price_digits, tick_units = decimals(rules.price_increment or _step(prices))
    lot_digits, lot_units = decimals((rules.lot_size or _step(sizes)) * rules.contract_size)
    lots_a_level = max(1, int(float(np.median(sizes)) * 10**lot_digits / lot_units * _DEPTH_ORDERS))
    tiers = tuple(
        TierRule(tier.notional_max, tier.maintenance_pct / 100.0, int(tier.leverage_max)) for tier in rules.margin_tiers
    )
    return Listing(
        symbol=found.instrument.symbol,
        base=base_and_quote(found.instrument)[0],
        price_digits=price_digits,
        lot_digits=lot_digits,
        tick_units=tick_units,
        lot_units=lot_units,
        qty_max=lots_a_level * 10_000,
        market_qty_max=lots_a_level * 1_000,
        notional_min=rules.min_notional or 5.0,
        taker_rate=rules.taker_bps / 1e4,
        maker_rate=rules.maker_bps / 1e4,
        depth=lots_a_level,
        tiers=tiers or (TierRule(float("inf"), _MAINTENANCE, _LEVERAGE),),
    )


def _step(values: Any) -> float:
    """Return the decimal step on which values lie, 1e-8 at the finest."""
    sample = np.asarray(values[:1_000], np.float64)
    for digits in range(_DIGITS_MAX):
        if np.allclose(np.round(sample, digits), sample, rtol=0.0, atol=1e-10):
            return float(f"1e-{digits}")
    return float(f"1e-{_DIGITS_MAX}")
