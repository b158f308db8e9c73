"""Cancels: wanted until the attempt has ended, asked again and again, believed only when a report says so.

"No such order" and "too late" lead to a look-up: the order may have been filled. Any other refusal of a cancel that the
core asked for is told (CANCEL_REJECTED); one that the desk needs itself (an expiry, a replacement, a sibling) is tried
again. Of an attempt whose outcome is unknown, cancels are sent at once and after each look-up; they prove nothing.
"""

from tightloop.core.domain.enums import EventKind, OrderState
from tightloop.ports.execution import CancelOrder, NoSuchOrder, RefusalKind, RefusedByVenue
from tightloop.ports.transport import Lane
from tightloop.runtime.session.desk import endings, lanes
from tightloop.runtime.session.desk.records import NEVER_NS, Reply, VenueAnswer
from tightloop.runtime.session.desk.state import Attempt, DeskOrder, Ending, Purpose, Turn, Wire
from tightloop.runtime.session.desk.wire import look_ups

RETRY_WAITS = 2
"""A cancel that was taken and not confirmed is sent again after 1 s at the earliest."""


def want(turn: Turn, attempt: Attempt) -> None:
    """Request the cancel of an attempt."""
    canceling = attempt.canceling
    if not canceling.is_wanted and attempt.is_live:
        canceling.is_wanted, canceling.due_ns, canceling.waits = True, turn.state.now_ns, 0


def advance(turn: Turn, order: DeskOrder, attempt: Attempt) -> int:
    """Send the cancel that is due; what has not left ends at once. Return when the next is due."""
    canceling, state = attempt.canceling, turn.state
    if not canceling.is_wanted or not attempt.is_live:
        return NEVER_NS
    if attempt.wire == Wire.QUEUED:
        attempt.wire, attempt.end = Wire.ENDED, OrderState.CANCELED
        order.due_ns = 0
        return NEVER_NS
    if canceling.ask_id:
        return NEVER_NS
    if state.now_ns < canceling.due_ns:
        return canceling.due_ns
    if not lanes.may_leave(turn, Lane.CANCEL):
        return lanes.free_ns(state, Lane.CANCEL)
    is_conditional = attempt.is_conditional and not attempt.is_triggered
    request = CancelOrder(attempt.client_id, turn.listed(order).symbol, is_conditional)
    canceling.ask_id = turn.ask(request, Purpose.CANCEL, Lane.CANCEL, lanes.SHORT_NS, order, attempt.number)
    return NEVER_NS


def on_reply(turn: Turn, order: DeskOrder, attempt: Attempt, reply: Reply) -> None:
    """Take the answer to a cancel whose reports, if any, were applied already."""
    canceling = attempt.canceling
    canceling.ask_id = 0
    order.due_ns = 0
    if not attempt.is_live or not canceling.is_wanted:
        return
    if isinstance(reply, RefusedByVenue) and reply.reason != RefusalKind.TOO_LATE and order.ending == Ending.CANCEL:
        refused(turn, order, endings.reason_of(reply.reason, order))
        return
    canceling.due_ns = turn.state.now_ns + lanes.wait_ns(canceling.waits)
    canceling.waits += 1
    if isinstance(reply, tuple):
        canceling.due_ns = max(canceling.due_ns, turn.state.now_ns + lanes.WAITS_NS[RETRY_WAITS])
        look_ups.begin(turn, order, attempt)
    elif isinstance(reply, NoSuchOrder) or (isinstance(reply, RefusedByVenue) and reply.reason == RefusalKind.TOO_LATE):
        look_ups.begin(turn, order, attempt, 0)


def refused(turn: Turn, order: DeskOrder, reason: int) -> None:
    """Tell the core that its cancel was refused: the order goes on."""
    order.ending, order.reason = Ending.NONE, 0
    for attempt in order.live:
        attempt.canceling.is_wanted = attempt.is_replaced
    turn.tell(order, VenueAnswer(EventKind.CANCEL_REJECTED, reason=reason))
