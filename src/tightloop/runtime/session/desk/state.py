"""The state of the desk: orders of the core, their attempts at the venue, lanes, and what was asked.

An *order* is the core's. An *attempt* is one order at the venue, with a client id of its own; most orders have one.
The wire of an attempt:

    QUEUED   not sent, or sent and surely not executed
    SENT     left, no answer yet
    ACKED    the venue has it
    UNKNOWN  left, and what became of it is not known: looked up until a report or a proof of absence
    ENDED    filled, canceled, expired, refused or proven absent; fills may still be missing

Everything here is plain data, so that the state can be written and read (``saving.py``).
"""

import math
from dataclasses import dataclass, field, replace
from enum import IntEnum

from tightloop.core import limits
from tightloop.core.domain.enums import OrderKind, OrderState, Reason, TimeInForce
from tightloop.ports.execution import FillReport, RefusalKind, Report, Request
from tightloop.ports.transport import Lane
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.desk.records import (
    NEVER_NS,
    Ask,
    Command,
    DeskTerms,
    Listed,
    Note,
    NoteKind,
    Outputs,
    Urgency,
    VenueAnswer,
)

ENDED_KEPT = 1_024
"""Orders that have ended and are remembered for fills that come late."""
FOUND_KEPT = 256
"""Trades that a comparison booked as of no order here; one of them may turn out to be a stop's."""


class Wire(IntEnum):
    """Where an attempt is."""

    QUEUED = 0
    SENT = 1
    ACKED = 2
    UNKNOWN = 3
    ENDED = 4


class Purpose(IntEnum):
    """What a request was asked for."""

    SUBMIT = 0
    CANCEL = 1
    AMEND = 2
    LOOK_UP = 3
    TIME = 4  # the venue's time, before a look-up that may prove absence
    FILLS = 5
    PROBE = 6  # the venue's time, to see whether a lane works again


class Style(IntEnum):
    """How an order is worked at the venue."""

    PLAIN = 0  # one attempt rests or executes
    CLOSING = 1  # a market exit: attempt after attempt until it is filled
    STOP = 2  # a stop of a position: a new one is there before the old one goes
    TRAILING = 3  # such a stop that follows the market


class Ending(IntEnum):
    """Who wants an order to end."""

    NONE = 0
    CANCEL = 1
    EXPIRY = 2
    SIBLING = 3  # one of its group was filled


@dataclass(slots=True)
class LookUp:
    """The look-ups of an attempt: one round is (the venue's time, where it may prove absence), then the order.

    ``absent_ns``: the venue's time of the round that found it absent first, 0: none did.
    """

    is_on: bool = False
    due_ns: int = NEVER_NS
    waits: int = 0  # how many waits have passed, which double
    ask_id: int = 0
    is_conditional: bool = False  # of the question that is open
    round_ns: int = 0  # the venue's time read in this round
    absent_ns: int = 0


@dataclass(slots=True)
class Canceling:
    """The cancel of an attempt: retried until the attempt has ended."""

    is_wanted: bool = False
    due_ns: int = NEVER_NS
    waits: int = 0
    ask_id: int = 0


@dataclass(slots=True)
class Amending:
    """The amend of an attempt. ``is_unknown``: one has left, and whether it was done is not known."""

    ask_id: int = 0
    due_ns: int = 0
    waits: int = 0
    is_unknown: bool = False
    total: float = math.nan  # what was asked for
    price: float = math.nan
    stop_price: float = math.nan


