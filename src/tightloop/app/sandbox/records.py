"""What an exchange remembers: orders, conditional orders, fills, positions, and what happened to them."""

from dataclasses import dataclass, field
from enum import StrEnum


class Standing(StrEnum):
    """State of an order; conditional orders have TRIGGERING, TRIGGERED and FINISHED besides."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"


OPEN = (Standing.NEW, Standing.PARTIALLY_FILLED)


class No(StrEnum):
    """Why an exchange refuses."""

    MARGIN = "margin"
    REDUCE_ONLY = "reduce_only"
    WOULD_TAKE = "would_take"
    WOULD_TRIGGER = "would_trigger"
    ID_REPEATED = "id_repeated"
    NOT_TRADING = "not_trading"
    NO_SUCH_ORDER = "no_such_order"
    NO_LIQUIDITY = "no_liquidity"
    POSITION_SIDE = "position_side"
    HAS_POSITION = "has_position"
    HAS_ORDERS = "has_orders"
    NO_CHANGE = "no_change"
    LEVERAGE = "leverage"


class Declined(Exception):
    """The exchange does not do it; nothing has changed."""

    def __init__(self, why: No) -> None:
        self.why = why
        super().__init__(why.value)


@dataclass(slots=True)
class Ticket:
    """What a client wants: an order as it was sent. ``price`` None: at market. ``expires_ns`` None: never."""

    client_id: str
    symbol: str
    is_buy: bool
    kind: str
    tif: str
    lots: int
    price: float | None = None
    is_reduce_only: bool = False
    position_side: str = "BOTH"
    expires_ns: int | None = None


@dataclass(slots=True)
class Execution:
    """A fill. ``fee`` in the settle asset, ``gain``: realised result without the fee."""

    trade_id: int
    order_id: int
    client_id: str
    symbol: str
    is_buy: bool
    lots: int
    price: float
    fee: float
    gain: float
    is_maker: bool
    ts_ns: int
    position_side: str


@dataclass(slots=True)
class BookedOrder:
    """An order. ``ahead``: lots that trade before it at its price. ``origin``: client, liquidation, adl, outside."""

    order_id: int
    ticket: Ticket
    created_ns: int
    updated_ns: int
    standing: Standing = Standing.NEW
    filled: int = 0
    quote: float = 0.0
    ahead: int = 0
    origin: str = "client"
    algo_id: int | None = None
    is_knocked_out: bool = False
    fills: list[Execution] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Lots that are not filled."""
        return self.ticket.lots - self.filled

    @property
    def is_open(self) -> bool:
        """Whether it may still fill."""
        return self.standing in OPEN


@dataclass(slots=True)
class Conditional:
    """An order that waits for a price.

    ``kind``: STOP_MARKET, TAKE_PROFIT_MARKET, STOP, TAKE_PROFIT or TRAILING_STOP_MARKET. ``by_mark``: watches the mark
    price, else prints. ``order_id``: of the order its trigger sent. ``callback``: of
    trailing stops, a fraction; ``extreme``: the best price since it is active. ``note``: why it was rejected.
    """

    algo_id: int
    ticket: Ticket
    kind: str
    trigger: float
    by_mark: bool
    closes_position: bool
    created_ns: int
    updated_ns: int
    standing: Standing = Standing.NEW
    order_id: int | None = None
    callback: float | None = None
    extreme: float | None = None
    note: str = ""
    triggered_ns: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still waits."""
        return self.standing is Standing.NEW

    @property
    def fires_upwards(self) -> bool:
        """Whether a rising price triggers it."""
        is_stop = self.kind in ("STOP", "STOP_MARKET", "TRAILING_STOP_MARKET")
        return self.ticket.is_buy == is_stop


@dataclass(slots=True)
class AccountPosition:
    """A position: signed lots, mean entry, and the isolated margin it has (0 while margin is shared)."""

    symbol: str
    position_side: str = "BOTH"
    lots: int = 0
    entry: float = 0.0
    margin: float = 0.0
    updated_ns: int = 0
    gain: float = 0.0


@dataclass(frozen=True, slots=True)
class Income:
    """A change of the wallet that is told in the income history."""

    kind: str
    symbol: str
    amount: float
    number: int
    ts_ns: int
    trade_id: int | None = None


# What happened, in the order it happened -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Printed:
    """A public trade."""

    symbol: str
    trade_id: int
    price: float
    lots: int
    is_buyer_maker: bool
    ts_ns: int


@dataclass(slots=True)
class Aggregate:
    """Prints of one moment, price and side as one. It grows until it is told."""

    number: int
    price: float
    lots: int
    first_id: int
    last_id: int
    is_buyer_maker: bool
    ts_ns: int


@dataclass(frozen=True, slots=True)
class Quoted:
    """Best bid and ask changed."""

    symbol: str
    update_id: int
    bid: float
    bid_lots: int
    ask: float
    ask_lots: int
    ts_ns: int


@dataclass(frozen=True, slots=True)
class BookMoved:
    """Price levels changed: (price, lots; 0: gone)."""

    symbol: str
    first_id: int
    last_id: int
    previous_id: int
    bids: tuple[tuple[float, int], ...]
    asks: tuple[tuple[float, int], ...]
    ts_ns: int


@dataclass(frozen=True, slots=True)
class Marked:
    """The mark price of a second."""

    symbol: str
    mark: float
    index: float
    rate: float
    next_funding_ns: int
    ts_ns: int


@dataclass(frozen=True, slots=True)
class OrderTold:
    """An order changed: NEW, TRADE, CANCELED, EXPIRED, AMENDMENT or CALCULATED. Figures as they were at that moment."""

    order: BookedOrder
    what: str
    standing: Standing
    filled: int
    quote: float
    fill: Execution | None
    ts_ns: int


@dataclass(frozen=True, slots=True)
class ConditionalTold:
    """A conditional order changed."""

    conditional: Conditional
    standing: Standing
    order_id: int | None
    ts_ns: int


@dataclass(frozen=True, slots=True)
class AccountTold:
    """The wallet or positions changed. ``holdings``: copies. ``change``: of the wallet, without results and fees."""

    why: str
    wallet: float
    shared: float
    holdings: tuple[AccountPosition, ...]
    change: float
    ts_ns: int


@dataclass(frozen=True, slots=True)
class SettingsTold:
    """Leverage of a symbol changed."""

    symbol: str
    leverage: int
    ts_ns: int


Happening = Printed | Quoted | BookMoved | Marked | OrderTold | ConditionalTold | AccountTold | SettingsTold
