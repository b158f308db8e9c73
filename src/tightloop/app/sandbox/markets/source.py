"""What an exchange plays: rows of a market in order of time, and what lay before them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tightloop.app.sandbox.listing import Listing


class MarketRow(NamedTuple):
    """A print (``price``, ``lots``, ``is_buyer_maker``) or a quote (bid, bid lots, ask, ask lots) of a symbol."""

    ts_ns: int
    symbol: str
    is_quote: bool
    price: float
    lots: int
    ask: float
    ask_lots: int
    is_buyer_maker: bool


def print_row(ts_ns: int, symbol: str, price: float, lots: int, is_buyer_maker: bool) -> MarketRow:
    """Build the row of a public trade."""
    return MarketRow(ts_ns, symbol, False, price, lots, 0.0, 0, is_buyer_maker)


def quote_row(ts_ns: int, symbol: str, bid: float, bid_lots: int, ask: float, ask_lots: int) -> MarketRow:
    """Build the row of a best bid and ask."""
    return MarketRow(ts_ns, symbol, True, bid, bid_lots, ask, ask_lots, False)


@dataclass(slots=True)
class Candle:
    """A minute: prices, volume in lots (``buy_lots``: of takers who bought), quote volume, number of prints."""

    open_ns: int
    open: float
    high: float
    low: float
    close: float
    lots: int = 0
    buy_lots: int = 0
    quote: float = 0.0
    buy_quote: float = 0.0
    count: int = 0
    first_id: int = -1
    last_id: int = -1

    def add(self, price: float, lots: int, qty: float, is_buy: bool, trade_id: int) -> None:
        """Take in a print."""
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.lots += lots
        self.quote += price * qty
        if is_buy:
            self.buy_lots += lots
            self.buy_quote += price * qty
        self.count += 1
        self.first_id = trade_id if self.first_id < 0 else self.first_id
        self.last_id = trade_id


class MarketSource(Protocol):
    """A market that can be played from ``begin_ns`` on; clients come at ``start_ns``.

    ``is_synthetic``: no price in it was ever paid.
    """

    begin_ns: int
    start_ns: int
    listings: tuple[Listing, ...]
    is_synthetic: bool

    def rows(self) -> Iterator[MarketRow]:
        """Yield the rows from ``begin_ns`` on, in order of time."""

    def past(self, symbol: str) -> list[Candle]:
        """Return the minutes before ``begin_ns``, ascending, without gaps, each with four prints."""

    def rate(self, symbol: str, ts_ns: int) -> float:
        """Return the funding rate settled at a time, a fraction."""
