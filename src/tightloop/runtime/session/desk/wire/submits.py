"""Submits: an attempt leaves once, and what is surely not executed waits to leave again.

An entry waits until its time is over, 60 s at the longest, and is never sent late. What reduces a position waits as
long as it takes. An entry that the step would deny now does not leave: it is withdrawn, and the step is told so. A
request whose outcome is not known is never sent again under its id: it is looked up.
"""

import math

from tightloop.core.domain.enums import OrderKind, OrderState, TimeInForce
from tightloop.ports.execution import (
    ClockRefused,
    NotAuthorized,
    Overloaded,
    RateLimited,
    RefusalKind,
    RefusedByVenue,
    SubmitOrder,
)
from tightloop.ports.transport import Lane, NotSent
from tightloop.runtime.session.desk import endings, lanes
from tightloop.runtime.session.desk.records import NEVER_NS, SECOND_NS, NoteKind, Reply, Urgency
from tightloop.runtime.session.desk.state import Attempt, DeskOrder, Ending, Purpose, Turn, Wire
from tightloop.runtime.session.desk.wire import look_ups

ENTRY_WAITS_NS = 60 * SECOND_NS
ALERT_NS = 10 * SECOND_NS
EXIT_RETRY_NS = SECOND_NS // 2
"""An exit of which no byte left is tried again this soon: that costs the venue nothing."""
NOT_EXECUTED = RateLimited | ClockRefused | Overloaded | NotAuthorized | NotSent


def lane_of(order: DeskOrder) -> Lane:
    """Return the lane of an order's submits and amends."""
    return Lane.EXIT if order.wanted.is_exit else Lane.ENTRY


def late_ns(order: DeskOrder, attempt: Attempt) -> int:
    """Return when an attempt that has not left may not leave any more."""
    if order.wanted.is_exit:
        return order.wanted.expires_ns
    return min(order.wanted.expires_ns, attempt.queued_ns + ENTRY_WAITS_NS)


def advance(turn: Turn, order: DeskOrder, attempt: Attempt) -> int:
    """Send an attempt that waits, where its lane permits. Return when to try again."""
    state = turn.state
    if attempt.wire != Wire.QUEUED:
        return NEVER_NS
    denied = 0 if order.wanted.is_exit else state.denied.get(order.wanted.instance, 0)
    if denied:
        if order.ending == Ending.NONE:
            order.ending, order.reason, order.due_ns = Ending.CANCEL, denied, 0
        return NEVER_NS
    alert_ns = _alert(turn, order, attempt)
    if state.now_ns < attempt.retry_ns:
        return min(attempt.retry_ns, alert_ns)
    lane = lane_of(order)
    if not lanes.may_leave(turn, lane):
        return min(lanes.free_ns(state, lane), alert_ns)
    request = _request(turn, order, attempt)
    attempt.ask_id = turn.ask(request, Purpose.SUBMIT, lane, lanes.timeout_ns(lane), order, attempt.number)
    attempt.wire, attempt.sent_ns, attempt.signed_ns = Wire.SENT, state.now_ns, state.venue_ns
    return NEVER_NS


def _alert(turn: Turn, order: DeskOrder, attempt: Attempt) -> int:
    """Tell of an exit that has waited for long, each 10 s. Return when to tell of it next."""
    if not order.wanted.is_exit:
        return NEVER_NS
    alert_ns = max(attempt.queued_ns, order.alerted_ns) + ALERT_NS
    if turn.state.now_ns < alert_ns:
        return alert_ns
    waited_s = (turn.state.now_ns - attempt.queued_ns) // SECOND_NS
    turn.note(NoteKind.EXIT_WAITS, Urgency.CRITICAL, f"has waited {waited_s} s to leave", order, attempt.client_id)
    order.alerted_ns = turn.state.now_ns
    return order.alerted_ns + ALERT_NS


