"""What goes into the desk and what comes out of it: commands, answers of the transport, asks, answers, notes.

All are frozen. Times are ns UTC of our clock unless a name says venue; quantities are in base units and positive; NaN
is unknown.
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from tightloop.core import limits
from tightloop.core.domain.enums import OrderKind, Role, RowKind, Side, TimeInForce, Trigger
from tightloop.ports.execution import Failure, Report, Request
from tightloop.ports.transport import Lane, NoAnswer, NotSent

SECOND_NS = limits.SECOND_NS
NEVER_NS = limits.NEVER_NS


class Urgency(IntEnum):
    """How urgent a note is."""

    INFO = 0
    WARNING = 1
    CRITICAL = 2


class NoteKind(IntEnum):
    """What a note tells of."""

    EXIT_WAITS = 1  # an exit waits in its lane, each 10 s
    EXIT_STUCK = 2  # an exit is open after five rounds, each 60 s
    ATTEMPTS_USED = 3
    BREAKER_OPENED = 4
    BREAKER_CLOSED = 5
    RECONCILE = 6  # a round of reconciliation is due at once
    FOUND_LATE = 7  # a fill of an order whose end was told
    PROVEN_ABSENT = 8
    VANISHED = 9  # an order that the venue had accepted is not there any more
    CLOCK_REFUSED = 10
    NOT_AUTHORIZED = 11
    FILL_GUESSED = 12  # booked at the price that the venue's average implies
    FEE_GUESSED = 13
    MALFORMED = 14
    AMEND_REFUSED = 15
    REPORTED_AFTER_ABSENCE = 16
    STRANGER = 17  # an order of our prefix and session that is not known here


@dataclass(frozen=True, slots=True)
class DeskTerms:
    """What a venue can do and how fast it takes requests; times in seconds."""

    venue: str
    account: str
    can_amend_limit: bool = False
    can_amend_stop: bool = False
    has_conditional_orders: bool = True  # stops are orders of another kind, looked up apart
    gtd_min_s: float = math.nan  # shortest life of an order with a date (GTD); NaN: it has none
    receive_window_ms: int = 5_000  # the venue refuses what arrives later than this after its signing
    absence_min_s: float = 0.0  # where the venue's window is not proven: how long a request may be on its way
    requests_max: int = 300  # requests that add or change orders, in ``requests_window_s``
    requests_window_s: float = 10.0

    @property
    def absence_after_ns(self) -> int:
        """How long after its signing (venue clock) a request that is not there cannot arrive any more."""
        return max((self.receive_window_ms + 1_000) * 1_000_000, int(self.absence_min_s * SECOND_NS))


@dataclass(frozen=True, slots=True)
class Listed:
    """An instrument of the session as the desk needs it; its place in the list is the core's instrument."""

    symbol: str
    price_increment: float  # 0: no rounding
    lot_size: float
    multiplier: float
    taker_rate: float  # of the account: what a fee is estimated by until the venue says it
    maker_rate: float
    settle_asset: str


@dataclass(frozen=True, slots=True)
class Command:
    """A SUBMIT, CANCEL or AMEND row of the log. ``expires_ns`` NEVER_NS: never; prices NaN where unused."""

    kind: RowKind
    ts_ns: int
    order_id: int
    order_slot: int
    instance: int
    instrument: int
    side: Side
    order_kind: OrderKind
    tif: TimeInForce
    role: int
    is_reduce_only: bool
    is_post_only: bool
    trigger: Trigger
    expires_ns: int
    oco: int
    reason: int
    qty: float
    price: float
    stop_price: float
    trail_pct: float
    trail_distance: float
    arm_price: float
    reference_price: float

    @property
    def is_exit(self) -> bool:
        """Whether it can only reduce a position."""
        return self.is_reduce_only

    @property
    def patience_ns(self) -> int:
        """How long a market exit may be open before it is looked up."""
        return (5 if self.role == Role.E1 else 60) * SECOND_NS


def command_of(row: Any) -> Command:
    """Convert a row of the log (LOG_ROW) to a command."""
    kind = RowKind(int(row["kind"]))
    assert kind in (RowKind.SUBMIT, RowKind.CANCEL, RowKind.AMEND), "a command is submit, cancel or amend"
    return Command(
        kind=kind,
        ts_ns=int(row["ts_ns"]),
        order_id=int(row["order_id"]),
        order_slot=int(row["slot"]),
        instance=int(row["instance"]),
        instrument=int(row["instrument"]),
        side=Side(int(row["side"])),
        order_kind=OrderKind(int(row["order_kind"])),
        tif=TimeInForce(int(row["tif"])),
        role=int(row["role"]),
        is_reduce_only=bool(row["reduce_only"]),
        is_post_only=bool(row["post_only"]),
        trigger=Trigger(int(row["trigger"])),
        expires_ns=int(row["expires_ns"]) or NEVER_NS,
        oco=int(row["oco"]),
        reason=int(row["reason"]),
        qty=float(row["qty"]),
        price=float(row["price"]),
        stop_price=float(row["stop_price"]),
        trail_pct=float(row["trail_pct"]),
        trail_distance=float(row["trail_distance"]),
        arm_price=float(row["arm_price"]),
        reference_price=float(row["value"]),
    )


Reply = tuple[Report, ...] | Failure | NotSent | NoAnswer
"""What became of a request: reports, an error of the venue, or the transport's NotSent or NoAnswer."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that leaves now. It is signed with ``signed_ns`` (venue clock) and awaited for ``timeout_ns``."""

    ask_id: int
    request: Request
    lane: Lane
    timeout_ns: int
    signed_ns: int


@dataclass(frozen=True, slots=True)
class VenueAnswer:
    """What the core is told: fields of the event of this kind. ``kind`` is the number of an EventKind.

    ``cum_qty`` is filled of the core's order in all, ``average_price`` its average (NaN: not said). A BALANCE_CORRECTED
    has ``amount`` (positive: received) and a Correction as ``reason``, a FILL_FOUND its ``origin`` and ``side``.
    """

    kind: int
    order_id: int = 0
    order_slot: int = 0
    instance: int = 0
    instrument: int = 0
    reason: int = 0
    price: float = 0.0
    qty: float = 0.0
    cum_qty: float = 0.0
    fee: float = 0.0
    is_maker: bool = False
    fill_key: int = 0
    stop_price: float = 0.0
    ts_event_ns: int = 0
    side: int = 0
    origin: int = 0
    average_price: float = math.nan
    amount: float = 0.0


@dataclass(frozen=True, slots=True)
class Note:
    """Something to tell an operator, or the session."""

    kind: NoteKind
    urgency: Urgency
    order_id: int
    client_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Outputs:
    """What one input of the desk leads to. ``strange``: reports that are of no order here, for reconciliation."""

    asks: tuple[Ask, ...] = ()
    answers: tuple[VenueAnswer, ...] = ()
    notes: tuple[Note, ...] = ()
    strange: tuple[Report, ...] = ()
