"""What venues publish, in the terms of no venue. Prices and quantities are float64 as the venue's decimals round to
it, quantities in base units; ``symbol`` is the venue's; times are ns UTC, 0 where the venue says none.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Print:
    """A public trade."""

    symbol: str
    price: float
    qty: float
    trade_id: int
    is_buyer_maker: bool
    ts_event_ns: int


@dataclass(frozen=True, slots=True)
class BestQuote:
    """Best bid and ask."""

    symbol: str
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float
    update_id: int
    ts_event_ns: int


@dataclass(frozen=True, slots=True)
class BookChange:
    """An update of an order book: levels (price, quantity; 0: gone). ``previous_id`` -1: the venue names none."""

    symbol: str
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    first_id: int
    last_id: int
    previous_id: int
    is_snapshot: bool
    ts_event_ns: int


@dataclass(frozen=True, slots=True)
class VenueMark:
    """The venue's mark price, and the forecast of the next funding rate (NaN: none; never a rate that was paid)."""

    symbol: str
    mark: float
    index: float
    forecast_rate: float
    next_funding_ns: int
    ts_event_ns: int


@dataclass(frozen=True, slots=True)
class SettledRate:
    """A funding rate that was settled; mark NaN where the venue does not say it."""

    symbol: str
    rate: float
    mark: float
    ts_event_ns: int


@dataclass(frozen=True, slots=True)
class VenueBar:
    """A bar of the venue; ``is_closed`` False while it may still change."""

    symbol: str
    open_ns: int
    close_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    is_closed: bool


@dataclass(frozen=True, slots=True)
class ListedInstrument:
    """What a venue allows on an instrument. NaN: the venue does not say; increments are positive."""

    symbol: str
    status: str  # the venue's word
    is_trading: bool
    base_asset: str
    settle_asset: str
    price_increment: float
    lot_size: float
    multiplier: float
    qty_max: float
    market_qty_max: float
    min_notional: float
    price_band_up: float  # of the mark, a factor: 1.05
    price_band_down: float
    maintenance_tiers: tuple[tuple[float, float, float], ...] = ()  # notional_max, maintenance_rate, leverage_max
