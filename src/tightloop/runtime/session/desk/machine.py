"""The desk: one pure state machine between the commands of the step and the adapter of a venue.

An input is a command, a reply to a request, a report of the private stream, prices, or time; each leads to requests
that leave now, answers for the core, and notes. There is no clock, no randomness and no I/O: state is the fold of the
inputs, so the same inputs give the same requests and answers, and a desk restored from ``save`` goes on as if nothing
had happened.

How it works. Nothing is scheduled. After each input every order that may need something is looked at: what is wanted
(the last command, an end) is compared with what is at the venue (its attempts), and the difference is acted on, as far
as lanes permit. ``due_ns`` of an order says when to look again without an input. So there are no timers to lose, and
what could not be done now is done at the next look.

    styles/    what an order as a whole does: rest, protect, close, trail
    wire/      what one attempt does: submits, cancels, amends, look-ups and the proof of absence
    reports    what the venue says; fills books trades once; endings tells ends; lanes says when a request may leave
"""

from collections.abc import Callable
from dataclasses import replace

from tightloop.core.domain.enums import EventKind, OrderKind, Reason, RowKind
from tightloop.ports.execution import FillReport, Malformed, NotAuthorized, OrderReport, Report
from tightloop.ports.transport import NoAnswer
from tightloop.runtime.session.desk import endings, fills, lanes, reports
from tightloop.runtime.session.desk.ids import ClientId
from tightloop.runtime.session.desk.records import (
    NEVER_NS,
    SECOND_NS,
    Command,
    Listed,
    NoteKind,
    Reply,
    Urgency,
    VenueAnswer,
)
from tightloop.runtime.session.desk.state import (
    FOUND_KEPT,
    Attempt,
    DeskOrder,
    Ending,
    Holding,
    Lanes,
    LaneState,
    Outstanding,
    Prices,
    Purpose,
    State,
    Style,
    Turn,
    Wire,
)
from tightloop.runtime.session.desk.styles import closing, resting, stops, trailing
from tightloop.runtime.session.desk.wire import amends, cancels, look_ups, submits

LATE_KEPT_NS = 60 * SECOND_NS
"""For how long the answer to a request whose time is over still counts."""
PASSES_MAX = 8
"""Looks at one order within an input; each changes something, so this many are never needed."""

_STYLES: dict[Style, Callable[[Turn, DeskOrder], int]] = {
    Style.PLAIN: resting.advance,
    Style.CLOSING: closing.advance,
    Style.STOP: stops.advance,
    Style.TRAILING: trailing.advance,
}


# Commands ------------------------------------------------------------------------------------------------------------


def take_command(turn: Turn, command: Command) -> None:
    """Take a command of the core."""
    order = turn.state.orders.get(command.order_id)
    if command.kind == RowKind.SUBMIT:
        assert order is None, "an order is submitted once"
        _begin(turn, command)
    elif order is None:
        reason = int(Reason.TOO_LATE)
        kind = EventKind.CANCEL_REJECTED if command.kind == RowKind.CANCEL else EventKind.AMENDED
        turn.tell(DeskOrder(command, Style.PLAIN), VenueAnswer(kind, reason=reason))
    elif command.kind == RowKind.CANCEL:
        if not order.is_ended:
            order.ending, order.reason, order.due_ns = Ending.CANCEL, command.reason, 0
    else:
        _amend(turn, order, command)


def _begin(turn: Turn, command: Command) -> None:
    """Begin an order."""
    style = Style.PLAIN
    if command.order_kind == OrderKind.TRAILING:
        style = Style.TRAILING
    elif command.is_exit and command.order_kind == OrderKind.MARKET:
        style = Style.CLOSING
    elif command.is_exit and command.order_kind in (OrderKind.STOP, OrderKind.STOP_LIMIT):
        style = Style.STOP
    order = DeskOrder(command, style)
    turn.state.orders[command.order_id] = order
    turn.state.open_ids.append(command.order_id)
    if style == Style.TRAILING:
        turn.state.trailing_ids.append(command.order_id)
        trailing.begin(turn, order)


