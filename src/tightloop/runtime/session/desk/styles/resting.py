"""An order with one attempt at a time: entries, limits, targets, and stops that enter.

To amend it: by the venue's amend where it has one; else the attempt is canceled, its end awaited, and the rest placed
at the new price. So it is never there twice.
"""

from tightloop.core.domain.enums import OrderKind, OrderState
from tightloop.runtime.session.desk import endings
from tightloop.runtime.session.desk.records import NEVER_NS
from tightloop.runtime.session.desk.state import Attempt, DeskOrder, Ending, Turn, Wire
from tightloop.runtime.session.desk.styles import attempts
from tightloop.runtime.session.desk.wire import amends, cancels


def advance(turn: Turn, order: DeskOrder) -> int:
    """Bring what is at the venue to what is wanted. Return when to look again."""
    if not order.attempts:
        attempts.place(turn, order)
    attempt = order.attempts[-1]
    if attempt.wire == Wire.QUEUED:
        attempts.refresh(order, attempt)
        if order.is_amending:
            endings.amended(turn, order)
    elif attempt.wire == Wire.ACKED:
        return _amend(turn, order, attempt)
    elif attempt.is_settled:
        _go_on(turn, order, attempt)
    return NEVER_NS


def can_amend(turn: Turn, attempt: Attempt) -> bool:
    """Return whether the venue can amend an attempt of this kind."""
    terms = turn.state.terms
    return terms.can_amend_limit if attempt.kind == OrderKind.LIMIT else terms.can_amend_stop


def _amend(turn: Turn, order: DeskOrder, attempt: Attempt) -> int:
    """Amend what rests, or cancel it to place another."""
    if amends.is_as_wanted(order, attempt):
        if order.is_amending and not attempt.amending.ask_id:
            endings.amended(turn, order)
        return NEVER_NS
    if can_amend(turn, attempt):
        return amends.advance(turn, order, attempt)
    if not attempt.is_replaced:
        attempt.is_replaced = True
        cancels.want(turn, attempt)
    return NEVER_NS


def _go_on(turn: Turn, order: DeskOrder, attempt: Attempt) -> None:
    """Place the rest of what was canceled to be replaced; else the order has ended."""
    is_replaced = attempt.is_replaced and attempt.end == OrderState.CANCELED and order.remaining > 0.0
    is_in_time = turn.state.now_ns < order.wanted.expires_ns
    if is_replaced and is_in_time and order.ending == Ending.NONE:
        attempts.place(turn, order)
    else:
        endings.finish(turn, order)
