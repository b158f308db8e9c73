"""A stop that protects a position, reduce-only: there is one at the venue whenever that can be.

What is wanted (quantity, price) and what is there are compared at every turn:

- a stop as wanted that the venue has confirmed: every other one is canceled
- none as wanted: a new one is placed first, and the old one canceled when the new one is confirmed; two reduce-only
  stops cannot pass flat
- one as wanted whose outcome is not known: another one follows after 1 s, where that may not close what is not ours

A trailing stop is the same with a price that moves (``trailing.py``).
"""

from tightloop.core.domain.enums import OrderState, Reason
from tightloop.ports.execution import RefusalKind
from tightloop.runtime.session.desk import endings, ids, lanes
from tightloop.runtime.session.desk.records import NEVER_NS, SECOND_NS, NoteKind, Urgency
from tightloop.runtime.session.desk.state import Attempt, DeskOrder, Style, Turn, Wire
from tightloop.runtime.session.desk.styles import attempts, resting
from tightloop.runtime.session.desk.wire import amends, cancels

UNKNOWN_NS = SECOND_NS
"""How long an exit whose outcome is not known is waited for before the next attempt."""


def advance(turn: Turn, order: DeskOrder) -> int:
    """Bring the stop at the venue to what is wanted. Return when to look again."""
    if not order.attempts:
        attempts.place(turn, order)
    live = order.live
    confirmed = [one for one in live if one.wire == Wire.ACKED and not one.canceling.is_wanted]
    right = next((one for one in confirmed if amends.is_as_wanted(order, one)), None)
    if right is not None:
        for attempt in live:
            if attempt is not right:
                cancels.want(turn, attempt)
        if order.is_amending and not right.amending.ask_id:
            endings.amended(turn, order)
        return NEVER_NS
    last = order.attempts[-1]
    if last.wire == Wire.QUEUED:
        attempts.refresh(order, last)
        if order.is_amending and not confirmed:
            endings.amended(turn, order)
        return NEVER_NS
    if last.wire == Wire.ENDED and _is_refused(turn, order, last, confirmed):
        return NEVER_NS
    if not live:
        endings.finish(turn, order)
        return NEVER_NS
    return _replace(turn, order, last, confirmed)


def _is_refused(turn: Turn, order: DeskOrder, last: Attempt, confirmed: list[Attempt]) -> bool:
    """Take the refusal of a stop that was to replace one which is still there. Return whether that was it.

    The price of a stop that would trigger has been reached. Where the core cannot be told so now, because the stop
    trails or because it is not known what became of another attempt, the order goes on as a market exit.
    """
    if last.end != OrderState.REJECTED or last.is_absent or last.was_accepted:
        return False
    is_owed = order.style == Style.TRAILING or (order.live and not confirmed)
    if last.end_reason == RefusalKind.WOULD_TRIGGER and is_owed:
        order.style, order.closing_from, order.due_ns = Style.CLOSING, len(order.attempts), 0
        return True
    if not confirmed:
        return False
    reason = endings.reason_of(last.end_reason, order) or int(Reason.TOO_LATE)
    if order.is_amending:
        amends.refuse(turn, order, confirmed[-1], reason, "a stop that was to replace one was refused")
    else:
        order.want_again(confirmed[-1])
        turn.note(NoteKind.AMEND_REFUSED, Urgency.WARNING, "a trailing stop was not moved", order, last.client_id)
    return True


def _replace(turn: Turn, order: DeskOrder, last: Attempt, confirmed: list[Attempt]) -> int:
    """Place the next stop, or amend the one that is there, when it may leave. Return when to look again."""
    now_ns = turn.state.now_ns
    if last.wire == Wire.SENT:
        return NEVER_NS
    unknown = [attempt.unknown_ns for attempt in order.live if attempt.wire == Wire.UNKNOWN]
    if unknown and now_ns < max(unknown) + UNKNOWN_NS:
        return max(unknown) + UNKNOWN_NS
    if unknown and not attempts.may_double(turn, order):
        return NEVER_NS  # the proof of absence, or a report, lets it go on
    if last in confirmed and resting.can_amend(turn, last):
        return amends.advance(turn, order, last)
    if now_ns < order.next_try_ns:
        return order.next_try_ns
    if len(order.attempts) >= ids.ATTEMPTS_MAX:
        _use_up(turn, order, confirmed)
        return NEVER_NS
    attempts.place(turn, order)
    order.next_try_ns = now_ns + lanes.WAITS_NS[2]
    return NEVER_NS


def _use_up(turn: Turn, order: DeskOrder, confirmed: list[Attempt]) -> None:
    """Keep the last stop when no more can be named; where none is there, the order ends and the core sends another."""
    text = "all attempts of a stop are used: it stays where it is"
    turn.note(NoteKind.ATTEMPTS_USED, Urgency.CRITICAL, text, order)
    if confirmed:
        order.want_again(confirmed[-1])
        if order.is_amending:
            endings.amended(turn, order, int(Reason.TOO_LATE))
        return
    endings.tell_end(turn, order, *endings.USED_UP)