def _amend(turn: Turn, order: DeskOrder, command: Command) -> None:
    """Set what is wanted to what an amend asks for; tell that it is too late for an order that is filled."""
    if order.is_filled:
        endings.tell_end(turn, order, EventKind.ORDER_CANCELED, int(Reason.TOO_LATE))
        return
    if order.is_ended or order.ending != Ending.NONE:
        return  # its end is told, or will be
    stop_price = order.wanted.stop_price if order.style == Style.TRAILING else command.stop_price
    order.wanted = replace(
        order.wanted,
        qty=command.qty,
        price=command.price,
        stop_price=stop_price,
        trail_pct=command.trail_pct,
        trail_distance=command.trail_distance,
        arm_price=command.arm_price,
    )
    order.is_amending, order.due_ns = True, 0
    if order.trail is not None:
        trailing.take_amend(turn, order, command)
    if order.remaining == 0.0:
        order.ending, order.reason = Ending.CANCEL, command.reason


# Replies -------------------------------------------------------------------------------------------------------------


def take_reply(turn: Turn, ask_id: int, reply: Reply) -> None:
    """Take the answer to a request, or that there is none."""
    state = turn.state
    asked = state.asked.pop(ask_id, None)
    if asked is None:
        if isinstance(reply, tuple):
            for report in reply:
                reports.take(turn, report, is_listed=True)
        return
    if not asked.is_late or asked.purpose == Purpose.PROBE:
        is_question = asked.purpose not in (Purpose.SUBMIT, Purpose.CANCEL, Purpose.AMEND)
        is_probe = asked.purpose == Purpose.PROBE
        lanes.on_reply(turn, asked.lane, reply, is_probe=is_probe, is_question=is_question)
    elif not lanes.is_failure(reply):
        lanes.reached(state)
    if isinstance(reply, Malformed):
        turn.note(NoteKind.MALFORMED, Urgency.WARNING, f"{asked.purpose.name}: {reply.text}")
    if isinstance(reply, NotAuthorized) and asked.purpose != Purpose.SUBMIT:
        turn.note(NoteKind.NOT_AUTHORIZED, Urgency.CRITICAL, reply.text)
    order = state.orders.get(asked.order_id)
    if order is None:
        return
    turn.reopen(order)
    _dispatch(turn, asked, order, order.attempts[asked.attempt], reply)


def _dispatch(turn: Turn, asked: Outstanding, order: DeskOrder, attempt: Attempt, reply: Reply) -> None:
    """Apply the reports of a reply, then let what asked for it go on."""
    is_listed = asked.purpose == Purpose.FILLS
    if isinstance(reply, tuple):
        for report in reply:
            if asked.purpose == Purpose.LOOK_UP and isinstance(report, OrderReport):
                amends.on_look_up(order, attempt, report)
            if asked.purpose != Purpose.TIME:
                reports.take(turn, report, (order, attempt), is_listed=is_listed)
    if asked.purpose == Purpose.SUBMIT:
        attempt.ask_id = 0
        submits.on_reply(turn, order, attempt, reply)
    elif asked.is_late:
        return
    elif asked.purpose == Purpose.CANCEL:
        cancels.on_reply(turn, order, attempt, reply)
    elif asked.purpose == Purpose.AMEND:
        amends.on_reply(turn, order, attempt, reply)
    elif asked.purpose == Purpose.LOOK_UP:
        look_ups.on_look_up(turn, order, attempt, reply)
    elif asked.purpose == Purpose.TIME:
        look_ups.on_time(turn, order, attempt, reply)
    elif asked.purpose == Purpose.FILLS:
        fills.on_listed(turn, order, attempt, is_answered=isinstance(reply, tuple))