def _request(turn: Turn, order: DeskOrder, attempt: Attempt) -> SubmitOrder:
    """Build the request of an attempt; with a date where the venue takes one and the order has one."""
    state, wanted = turn.state, order.wanted
    tif, expires_ns = attempt.tif, 0
    gtd_min_s = state.terms.gtd_min_s
    if tif in (TimeInForce.GTC, TimeInForce.GTT):
        tif = TimeInForce.GTC
        may_date = attempt.kind == OrderKind.LIMIT and not wanted.is_exit and not wanted.is_post_only
        if may_date and wanted.expires_ns != NEVER_NS and not math.isnan(gtd_min_s):
            tif = TimeInForce.GTT
            expires_ns = max(wanted.expires_ns, state.now_ns + int(gtd_min_s * SECOND_NS)) + state.venue_offset_ns
    return SubmitOrder(
        client_id=attempt.client_id,
        symbol=turn.listed(order).symbol,
        side=wanted.side,
        kind=attempt.kind,
        tif=tif,
        qty=attempt.qty,
        price=attempt.price,
        stop_price=attempt.stop_price,
        trigger=wanted.trigger,
        is_reduce_only=wanted.is_reduce_only,
        is_post_only=wanted.is_post_only and attempt.kind == OrderKind.LIMIT,
        expires_ns=expires_ns,
    )


def on_reply(turn: Turn, order: DeskOrder, attempt: Attempt, reply: Reply) -> None:
    """Take the answer to a submit; reports in it were applied already."""
    order.due_ns = 0
    if attempt.wire not in (Wire.SENT, Wire.UNKNOWN):
        return  # a report was faster
    if isinstance(reply, tuple):
        attempt.wire, attempt.was_accepted = Wire.ACKED, True  # done, without a word of its state
        attempt.end_look_ups()
        endings.accepted(turn, order)
    elif isinstance(reply, RefusedByVenue) and reply.reason != RefusalKind.ID_REPEATED:
        endings.end_attempt(turn, order, attempt, OrderState.REJECTED, reply.reason)
    elif isinstance(reply, NOT_EXECUTED):
        _not_executed(turn, order, attempt, reply)
    elif attempt.wire == Wire.SENT:
        become_unknown(turn, order, attempt)


def is_surely_not_executed(reply: Reply) -> bool:
    """Return whether a reply that is no refusal says that nothing was executed."""
    return isinstance(reply, NOT_EXECUTED)


def _not_executed(turn: Turn, order: DeskOrder, attempt: Attempt, reply: Reply) -> None:
    """Queue an attempt again that surely was not executed; an entry whose key is refused ends."""
    if isinstance(reply, ClockRefused):
        turn.note(NoteKind.CLOCK_REFUSED, Urgency.WARNING, reply.text, order, attempt.client_id)
    if isinstance(reply, NotAuthorized):
        turn.note(NoteKind.NOT_AUTHORIZED, Urgency.CRITICAL, reply.text, order, attempt.client_id)
    has_successor = attempt.number < len(order.attempts) - 1
    if has_successor or (isinstance(reply, NotAuthorized) and not order.wanted.is_exit):
        endings.end_attempt(turn, order, attempt, OrderState.REJECTED, RefusalKind.PERMISSION)
        return
    attempt.end_look_ups()
    attempt.wire = Wire.QUEUED
    wait_ns = lanes.wait_ns(attempt.waits)
    if isinstance(reply, NotSent) and order.wanted.is_exit:
        wait_ns = min(wait_ns, EXIT_RETRY_NS)
    attempt.retry_ns = turn.state.now_ns + wait_ns
    attempt.waits += 1


def become_unknown(turn: Turn, order: DeskOrder, attempt: Attempt) -> None:
    """Note that what became of an attempt is not known, and begin to look it up."""
    attempt.wire, attempt.unknown_ns = Wire.UNKNOWN, turn.state.now_ns
    look_ups.begin(turn, order, attempt)
    if attempt.canceling.is_wanted:
        attempt.canceling.due_ns = turn.state.now_ns
    if not (order.wanted.is_exit and order.is_accepted):
        endings.unknown(turn, order)
    turn.note(NoteKind.RECONCILE, Urgency.WARNING, "an outcome is not known", order, attempt.client_id)
