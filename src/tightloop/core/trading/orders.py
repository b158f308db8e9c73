"""The order life cycle: a table of legal transitions, and the slots that open orders occupy in State.

                    accepted  rejected  filled(part)  filled(all)  canceled  expired  unknown
    SUBMITTED       ACCEPTED  REJECTED  PARTIALLY_F.  FILLED       CANCELED  EXPIRED  IN_FLIGHT
    IN_FLIGHT       ACCEPTED  REJECTED  PARTIALLY_F.  FILLED       CANCELED  EXPIRED  IN_FLIGHT
    ACCEPTED        ACCEPTED  REJECTED  PARTIALLY_F.  FILLED       CANCELED  EXPIRED  ACCEPTED
    PARTIALLY_F.    PART.F.   -         PARTIALLY_F.  FILLED       CANCELED  EXPIRED  PARTIALLY_F.
    PENDING_CANCEL  PENDING_C REJECTED  PENDING_C.    FILLED       CANCELED  EXPIRED  PENDING_C.

Terminal states have no way out. An illegal event changes nothing and is reported. That an outcome is unknown is a flag
beside the state (``venue_state``), so that no cancel hides it: the order is neither gone nor filled, and it keeps its
reserved margin until the venue is queried. IN_FLIGHT is the state of one of which nothing else is known. The table
refines that of ``lifecycle.py``, which bundles of carry share.

Reports overtake answers, so an acceptance may come after a fill: it changes nothing. A fill may come after the end of
its order: the last ENDED_MAX orders that ended are kept in a ring, as are the keys of the last FILL_KEYS_MAX
executions.
"""

import numpy as np

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import EventKind, OrderState, VenueState
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
    for state in (s.SUBMITTED, s.IN_FLIGHT, s.ACCEPTED):
        rows[state][column[e.ORDER_ACCEPTED]] = s.ACCEPTED
        rows[state][column[e.ORDER_REJECTED]] = s.REJECTED
    rows[s.PARTIALLY_FILLED][column[e.ORDER_ACCEPTED]] = s.PARTIALLY_FILLED
    for state in open_states:
        rows[state][column[e.ORDER_UNKNOWN]] = state
    rows[s.SUBMITTED][column[e.ORDER_UNKNOWN]] = s.IN_FLIGHT
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
def is_unknown(order: Record) -> bool:
    """Return whether something that was sent for an order has no answer yet."""
    return order.venue_state & VenueState.UNKNOWN != 0


@leaf
def note_knowledge(order: Record, event_kind: int) -> None:
    """Set or clear the flag *unknown* as an event of the order says: any report of the venue answers."""
    if event_kind == EventKind.ORDER_UNKNOWN:
        order.venue_state |= VenueState.UNKNOWN.value
    else:
        order.venue_state &= ~VenueState.UNKNOWN.value


@leaf
def state_without_cancel(order: Record) -> int:
    """Return the state of an order whose cancel the venue refused."""
    if order.filled_qty > 0.0:
        return OrderState.PARTIALLY_FILLED.value
    return OrderState.IN_FLIGHT.value if is_unknown(order) else OrderState.ACCEPTED.value


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


# Rings ----------------------------------------------------------------------------------------------------------------


@leaf
def keep_ended(state: Record, order: Record) -> None:
    """Keep an order that has ended, in place of the one that ended longest ago."""
    assert is_terminal(order.state), "an order that is kept has ended"
    row = state.ended[state.ended_count % limits.ENDED_MAX]
    row.order_id = order.id
    row.instance = order.instance
    row.instrument = order.instrument
    row.side = order.side
    row.role = order.role
    row.state = order.state
    row.signal_id = order.signal_id
    row.fill_count = order.fill_count
    row.qty = max(order.qty, order.venue_qty)  # an amend that made it smaller may not have arrived
    row.filled_qty = order.filled_qty
    row.filled_value = order.filled_value
    row.leverage = order.leverage
    state.ended_count += 1


@leaf
def find_ended(state: Record, order_id: int) -> int:
    """Return the place in the ring of the order that ended with this id, the latest first; -1 when none is kept."""
    if order_id == 0:
        return -1
    for back in range(1, min(state.ended_count, limits.ENDED_MAX) + 1):
        place = (state.ended_count - back) % limits.ENDED_MAX
        if state.ended[place].order_id == order_id:
            return place
    return -1


@leaf
def is_booked(state: Record, fill_key: int) -> bool:
    """Return whether an execution, funding or correction of this key was booked; False for 0, which is no key."""
    is_found = False
    if fill_key != 0:
        for place in range(min(state.fill_key_count, limits.FILL_KEYS_MAX)):
            is_found = is_found or state.fill_keys[place] == fill_key
    return is_found


@leaf
def keep_key(state: Record, fill_key: int) -> None:
    """Keep the key of what was booked; 0 is no key."""
    if fill_key != 0:
        state.fill_keys[state.fill_key_count % limits.FILL_KEYS_MAX] = fill_key
        state.fill_key_count += 1