def _end_asks(turn: Turn) -> int:
    """Take every request whose time is over as one without an answer. Return when the next one's time is over."""
    state = turn.state
    next_ns = NEVER_NS
    for ask_id, asked in list(state.asked.items()):
        if asked.is_late:
            if state.now_ns >= asked.deadline_ns + LATE_KEPT_NS:
                del state.asked[ask_id]
        elif state.now_ns >= asked.deadline_ns:
            take_reply(turn, ask_id, NoAnswer("no answer in time"))
            state.asked[ask_id] = replace(asked, is_late=True)
        else:
            next_ns = min(next_ns, asked.deadline_ns)
    return next_ns


# Orders --------------------------------------------------------------------------------------------------------------


def settle(turn: Turn) -> None:
    """Look at every order that needs it, exits first, until nothing more is due."""
    state = turn.state
    deadline_ns = _end_asks(turn)
    mapped_ns = reports.advance(turn)
    for _ in range(PASSES_MAX):
        due = [order for order in turn.opened() if order.due_ns <= state.now_ns]
        if not due:
            break
        due.sort(key=lambda order: (not order.wanted.is_exit, order.style != Style.CLOSING, order.order_id))
        for order in due:
            _advance(turn, order)
    probe_ns = lanes.advance(turn)
    deadline_ns = min((one.deadline_ns for one in state.asked.values() if not one.is_late), default=deadline_ns)
    order_ns = min((state.orders[order_id].due_ns for order_id in state.open_ids), default=NEVER_NS)
    state.next_due_ns = min(deadline_ns, mapped_ns, probe_ns, order_ns)


def _advance(turn: Turn, order: DeskOrder) -> None:
    """Look at an order until nothing changes any more."""
    next_ns = NEVER_NS
    for _ in range(PASSES_MAX):
        order.due_ns = NEVER_NS
        next_ns = _look(turn, order)
        if order.due_ns > turn.state.now_ns:
            break
    order.due_ns = min(order.due_ns, next_ns)
    endings.forget(turn, order)


def _look(turn: Turn, order: DeskOrder) -> int:
    """Compare what is wanted of an order with what is there, and act. Return when to look again without an input."""
    next_ns = NEVER_NS
    if not order.is_ended and order.ending == Ending.NONE:
        next_ns = _expire(turn, order)
    if order.ending != Ending.NONE or order.is_filled or order.is_ended:
        for attempt in order.live:
            cancels.want(turn, attempt)
        endings.finish(turn, order)
    else:
        next_ns = min(next_ns, _STYLES[order.style](turn, order))
    for attempt in order.attempts:
        if attempt.is_live or not attempt.is_settled or attempt.fills_due_ns:
            next_ns = min(next_ns, fills.advance(turn, order, attempt), look_ups.advance(turn, order, attempt))
            next_ns = min(next_ns, cancels.advance(turn, order, attempt), submits.advance(turn, order, attempt))
    return next_ns


def _expire(turn: Turn, order: DeskOrder) -> int:
    """End an order whose time is over: at the venue, or before it could leave. Return when that is."""
    late_ns = order.wanted.expires_ns
    for attempt in order.attempts:
        if attempt.wire == Wire.QUEUED:
            late_ns = min(late_ns, submits.late_ns(order, attempt))
    if turn.state.now_ns >= late_ns:
        order.ending = Ending.EXPIRY
        return NEVER_NS
    return late_ns


# The rest ------------------------------------------------------------------------------------------------------------


