"""Ends of orders: what the core is told, and when an attempt counts as ended."""

import math
from dataclasses import replace

from tightloop.core.domain.enums import EventKind, OrderKind, OrderState, Reason, TimeInForce
from tightloop.ports.execution import RefusalKind
from tightloop.runtime.session.desk.records import NoteKind, Urgency, VenueAnswer
from tightloop.runtime.session.desk.state import ENDED_KEPT, Attempt, DeskOrder, Ending, Turn, Wire

STOPS = (OrderKind.STOP, OrderKind.STOP_LIMIT, OrderKind.TRAILING)

USED_UP = (EventKind.ORDER_EXPIRED, int(Reason.UNFILLED_IOC))
"""The end of an exit whose attempts are used: the core sends another."""

_REASONS: dict[RefusalKind, int] = {
    RefusalKind.NONE: Reason.NONE,
    RefusalKind.OTHER: Reason.NONE,
    RefusalKind.MARGIN: Reason.INSUFFICIENT_CASH,
    RefusalKind.NOTHING_TO_REDUCE: Reason.NOTHING_TO_REDUCE,
    RefusalKind.WOULD_TRIGGER: Reason.WOULD_TRIGGER,
    RefusalKind.WOULD_TAKE: Reason.POST_ONLY_WOULD_TAKE,
    RefusalKind.UNFILLED: Reason.UNFILLED_IOC,
    RefusalKind.RULES: Reason.RULES_CHANGED,
    RefusalKind.NOT_TRADING: Reason.DELISTED,
    RefusalKind.ID_REPEATED: Reason.NONE,
    RefusalKind.TOO_LATE: Reason.TOO_LATE,
    RefusalKind.PERMISSION: Reason.NOT_READY,
}


def reason_of(refusal: RefusalKind, order: DeskOrder) -> int:
    """Return the core's Reason of a venue's refusal; 0: one that means nothing to the core."""
    if refusal == RefusalKind.UNFILLED and order.wanted.tif == TimeInForce.FOK:
        return int(Reason.UNFILLED_FOK)
    return int(_REASONS[refusal])


def end_attempt(turn: Turn, order: DeskOrder, attempt: Attempt, state: OrderState, reason: RefusalKind) -> None:
    """End an attempt as the venue says; its fills may still be missing."""
    attempt.wire, attempt.end, attempt.end_reason = Wire.ENDED, state, reason
    attempt.end_look_ups()
    attempt.amending.is_unknown = False
    order.due_ns = 0
    if reason == RefusalKind.NOTHING_TO_REDUCE and _is_held(turn, order):
        turn.note(NoteKind.RECONCILE, Urgency.WARNING, "nothing to reduce", order, attempt.client_id)


def _is_held(turn: Turn, order: DeskOrder) -> bool:
    """Return whether there is, by what was booked, a position that an exit should reduce.

    Where there is none, the venue only says what follows from a fill: it ends what would have reduced the position too.
    """
    held = turn.state.holdings.get(order.wanted.instrument)
    return held is None or held.ours * order.wanted.side < -order.slack


def accepted(turn: Turn, order: DeskOrder) -> None:
    """Tell the core that its order is at the venue, once, and again when it had been told that this is unknown."""
    if order.is_ended or any(attempt.wire == Wire.UNKNOWN for attempt in order.attempts):
        return
    if order.is_accepted and not order.is_unknown:
        return
    order.is_accepted, order.is_unknown = True, False
    turn.tell(order, VenueAnswer(EventKind.ORDER_ACCEPTED, stop_price=order.resting_stop))


def unknown(turn: Turn, order: DeskOrder) -> None:
    """Tell the core that what became of its order is not known."""
    if not order.is_unknown and not order.is_ended:
        order.is_unknown = True
        turn.tell(order, VenueAnswer(EventKind.ORDER_UNKNOWN))