@dataclass(slots=True)
class Attempt:
    """One order at the venue."""

    number: int
    client_id: str
    kind: OrderKind
    tif: TimeInForce
    qty: float
    total: float  # what the order will have filled in all when this is filled
    price: float
    stop_price: float
    queued_ns: int
    is_conditional: bool
    wire: Wire = Wire.QUEUED
    retry_ns: int = 0  # QUEUED: not before
    waits: int = 0
    ask_id: int = 0  # of the submit that is out; of an amend
    sent_ns: int = 0
    signed_ns: int = 0  # venue clock, of the last time it left
    unknown_ns: int = 0  # since when
    venue_order_id: str = ""
    triggered_id: str = ""
    is_triggered: bool = False
    amending: Amending = field(default_factory=Amending)
    is_checked: bool = False  # CLOSING: looked up because it was open for long
    is_replaced: bool = False  # canceled to place another one
    look_up: LookUp = field(default_factory=LookUp)
    canceling: Canceling = field(default_factory=Canceling)
    claimed_qty: float = 0.0  # filled, by the largest cumulative quantity of any report
    claimed_value: float = math.nan  # and its value
    booked_qty: float = 0.0  # told to the core
    booked_value: float = 0.0
    guessed_qty: float = 0.0  # of it, booked without the venue's record of the trade
    guessed_fee: float = 0.0
    fill_keys: list[int] = field(default_factory=list)
    gap_ns: int = 0  # since when more is claimed than booked; 0: it is not
    fills_due_ns: int = 0
    fills_ask_id: int = 0
    fills_waits: int = 0
    is_list_owed: bool = False  # it vanished: its end is not told before the venue has listed its fills
    end: OrderState = OrderState.INITIALIZED  # as the venue reported it
    end_reason: RefusalKind = RefusalKind.NONE
    is_absent: bool = False  # ended by the proof of absence
    was_accepted: bool = False

    @property
    def is_live(self) -> bool:
        """Whether it may still execute."""
        return self.wire != Wire.ENDED

    @property
    def is_at_venue(self) -> bool:
        """Whether it has left and has not ended."""
        return self.wire in (Wire.SENT, Wire.ACKED, Wire.UNKNOWN)

    def end_look_ups(self) -> None:
        """End its look-ups; an answer that is out is a report when it comes."""
        self.look_up = LookUp()

    @property
    def has_gap(self) -> bool:
        """Whether the venue has filled more of it than was booked."""
        return self.claimed_qty - self.booked_qty > self.qty * limits.QUANTITY_TOLERANCE

    @property
    def is_settled(self) -> bool:
        """Whether it has ended and all its fills are booked."""
        return self.wire == Wire.ENDED and not self.has_gap and not self.is_list_owed


@dataclass(slots=True)
class Trail:
    """A trailing stop as the core's leaf knows an order (``core/venue/triggers.py``)."""

    side: int
    stop_price: float
    best_price: float
    arm_price: float
    trail_distance: float
    trail_pct: float
    moved_ns: int = 0  # when the stop at the venue was placed last


@dataclass(slots=True)
class DeskOrder:
    """An order of the core. ``wanted`` is its last command to submit or amend, with what that asks for."""

    wanted: Command
    style: Style
    attempts: list[Attempt] = field(default_factory=list)
    trail: Trail | None = None
    ending: Ending = Ending.NONE
    reason: int = 0  # of the cancel
    is_accepted: bool = False  # told
    is_unknown: bool = False  # told
    is_filled: bool = False  # told, by its last fill
    is_ended: bool = False  # nothing more is to be told
    is_amending: bool = False  # an AMENDED is owed
    told_qty: float = 0.0
    told_value: float = 0.0
    next_try_ns: int = 0
    alerted_ns: int = 0  # of EXIT_WAITS and EXIT_STUCK
    is_stuck: bool = False
    closing_from: int = 0  # CLOSING: its first attempt; a trailing stop may have had others before
    is_moved: bool = False  # TRAILING: the core is owed where the stop rests now
    due_ns: int = 0  # when it needs attention next

    @property
    def order_id(self) -> int:
        """The core's id."""
        return self.wanted.order_id

    @property
    def slack(self) -> float:
        """A quantity below which nothing is left."""
        return self.wanted.qty * limits.QUANTITY_TOLERANCE

    @property
    def remaining(self) -> float:
        """What is not filled, by what was told; exactly 0 within the tolerance."""
        left = self.wanted.qty - self.told_qty
        return left if left > self.slack else 0.0

    @property
    def live(self) -> list[Attempt]:
        """Attempts that may still execute."""
        return [attempt for attempt in self.attempts if attempt.is_live]

    @property
    def is_over(self) -> bool:
        """Whether its end was told, no attempt can bring anything any more, and no fee is to be corrected."""
        return self.is_ended and all(attempt.is_settled and not attempt.fills_due_ns for attempt in self.attempts)

    @property
    def resting_stop(self) -> float:
        """Where its trailing stop rests at the venue; 0: it is not a trailing one, or rests nowhere."""
        if self.trail is None:
            return 0.0
        for attempt in reversed(self.attempts):
            if attempt.wire == Wire.ACKED and attempt.kind == OrderKind.STOP:
                return attempt.stop_price
        return 0.0

    def want_stop(self, stop_price: float) -> None:
        """Set the price at which its stop is wanted."""
        self.wanted = replace(self.wanted, stop_price=stop_price)
        self.due_ns = 0

    def want_again(self, attempt: Attempt) -> None:
        """Set what is wanted to what an attempt at the venue is, after another was refused."""
        self.wanted = replace(self.wanted, qty=attempt.total, price=attempt.price, stop_price=attempt.stop_price)

    def end_as_sibling(self) -> None:
        """End it, because another order of its group was filled."""
        if self.ending == Ending.NONE:
            self.ending, self.reason, self.due_ns = Ending.SIBLING, int(Reason.OCO), 0