def take_prices(turn: Turn, instrument: int, prices: Prices) -> bool:
    """Take the latest prices of an instrument (NaN: as they were); return whether a trailing stop follows them.

    This is called for every quote and print, so it does nothing else.
    """
    state = turn.state
    known = state.prices.get(instrument)
    if known is None:
        known = state.prices[instrument] = Prices()
    if prices.bid == prices.bid:
        known.bid, known.touch_ns = prices.bid, state.now_ns
    if prices.ask == prices.ask:
        known.ask, known.touch_ns = prices.ask, state.now_ns
    if prices.last == prices.last:
        known.last = prices.last
    if prices.mark == prices.mark:
        known.mark = prices.mark
    follows = False
    for order_id in state.trailing_ids:
        order = state.orders[order_id]
        if order.wanted.instrument == instrument and not order.is_ended:
            trailing.follow(turn, order, trailing.price_of(order.wanted.side, order.wanted.trigger, known))
            follows = True
    return follows


def take_holding(state: State, instrument: int, ours: float, foreign: float) -> None:
    """Take the signed position on an instrument: ours, and what the account holds beside it."""
    state.holdings[instrument] = Holding(ours, foreign)


def take_listed(state: State, instrument: int, listed: Listed) -> None:
    """Take new rules of an instrument."""
    state.listed[instrument] = listed


def take_gate(turn: Turn, instance: int, reason: int) -> None:
    """Take for which Reason the step denies entries of an instance now (0: none); what has not left is withdrawn."""
    denied = turn.state.denied
    denied.pop(instance, None)
    if reason:
        denied[instance] = reason
    for order in turn.opened():
        if order.wanted.instance == instance and not order.wanted.is_exit:
            order.due_ns = 0


def take_doubts(turn: Turn, client_ids: tuple[str, ...]) -> None:
    """Look orders up whose state is in doubt."""
    for client_id in client_ids:
        found = reports.find(turn, client_id, "")
        if found is not None and found[1].is_at_venue:
            look_ups.begin(turn, *found, 0)


def take_found(state: State, trades: tuple[FillReport, ...]) -> None:
    """Keep trades that a comparison told the core of as of no order here."""
    state.found = [*state.found, *trades][-FOUND_KEPT:]


def restart(turn: Turn, epoch: int) -> None:
    """Begin another life of the process: what was out is out of sight, and every outcome that is owed is unknown."""
    state = turn.state
    assert epoch > state.epoch, "each life has an epoch of its own"
    state.epoch = epoch
    state.asked.clear()
    state.lanes = Lanes(lanes=[LaneState() for _ in state.lanes.lanes], held_ns=state.lanes.held_ns)
    for order in turn.opened():
        order.due_ns = 0
        for attempt in order.attempts:
            attempt.ask_id, attempt.look_up.ask_id, attempt.canceling.ask_id = 0, 0, 0
            attempt.look_up.due_ns = min(attempt.look_up.due_ns, state.now_ns) if attempt.look_up.is_on else NEVER_NS
            attempt.canceling.due_ns = state.now_ns
            if attempt.fills_ask_id:
                attempt.fills_ask_id, attempt.fills_due_ns = 0, state.now_ns
            if attempt.amending.ask_id:
                attempt.amending.ask_id, attempt.amending.is_unknown = 0, True
                look_ups.begin(turn, order, attempt, 0)
            if attempt.wire == Wire.SENT:
                submits.become_unknown(turn, order, attempt)
            elif attempt.wire == Wire.QUEUED:
                _name_again(state, order, attempt)
                if not order.wanted.is_exit and order.ending == Ending.NONE:
                    # The end of the journal, which had it leave, may have been lost: it is not sent again, nor late.
                    order.ending = Ending.EXPIRY


def _name_again(state: State, order: DeskOrder, attempt: Attempt) -> None:
    """Name an attempt that waits by the new epoch: the end of the journal that says it left may have been lost."""
    del state.attempts[attempt.client_id]
    attempt.client_id = ClientId(state.session, state.epoch, order.order_id, attempt.number).text
    state.attempts[attempt.client_id] = (order.order_id, attempt.number)


def take_report(turn: Turn, report: Report) -> None:
    """Take a report of the private stream; it shows that the venue can be reached."""
    lanes.reached(turn.state)
    reports.take(turn, report)
