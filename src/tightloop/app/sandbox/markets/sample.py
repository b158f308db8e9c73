"""The market of ``--sample``: a scenario of the tick sample, round after round, and days of minutes before it.

Clients come a minute before the first event of the first round may begin; what was played until then is history, like
the minutes before the round. A round is drawn symbol by symbol when its first row is due.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data import tick_sample
from tightloop.app.sandbox.listing import Listing, TierRule, decimals
from tightloop.app.sandbox.markets.source import Candle, MarketRow, print_row, quote_row
from tightloop.model.times import MINUTE_NS, SECOND_NS

Columns = Mapping[str, npt.NDArray[Any]]

PAST_DAYS = 7
HEADSTART_S = 60
"""Seconds from the start to the first moment at which an event may begin."""
_TAKER_RATE, _MAKER_RATE, _NOTIONAL_MIN = 0.0005, 0.0002, 5.0
_RATE_BASE, _RATE_REACH = 0.0001, 0.00005
_DEPTH_ORDERS = 8


class SampleMarket:
    """A scenario that begins so that clients come at ``start_ns``.

    ``symbols``: those alone, None for all. ``headstart_s``: seconds from the start to the first moment at which an
    event may begin; the longer it is, the less is played as history (none at FIRST_EVENT_S).
    """

    def __init__(
        self,
        scenario: str,
        seed: int,
        start_ns: int,
        symbols: Sequence[str] | None = None,
        headstart_s: int = HEADSTART_S,
    ) -> None:
        self._scenario, self._seed = scenario, seed
        self.start_ns, self.is_synthetic = start_ns, True
        ahead_ns = (int(tick_sample.FIRST_EVENT_S) - headstart_s) * SECOND_NS
        self.begin_ns = (start_ns - ahead_ns) // MINUTE_NS * MINUTE_NS
        coins = (market.coin for market in tick_sample.round_markets(scenario, seed))
        self._coins = {coin.symbol: coin for coin in coins if symbols is None or coin.symbol in symbols}
        self.listings = tuple(listing_of(coin) for coin in self._coins.values())

    def rows(self) -> Iterator[MarketRow]:
        """Yield the rows of all symbols in order of time, without an end."""
        return heapq.merge(*(self._rows_of(listing) for listing in self.listings))

    def _rows_of(self, listing: Listing) -> Iterator[MarketRow]:
        price, begin_ns, number = self._coins[listing.symbol].price, self.begin_ns, 0
        while True:
            trades, quotes = tick_sample.round_tape(self._scenario, self._seed, listing.symbol, number, price, begin_ns)
            yield from heapq.merge(prints_of(listing, trades), quotes_of(listing, quotes))
            price = float(trades["price"][-1])
            begin_ns += tick_sample.ROUND_S * SECOND_NS
            number += 1

    def past(self, symbol: str) -> list[Candle]:
        """Return the minutes before the first round."""
        minutes = PAST_DAYS * 1_440
        listing = next(found for found in self.listings if found.symbol == symbol)
        columns = tick_sample.past_bars(self._seed, self._coins[symbol], minutes)
        return candles_of(listing, columns, self.begin_ns - minutes * MINUTE_NS)

    def rate(self, symbol: str, ts_ns: int) -> float:
        """Return a funding rate around 1 bp that depends on the seed, the symbol and the time alone."""
        mixed = blake2b(f"{self._seed} {ts_ns} {symbol}".encode(), digest_size=4).digest()
        return round(_RATE_BASE + _RATE_REACH * (int.from_bytes(mixed, "big") % 2_001 - 1_000) / 1_000, 8)


def listing_of(coin: tick_sample.TickCoin) -> Listing:
    """Return the rules of a coin of the sample: those that its catalog states."""
    price_digits, tick_units = decimals(coin.increment)
    lot_digits, lot_units = decimals(coin.lot)
    lots_a_level = max(1, round(coin.order / coin.lot * _DEPTH_ORDERS))
    most = coin.leverage_max
    tiers = (TierRule(50_000.0, 0.5 / most, most), TierRule(float("inf"), 0.5 / (most // 2), most // 2))
    return Listing(
        symbol=coin.symbol,
        base=coin.symbol.removesuffix("USDT"),
        price_digits=price_digits,
        lot_digits=lot_digits,
        tick_units=tick_units,
        lot_units=lot_units,
        qty_max=lots_a_level * 10_000,
        market_qty_max=lots_a_level * 1_000,
        notional_min=_NOTIONAL_MIN,
        taker_rate=_TAKER_RATE,
        maker_rate=_MAKER_RATE,
        depth=lots_a_level,
        tiers=tiers,
    )


def lots_of(listing: Listing, quantities: npt.NDArray[Any], least: int) -> list[int]:
    """Return quantities as whole lots, each at least ``least``."""
    lots = np.maximum(np.rint(quantities * (10**listing.lot_digits / listing.lot_units)), least)
    return [int(many) for many in lots.astype(np.int64).tolist()]


def prints_of(listing: Listing, columns: Columns) -> Iterator[MarketRow]:
    """Yield trades as rows of a market."""
    names = ("ts_event_ns", "price", "buyer_is_maker")
    lots = lots_of(listing, columns["qty"], 1)
    for ts_ns, price, is_sell, many in zip(*(columns[name].tolist() for name in names), lots, strict=True):
        yield print_row(ts_ns, listing.symbol, price, many, bool(is_sell))


def quotes_of(listing: Listing, columns: Columns) -> Iterator[MarketRow]:
    """Yield quotes as rows of a market."""
    times, bids, asks = (columns[name].tolist() for name in ("ts_event_ns", "bid", "ask"))
    sizes = [lots_of(listing, columns[name], 1) for name in ("bid_qty", "ask_qty")]
    for ts_ns, bid, ask, bid_lots, ask_lots in zip(times, bids, asks, *sizes, strict=True):
        yield quote_row(ts_ns, listing.symbol, bid, bid_lots, ask, ask_lots)


def candles_of(listing: Listing, columns: Columns, begin_ns: int) -> list[Candle]:
    """Return minutes from columns of bars without gaps, with half of the volume by buyers."""
    found = []
    prices = (columns[name].tolist() for name in ("open", "high", "low", "close"))
    rows = zip(*prices, lots_of(listing, columns["volume"], 4), strict=True)
    for at, (open_, high, low, close, lots) in enumerate(rows):
        candle = Candle(begin_ns + at * MINUTE_NS, open_, high, low, close, lots, lots // 2)
        candle.quote = listing.qty(lots) * (open_ + close) / 2.0
        candle.buy_quote = candle.quote * candle.buy_lots / lots
        candle.count = 4
        found.append(candle)
    return found