@dataclass(slots=True)
class Outstanding:
    """A request that is out. ``is_late``: its time is over; what comes still counts as a report."""

    purpose: Purpose
    lane: Lane
    order_id: int
    attempt: int
    deadline_ns: int
    is_late: bool = False


@dataclass(slots=True)
class LaneState:
    """The breaker of a lane."""

    failures_ns: list[int] = field(default_factory=list)  # of the last 60 s
    opened_ns: int = 0  # 0: closed
    probe_ns: int = 0  # when the next probe may leave
    probe_ask_id: int = 0
    is_wanted: bool = False  # something waits in it


@dataclass(slots=True)
class Lanes:
    """What limits requests: breakers, the venue's order to wait, and the budget."""

    lanes: list[LaneState] = field(default_factory=lambda: [LaneState() for _ in Lane])
    paused_ns: int = 0  # nothing leaves before: Retry-After
    held_ns: int = 0  # entries and questions do not leave before: Retry-After of a question beside the desk
    tokens: float = math.nan  # NaN: full, nothing has left yet
    refilled_ns: int = 0


@dataclass(slots=True)
class Prices:
    """The latest prices of an instrument; NaN: unknown."""

    bid: float = math.nan
    ask: float = math.nan
    last: float = math.nan
    mark: float = math.nan
    touch_ns: int = 0


@dataclass(slots=True)
class Holding:
    """A position on an instrument, signed: ours, and what the account holds beside it."""

    ours: float = 0.0
    foreign: float = 0.0


@dataclass(slots=True)
class Unmapped:
    """A fill on a symbol with a stop of ours that is of no order known here; it may be the stop's."""

    report: FillReport
    until_ns: int


@dataclass(slots=True)
class Counts:
    """What was met, for metrics."""

    repeated_fills: int = 0
    late_reports: int = 0
    look_ups: int = 0
    proven_absent: int = 0


