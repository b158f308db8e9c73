"""What reconciliation takes and gives; all frozen, times ns UTC, quantities in base units."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from tightloop.ports.execution import (
    FillReport,
    IncomeReport,
    OrderReport,
    PositionReport,
    Report,
    Request,
    WalletReport,
)
from tightloop.runtime.session.desk.records import Urgency, VenueAnswer
from tightloop.runtime.session.desk.state import State, Wire
from tightloop.runtime.session.reconcile.margin import Nearness


class FindingKind(IntEnum):
    """What a round found."""

    STRAY = 1  # open at the venue, ended here
    LOST_TAIL = 2  # ours by its name, from an earlier life, unknown here
    SECOND_ENGINE = 3
    ENDED_THERE = 4  # open here, not at the venue
    FORCED = 5  # liquidation, auto-deleveraging, delisting
    MANUAL = 6  # a fill by others that changed our position
    FOREIGN = 7  # a quantity that is not ours
    POSITION = 8  # corrected without a fill
    WALLET = 9
    LIQUIDATION_NEAR = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to tell an operator. ``pauses``: entries stop until one confirms; ``ours``, ``theirs``: the numbers."""

    kind: FindingKind
    urgency: Urgency
    subject: str  # a symbol, a client id, an asset
    ours: float
    theirs: float
    text: str
    pauses: bool = False
    is_not_ready: bool = False


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """An order of ours at the venue, open or ended."""

    client_id: str
    symbol: str
    is_conditional: bool
    is_open: bool
    is_acked: bool  # confirmed by the venue, so a round should show it


@dataclass(frozen=True, slots=True)
class OurPosition:
    """A position of ours on an instrument (``instance`` of its one owner), and what is foreign there; signed."""

    symbol: str
    instrument: int
    instance: int
    qty: float
    entry_price: float
    foreign: float
    lot_size: float
    last_fill_ns: int  # 0: none yet
    is_protected: bool  # it needs no stop, or has one that is confirmed, or an exit is under way


@dataclass(frozen=True, slots=True)
class OurView:
    """What we believe. ``wallet``: ours and outside; ``is_ours``: whether a client id or venue id is known here.

    ``has_foreign``: others hold or held something since the last agreement, whose results move the wallet.
    ``life_ns``: when this process began, by the venue's clock; 0: not said, then epochs alone tell lives apart.
    ``is_first``: no round of this life of the process has been, so reports were missed.
    ``elders``: client ids of orders that sessions before this one left: what their triggers send is named so as well.
    """

    now_ns: int
    venue: str
    account: str
    asset: str
    session: str  # code in client ids
    epoch: int
    started_ns: int
    wallet: float
    equity: float
    orders: Mapping[str, KnownOrder]
    positions: tuple[OurPosition, ...]
    is_ours: Callable[[str, str], bool]
    has_foreign: bool = False
    life_ns: int = 0
    is_first: bool = False
    elders: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class VenueRound:
    """What the venue answered. ``fills``, ``history`` (by symbol) and ``income``: evidence, where it was asked for.

    ``reported``: fills of no order here, from the private stream; what they explain is believed at once.
    """

    orders: tuple[OrderReport, ...]
    positions: tuple[PositionReport, ...]
    wallets: tuple[WalletReport, ...]
    fills: Mapping[str, tuple[FillReport, ...]] = field(default_factory=dict)
    history: Mapping[str, tuple[OrderReport, ...]] = field(default_factory=dict)
    income: tuple[IncomeReport, ...] | None = None
    reported: tuple[FillReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspicions:
    """What earlier rounds have seen: since when each difference, what was explained already, the last agreement."""

    agreed_ns: int = 0  # 0: no round has been yet
    since_ns: Mapping[str, int] = field(default_factory=dict)
    keys: tuple[int, ...] = ()
    near: Mapping[str, Nearness] = field(default_factory=dict)  # by symbol: how near a liquidation was told to be


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What follows from a round: events for the core, reports and doubts for the desk, requests, findings."""

    answers: tuple[VenueAnswer, ...]
    reports: tuple[Report, ...]  # Desk.on_report
    doubts: tuple[str, ...]  # client ids: Desk.on_doubt
    requests: tuple[Request, ...]  # cancels to send now, evidence for the next round
    findings: tuple[Finding, ...]
    suspicions: Suspicions
    is_agreed: bool  # nothing differs
    trades: tuple[FillReport, ...] = ()  # behind those of the events that are fills, with the names of their orders


def known_orders(state: State) -> dict[str, KnownOrder]:
    """Return the orders that the desk knows, by client id."""
    known = {}
    for order in state.orders.values():
        symbol = state.listed[order.wanted.instrument].symbol
        for attempt in order.attempts:
            if attempt.wire != Wire.QUEUED:
                is_conditional = attempt.is_conditional and not attempt.is_triggered
                is_acked = attempt.wire == Wire.ACKED
                one = KnownOrder(attempt.client_id, symbol, is_conditional, attempt.is_live, is_acked)
                known[attempt.client_id] = one
    return known
