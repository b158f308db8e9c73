"""What venues publish, in the terms of no venue. Prices and quantities are float64 as the venue's decimals round to
it, quantities in base units; ``symbol`` is the venue's; times are ns UTC, 0 where the venue says none.
"""

from dataclasses import dataclass
from enum import Enum


class PublicStream(Enum):
    """What a socket can be asked for, for each symbol."""

    TRADES = "trades"
    QUOTES = "quotes"
    BOOK = "book"
    MARK = "mark"


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
    is_leaving: bool = False  # it will not be traded again: being settled, delivered or closed


@dataclass(frozen=True, slots=True)
class ListedTiers:
    """The margin tiers of a symbol: rows of (notional_max, maintenance_rate, leverage_max), ascending."""

    symbol: str
    tiers: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class VenueLimit:
    """How much a venue takes in ``per_s`` seconds: of weight, or of orders.

    ``header``: of the venue's answers, says how much of it is used; "": none does.
    """

    is_of_orders: bool
    count: int
    per_s: int
    header: str = ""


@dataclass(frozen=True, slots=True)
class FrameAnswer:
    """The venue's answer to a frame that we sent: a subscription, a login, a probe."""

    frame_id: int
    is_accepted: bool
    text: str = ""


Market = (
    Print
    | BestQuote
    | BookChange
    | VenueMark
    | SettledRate
    | VenueBar
    | ListedInstrument
    | ListedTiers
    | VenueLimit
    | FrameAnswer
)

# Requests for what is public ------------------------------------------------------------------------------------------
# ``is_spot``: of the venue's spot market. Windows are [start_ns, end_ns); rows come ascending, at most ``count``.


@dataclass(frozen=True, slots=True)
class ListInstruments:
    """Ask for the rules of all instruments, and for the venue's limits."""

    is_spot: bool = False


@dataclass(frozen=True, slots=True)
class ListMarginTiers:
    """Ask for the margin tiers of a symbol, "" for all. Where a venue wants a key for it, it is signed."""

    symbol: str = ""


@dataclass(frozen=True, slots=True)
class ListBars:
    """Ask for bars that open in a window. ``timeframe`` as in TIMEFRAMES. The last may not have closed."""

    symbol: str
    timeframe: str
    start_ns: int
    end_ns: int
    count: int
    is_spot: bool = False


@dataclass(frozen=True, slots=True)
class ListAggregates:
    """Ask for aggregate trades, from an id on, or of a window when ``from_id`` is -1.

    Their ids are not those of the trades that streams and ListRecentTrades have.
    """

    symbol: str
    from_id: int
    start_ns: int
    end_ns: int
    count: int
    is_spot: bool = False


@dataclass(frozen=True, slots=True)
class ListRecentTrades:
    """Ask for the last trades."""

    symbol: str
    count: int


@dataclass(frozen=True, slots=True)
class ListFundingRates:
    """Ask for the funding rates that were settled in a window."""

    symbol: str
    start_ns: int
    end_ns: int
    count: int


@dataclass(frozen=True, slots=True)
class ReadMark:
    """Ask for mark, index and the forecast of the next funding rate."""

    symbol: str


@dataclass(frozen=True, slots=True)
class ReadBook:
    """Ask for a snapshot of the order book with at most ``depth`` levels a side."""

    symbol: str
    depth: int


PublicRequest = (
    ListInstruments
    | ListMarginTiers
    | ListBars
    | ListAggregates
    | ListRecentTrades
    | ListFundingRates
    | ReadMark
    | ReadBook
)
