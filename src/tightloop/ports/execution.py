"""What is asked of a venue and what it answers, in the terms of no venue.

A request goes through an adapter's ``encode`` to a call, the answer through its ``decode`` to a report or to one of
the errors below. Adapters keep no state of orders and decide nothing. Quantities are in base units and positive; sides
are Side of the core; times are ns UTC; ``client_id`` is ours and the only name an order has before the venue's answer.
"""

import math
from dataclasses import dataclass, field
from enum import IntEnum

from tightloop.core.domain.enums import OrderKind, OrderState, Side, TimeInForce, Trigger

__all__ = [
    "OrderKind",
    "OrderState",
    "Side",
    "TimeInForce",
    "Trigger",
]  # adapters, which do not know the core, take them here


class RefusalKind(IntEnum):
    """Why a venue refused or ended an order, as far as we act on it."""

    NONE = 0
    OTHER = 1
    MARGIN = 2  # not enough of it
    NOTHING_TO_REDUCE = 3  # a reduce-only order without a position, or knocked out by another
    WOULD_TRIGGER = 4  # the stop price has been passed already
    WOULD_TAKE = 5  # a post-only order
    UNFILLED = 6  # IOC or FOK
    RULES = 7  # increments, smallest or largest size, price band: our rules of the instrument may be old
    NOT_TRADING = 8  # halted or delisted
    ID_REPEATED = 9
    TOO_LATE = 10  # of a cancel or an amend: the order has ended
    PERMISSION = 11  # orders by API are not allowed here


# Requests ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SubmitOrder:
    """A new order; STOP orders are conditional ones of the venue. ``price`` and ``stop_price``: NaN where unused."""

    client_id: str
    symbol: str
    side: Side
    kind: OrderKind
    tif: TimeInForce
    qty: float
    price: float
    stop_price: float
    trigger: Trigger
    is_reduce_only: bool
    is_post_only: bool
    expires_ns: int = 0  # 0: never


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Take an order back."""

    client_id: str
    symbol: str
    is_conditional: bool


@dataclass(frozen=True, slots=True)
class AmendOrder:
    """Change quantity and prices of a resting order; only adapters whose venue can are asked.

    ``qty``: of the venue's order in all, what it has filled included. ``stop_price``: of a conditional order, else NaN.
    """

    client_id: str
    symbol: str
    side: Side
    qty: float
    price: float
    stop_price: float = math.nan
    is_conditional: bool = False


@dataclass(frozen=True, slots=True)
class LookUpOrder:
    """Ask for one order, by the venue's id of it where that is given: what a trigger sent need not have ours."""

    client_id: str
    symbol: str
    is_conditional: bool
    venue_order_id: str = ""


@dataclass(frozen=True, slots=True)
class ListOpenOrders:
    """Ask for all open orders of the account, or for all open conditional ones."""

    is_conditional: bool


@dataclass(frozen=True, slots=True)
class ListOrders:
    """Ask for the orders of a symbol since a time, ended ones too."""

    symbol: str
    since_ns: int
    is_conditional: bool = False


@dataclass(frozen=True, slots=True)
class ListFills:
    """Ask for the fills of a symbol since a time."""

    symbol: str
    since_ns: int


@dataclass(frozen=True, slots=True)
class ListIncome:
    """Ask for what changed the wallet since a time: funding, fees, deposits, transfers."""

    since_ns: int


@dataclass(frozen=True, slots=True)
class TryOrder:
    """Ask whether the venue would take an order, without one being made."""

    order: SubmitOrder


@dataclass(frozen=True, slots=True)
class ListPositions:
    """Ask for all positions of the account."""


@dataclass(frozen=True, slots=True)
class ReadWallet:
    """Ask for the wallet."""


@dataclass(frozen=True, slots=True)
class ReadAccountMode:
    """Ask how the account is set up. ``part``: which of the venue's questions (an adapter lists them)."""

    part: str


@dataclass(frozen=True, slots=True)
class SetLeverage:
    """Set the leverage of a symbol, a whole number."""

    symbol: str
    leverage: int


@dataclass(frozen=True, slots=True)
class SetIsolatedMargin:
    """Set isolated margin for a symbol."""

    symbol: str


@dataclass(frozen=True, slots=True)
class ReadServerTime:
    """Ask the venue for its time."""


@dataclass(frozen=True, slots=True)
class OpenReports:
    """Ask for the key of the private stream, or keep it alive."""

    is_renewal: bool


Request = (
    SubmitOrder
    | CancelOrder
    | AmendOrder
    | TryOrder
    | LookUpOrder
    | ListOpenOrders
    | ListOrders
    | ListFills
    | ListIncome
    | ListPositions
    | ReadWallet
    | ReadAccountMode
    | SetLeverage
    | SetIsolatedMargin
    | ReadServerTime
    | OpenReports
)

# Reports -------------------------------------------------------------------------------------------------------------


class FillOrigin(IntEnum):
    """Who asked for a fill, by the venue's marks on it."""

    ORDER = 0  # an order with a client id
    LIQUIDATION = 1
    ADL = 2  # auto-deleveraging
    DELISTING = 3