@dataclass(slots=True)
class State:
    """All that the desk knows."""

    terms: DeskTerms
    session: str  # code of the session in client ids
    epoch: int
    listed: list[Listed]
    now_ns: int = 0
    venue_offset_ns: int = 0  # the venue's clock minus ours, measured: what requests are signed with
    next_ask_id: int = 1
    orders: dict[int, DeskOrder] = field(default_factory=dict)  # by id, open ones and the last that ended
    attempts: dict[str, tuple[int, int]] = field(default_factory=dict)  # client id: order, place
    venue_ids: dict[str, tuple[int, int]] = field(default_factory=dict)  # venue's order id: order, place
    open_ids: list[int] = field(default_factory=list)  # of orders that are not over
    trailing_ids: list[int] = field(default_factory=list)  # of those of them that trail
    ended: list[int] = field(default_factory=list)  # of orders that are over, the oldest first
    next_due_ns: int = 0
    asked: dict[int, Outstanding] = field(default_factory=dict)
    lanes: Lanes = field(default_factory=Lanes)
    prices: dict[int, Prices] = field(default_factory=dict)
    holdings: dict[int, Holding] = field(default_factory=dict)
    unmapped: list[Unmapped] = field(default_factory=list)
    found: list[FillReport] = field(default_factory=list)  # told to the core as of no order here
    denied: dict[int, int] = field(default_factory=dict)  # by instance: the Reason for which no entry of it may leave
    counts: Counts = field(default_factory=Counts)

    @property
    def venue_ns(self) -> int:
        """The time to sign with: our clock plus the offset measured last."""
        return self.now_ns + self.venue_offset_ns


@dataclass(slots=True)
class Turn:
    """One input of the desk: the state it meets, and what it has led to so far."""

    state: State
    asks: list[Ask] = field(default_factory=list)
    answers: list[VenueAnswer] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    strange: list[Report] = field(default_factory=list)

    def take_outputs(self) -> Outputs:
        """Return what was gathered, and begin anew."""
        outputs = Outputs(tuple(self.asks), tuple(self.answers), tuple(self.notes), tuple(self.strange))
        self.asks, self.answers, self.notes, self.strange = [], [], [], []
        return outputs

    def note(
        self, kind: NoteKind, urgency: Urgency, text: str, order: DeskOrder | None = None, client_id: str = ""
    ) -> None:
        """Add a note."""
        order_id = order.order_id if order is not None else 0
        self.notes.append(Note(kind, urgency, order_id, client_id, text))

    def tell(self, order: DeskOrder, answer: VenueAnswer) -> None:
        """Add an answer, with what it needs to know of its order."""
        wanted = order.wanted
        self.answers.append(
            replace(
                answer,
                order_id=wanted.order_id,
                order_slot=wanted.order_slot,
                instance=wanted.instance,
                instrument=wanted.instrument,
                ts_event_ns=answer.ts_event_ns or self.state.now_ns,
            )
        )

    def opened(self) -> list[DeskOrder]:
        """Return the orders that are not over."""
        return [self.state.orders[order_id] for order_id in self.state.open_ids]

    def reopen(self, order: DeskOrder) -> None:
        """Look after an order again that was over."""
        state = self.state
        if order.order_id in state.ended:
            state.ended.remove(order.order_id)
            state.open_ids.append(order.order_id)
            if order.trail is not None:
                state.trailing_ids.append(order.order_id)
        order.due_ns = 0

    def listed(self, order: DeskOrder) -> Listed:
        """Return the instrument of an order."""
        return self.state.listed[order.wanted.instrument]

    def add_attempt(self, order: DeskOrder, attempt: Attempt) -> None:
        """Add an attempt and make it known by its client id."""
        order.due_ns = 0  # it may leave in this turn
        assert attempt.number == len(order.attempts), "attempts are numbered in their order"
        order.attempts.append(attempt)
        self.state.attempts[attempt.client_id] = (order.order_id, attempt.number)

    def client_id(self, order: DeskOrder) -> str:
        """Return the client id of the next attempt of an order."""
        state = self.state
        return ids.ClientId(state.session, state.epoch, order.order_id, len(order.attempts)).text

    def ask(
        self, request: Request, purpose: Purpose, lane: Lane, timeout_ns: int, order: DeskOrder | None, attempt: int = 0
    ) -> int:
        """Send a request and return its ask id. The lane has permitted it (``lanes.may_leave``)."""
        state = self.state
        ask_id = state.next_ask_id
        state.next_ask_id += 1
        self.asks.append(Ask(ask_id, request, lane, timeout_ns, state.venue_ns))
        order_id = order.order_id if order is not None else 0
        state.asked[ask_id] = Outstanding(purpose, lane, order_id, attempt, state.now_ns + timeout_ns)
        return ask_id
