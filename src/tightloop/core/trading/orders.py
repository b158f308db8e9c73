"""The order life cycle: a table of legal transitions, and the slots that open orders occupy in State.

                    accepted  rejected  filled(part)  filled(all)  canceled  expired  unknown
    SUBMITTED       ACCEPTED  REJECTED  PARTIALLY_F.  FILLED       CANCELED  EXPIRED  IN_FLIGHT
    IN_FLIGHT       ACCEPTED  REJECTED  PARTIALLY_F.  FILLED       CANCELED  EXPIRED  -
    ACCEPTED        -         REJECTED  PARTIALLY_F.  FILLED       CANCELED  EXPIRED  -
    PARTIALLY_F.    -         -         PARTIALLY_F.  FILLED       CANCELED  EXPIRED  -
    PENDING_CANCEL  PENDING_C REJECTED  PENDING_C.    FILLED       CANCELED  EXPIRED  IN_FLIGHT

Terminal states have no way out. An illegal event changes nothing and is reported. IN_FLIGHT means that the outcome is
unknown: the order is neither gone nor filled, and it keeps its reserved margin until the venue is queried; a cancel may
be sent, and changes nothing of that. The table refines that of ``lifecycle.py``, which bundles of carry share.
"""

import numpy as np

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import EventKind, OrderState
from tightloop.core.domain.types import Record
from tightloop.core.trading import lifecycle

_ACCEPTED = int(EventKind.ORDER_ACCEPTED)
_FILLED_PART = 0
_STATES = len(OrderState) + 1
_COLUMNS = int(EventKind.ORDER_UNKNOWN) - _ACCEPTED + 2  # one more column: a fill that leaves something open


def _table() -> tuple[tuple[int, ...], ...]:
    """Build the transition table: next state by (state, event column), -1 where the event is illegal."""
    s, e = OrderState, EventKind
    part = _COLUMNS - 1
    column = {kind: int(kind) - _ACCEPTED for kind in (e.ORDER_ACCEPTED, e.ORDER_REJECTED, e.ORDER_FILLED)}
    column |= {kind: int(kind) - _ACCEPTED for kind in (e.ORDER_CANCELED, e.ORDER_EXPIRED, e.ORDER_UNKNOWN)}
    rows = [[-1] * _COLUMNS for _ in range(_STATES)]
    open_states = (s.SUBMITTED, s.IN_FLIGHT, s.ACCEPTED, s.PARTIALLY_FILLED, s.PENDING_CANCEL)
    for state in open_states:
        rows[state][column[e.ORDER_FILLED]] = s.FILLED
        rows[state][column[e.ORDER_CANCELED]] = s.CANCELED
        rows[state][column[e.ORDER_EXPIRED]] = s.EXPIRED
        rows[state][part] = s.PARTIALLY_FILLED
    rows[s.PENDING_CANCEL][part] = s.PENDING_CANCEL
    rows[s.PENDING_CANCEL][column[e.ORDER_ACCEPTED]] = s.PENDING_CANCEL
    # The reject may cross our cancel on the wire; ignoring it would keep the order and its reserved margin for ever.
    rows[s.PENDING_CANCEL][column[e.ORDER_REJECTED]] = s.REJECTED
    for state in (s.SUBMITTED, s.IN_FLIGHT):
        rows[state][column[e.ORDER_ACCEPTED]] = s.ACCEPTED
        rows[state][column[e.ORDER_REJECTED]] = s.REJECTED
    rows[s.ACCEPTED][column[e.ORDER_REJECTED]] = s.REJECTED
    rows[s.SUBMITTED][column[e.ORDER_UNKNOWN]] = s.IN_FLIGHT
    rows[s.PENDING_CANCEL][column[e.ORDER_UNKNOWN]] = s.IN_FLIGHT  # of the order, or of its cancel: it may yet fill
    for state in open_states:
        for to in rows[state]:
            legal = to < 0 or lifecycle.TRANSITIONS[lifecycle.life_of(state), lifecycle.life_of(OrderState(to))]
            assert legal, f"{state.name} to {OrderState(to).name} contradicts the life cycle"
    return tuple(tuple(int(cell) for cell in row) for row in rows)


TRANSITIONS = np.array(_table(), np.int64)
_FILLED = int(EventKind.ORDER_FILLED)
_REJECTED = int(EventKind.ORDER_REJECTED)
_PART_COLUMN = _COLUMNS - 1


@hot
def is_terminal(order_state: int) -> bool:
    """Return whether no further event can change an order in this state."""
    return (
        order_state == OrderState.DENIED
        or order_state == OrderState.FILLED
        or order_state == OrderState.CANCELED
        or order_state == OrderState.REJECTED
        or order_state == OrderState.EXPIRED
    )


@leaf
def remaining(order: Record) -> float:
    """Return the unfilled quantity; exactly 0 within QUANTITY_TOLERANCE."""
    left = order.qty - order.filled_qty
    return left if left > order.qty * limits.QUANTITY_TOLERANCE else 0.0


@hot
def next_state(order: Record, event_kind: int, fill_qty: float) -> int:
    """Return the state after an event, -1 when the event is illegal for this order. Changes nothing.

    A fill beyond the remaining quantity is illegal: cumulative fills never exceed the order's quantity.
    """
    assert 0 <= order.state < len(TRANSITIONS), "an order is in a known state"
    column = event_kind - _ACCEPTED
    if event_kind == _FILLED:
        left = order.qty - order.filled_qty - fill_qty
        slack = order.qty * limits.QUANTITY_TOLERANCE
        if not (fill_qty > 0.0 and left >= -slack):
            return -1  # also when fill_qty is NaN
        if left > slack:
            column = _PART_COLUMN
    elif event_kind == _REJECTED and order.filled_qty > 0.0:
        return -1  # in any state: an order with fills cannot have been rejected
    return TRANSITIONS[order.state, column]


@leaf
def allocate(state: Record) -> int:
    """Take a free order slot. The log keeps every order of a run; State keeps only those that are not terminal."""
    if state.free_count > 0:
        state.free_count -= 1
        slot = state.order_free[state.free_count]
    else:
        assert state.order_high < limits.ORDERS_MAX, "ORDERS_MAX: more open orders than State holds"
        slot = state.order_high
        state.order_high += 1
    state.order_count += 1
    return slot


@leaf
def release(state: Record, slot: int) -> None:
    """Free an order slot."""
    assert state.orders[slot].id != 0, "a slot is released once"
    state.orders[slot].id = 0
    state.order_free[state.free_count] = slot
    state.free_count += 1
    state.order_count -= 1


@hot
def find(state: Record, order_id: int, slot_hint: int) -> int:
    """Return the slot of an open order by id, -1 when none has it. ``slot_hint`` avoids the search."""
    if order_id == 0:
        return -1  # 0 marks a free slot
    if 0 <= slot_hint < state.order_high and state.orders[slot_hint].id == order_id:
        return slot_hint
    for slot in range(state.order_high):
        if state.orders[slot].id == order_id:
            return slot
    return -1