def amended(turn: Turn, order: DeskOrder, reason: int = 0) -> None:
    """Tell the core that its amend was done (0), or refused: then quantity and prices are what they were."""
    order.is_amending = False
    wanted = order.wanted
    price = wanted.price if math.isfinite(wanted.price) else 0.0
    stop_price = order.resting_stop or (wanted.stop_price if math.isfinite(wanted.stop_price) else 0.0)
    answer = VenueAnswer(EventKind.AMENDED, reason=reason, price=price, qty=wanted.qty, stop_price=stop_price)
    turn.tell(order, replace(answer, cum_qty=order.told_qty))


def finish(turn: Turn, order: DeskOrder) -> None:
    """Tell the core that an order has ended, when all its attempts have and their fills are booked."""
    if order.is_ended or not all(attempt.is_settled for attempt in order.attempts):
        return
    if order.is_filled:
        order.is_ended = True  # the last fill told it
        return
    tell_end(turn, order, *_end_of(order))


def tell_end(turn: Turn, order: DeskOrder, kind: EventKind, reason: int) -> None:
    """Tell the core the end of an order."""
    order.is_ended = True
    turn.tell(order, VenueAnswer(kind, reason=reason, cum_qty=order.told_qty))


def _end_of(order: DeskOrder) -> tuple[EventKind, int]:
    """Return how an order ended that was not filled: the core's event and reason."""
    if not order.attempts:
        return _as_asked(order)
    last = order.attempts[-1]
    # What has been filled in part cannot have been rejected: the core would not take that.
    rejected = EventKind.ORDER_REJECTED if order.told_qty == 0.0 else EventKind.ORDER_EXPIRED
    is_stop = order.wanted.order_kind in STOPS and order.wanted.is_reduce_only
    if last.end == OrderState.REJECTED:
        if last.is_absent:
            return rejected, int(Reason.NOT_AT_VENUE)
        at_trigger = is_stop and last.was_accepted
        return rejected, int(Reason.WOULD_TRIGGER) if at_trigger else reason_of(last.end_reason, order)
    if last.canceling.is_wanted and order.ending != Ending.NONE:
        return _as_asked(order)
    if last.end == OrderState.EXPIRED and is_stop:
        return rejected, int(Reason.WOULD_TRIGGER)  # refused at its trigger, or knocked out
    if last.end_reason == RefusalKind.WOULD_TAKE:
        return rejected, int(Reason.POST_ONLY_WOULD_TAKE)
    if last.end_reason == RefusalKind.UNFILLED or last.tif in (TimeInForce.IOC, TimeInForce.FOK):
        return EventKind.ORDER_CANCELED, reason_of(RefusalKind.UNFILLED, order)
    if last.end == OrderState.EXPIRED:
        return EventKind.ORDER_EXPIRED, reason_of(last.end_reason, order) or int(Reason.TTL)
    if last.end == OrderState.FILLED:
        # Filled before an amend to a larger quantity arrived; or a reduce-only order cut to what was there.
        too_late = (EventKind.ORDER_CANCELED, int(Reason.TOO_LATE))
        return too_late if order.is_amending else (EventKind.ORDER_EXPIRED, int(Reason.NOTHING_TO_REDUCE))
    return EventKind.ORDER_CANCELED, order.reason


def _as_asked(order: DeskOrder) -> tuple[EventKind, int]:
    """Return the end of an order that we ended."""
    if order.ending == Ending.EXPIRY:
        return EventKind.ORDER_EXPIRED, int(Reason.TTL)
    return EventKind.ORDER_CANCELED, order.reason


def forget(turn: Turn, order: DeskOrder) -> None:
    """Move an order that is over to those that are remembered for late reports, and drop the oldest of them."""
    state = turn.state
    if not order.is_over:
        return
    state.open_ids.remove(order.order_id)
    if order.trail is not None:
        state.trailing_ids.remove(order.order_id)
    state.ended.append(order.order_id)
    while len(state.ended) > ENDED_KEPT:
        dropped = state.orders.pop(state.ended.pop(0))
        for attempt in dropped.attempts:
            state.attempts.pop(attempt.client_id, None)
            state.venue_ids.pop(attempt.venue_order_id, None)
            state.venue_ids.pop(attempt.triggered_id, None)