@dataclass(frozen=True, slots=True)
class OrderReport:
    """An order as the venue sees it now: ACCEPTED, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED or REJECTED.

    ``triggered_id``: of a conditional order, the venue's id of the order that its trigger sent; "" for none.
    Such an order stays ACCEPTED, with ``cum_qty`` NaN where the venue does not say it, until it is known how that other
    one ended: by a report of it, or by looking it up under that id.
    """

    client_id: str
    venue_order_id: str
    symbol: str
    side: Side
    state: OrderState
    reason: RefusalKind
    qty: float
    cum_qty: float
    avg_price: float  # NaN: nothing was filled, or not said
    price: float
    stop_price: float
    is_reduce_only: bool
    is_conditional: bool
    ts_ns: int
    triggered_id: str = ""
    text: str = ""  # the venue's words for a refusal
    made_ns: int = 0  # when the venue took it; 0: not said
    origin: FillOrigin = FillOrigin.ORDER


@dataclass(frozen=True, slots=True)
class FillReport:
    """One execution. ``cum_qty`` NaN: the venue does not say how much of the order is filled in all."""

    client_id: str
    venue_order_id: str
    trade_id: str
    symbol: str
    side: Side
    qty: float
    price: float
    fee: float  # in ``fee_asset``, negative: a rebate; NaN: not said
    fee_asset: str
    is_maker: bool
    cum_qty: float
    order_qty: float
    origin: FillOrigin
    ts_ns: int


@dataclass(frozen=True, slots=True)
class PositionReport:
    """A position: signed quantity in base units, 0 for none. NaN where the venue does not say it."""

    symbol: str
    qty: float
    entry_price: float
    mark: float
    liquidation_price: float
    leverage: float
    is_isolated: bool
    ts_ns: int
    margin: float = math.nan  # of an isolated position, with its unrealised result
    maintenance: float = math.nan  # margin below which it is liquidated


@dataclass(frozen=True, slots=True)
class WalletReport:
    """An asset of the account: wallet without unrealised results, and what is free for orders (NaN: not said).

    ``is_of_orders``: orders alone changed it, so nothing else has to be asked for by ListIncome.
    """

    asset: str
    wallet: float
    available: float
    ts_ns: int
    is_of_orders: bool = False


class IncomeKind(IntEnum):
    """What changed a wallet."""

    OTHER = 0  # what the dialect does not know
    FUNDING = 1
    OF_FILLS = 2  # results and fees, which fills say as well
    TRANSFER = 3
    DEPOSIT = 4
    WITHDRAWAL = 5


@dataclass(frozen=True, slots=True)
class IncomeReport:
    """One change of the wallet. ``word``: the venue's own for its kind."""

    kind: IncomeKind
    word: str
    symbol: str
    asset: str
    amount: float
    transaction_id: str
    ts_ns: int


@dataclass(frozen=True, slots=True)
class AccountMode:
    """One answer about the account's set-up, e.g. ("hedge_mode", False) or ("withdrawals", True).

    ``symbol``: of what is set for each symbol, e.g. ("leverage", "5", "BTCUSDT").
    """

    name: str
    value: bool | str
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class ServerTime:
    """The venue's time."""

    ts_ns: int


@dataclass(frozen=True, slots=True)
class ReportsKey:
    """The key of the private stream; "" for a renewal."""

    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReportsExpired:
    """The key of the private stream has expired: reports are missing until there is a new one."""


Report = (
    OrderReport
    | FillReport
    | PositionReport
    | WalletReport
    | IncomeReport
    | AccountMode
    | ServerTime
    | ReportsKey
    | ReportsExpired
)

# Errors --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RefusedByVenue:
    """The venue did not do it, and says so: nothing was executed."""

    reason: RefusalKind
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class NoSuchOrder:
    """The venue knows no such order now. It proves nothing by itself: a request may still be on its way."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """The venue answered, and whether it did it cannot be known from the answer."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Too many requests: nothing was executed; not before ``retry_after_s``. ``is_banned``: of the address."""

    retry_after_s: float
    is_banned: bool
    text: str


class KeyFault(IntEnum):
    """What a venue refuses of a key."""

    KEY = 0  # unknown, not active, without the permission, or used from an address it is not bound to
    SIGNATURE = 1  # the secret is not that of the key


@dataclass(frozen=True, slots=True)
class NotAuthorized:
    """The key, its permission or its signature is refused: nothing was executed."""

    code: int
    text: str
    fault: KeyFault = KeyFault.KEY


@dataclass(frozen=True, slots=True)
class ClockRefused:
    """The time of the request is outside of the venue's window: nothing was executed."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Overloaded:
    """The venue does not work now, and executed nothing: maintenance, or more than it can take."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """Bytes that are no answer of this venue as its papers have it."""

    text: str


Failure = (
    RefusedByVenue | NoSuchOrder | OutcomeUnknown | RateLimited | NotAuthorized | ClockRefused | Overloaded | Malformed
)
