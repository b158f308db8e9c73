"""Orders and outgoing events of the simulated venues on bars and ticks.

Each instrument keeps its open orders as a singly linked list in order of arrival: ``order_first``, ``order_last`` and
``ORDER.next`` are slots of ``venue.orders``, -1 ends the list. A slot with ``id`` 0 is free; freed slots are reused
last in, first out. A fill can end other orders of the list (OCO siblings, unpaid entries), so a loop reads ``next``
before it acts, and checks that order's ``id`` afterwards.
"""

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import EventKind, OrderKind, OrderState, Reason
from tightloop.core.domain.types import Record

# Events back to the step ---------------------------------------------------------------------------------------------


@leaf
def _close_up(venue: Record) -> None:
    """Move the events still to be applied to the start of the inbox, in their order.

    An inbox that is never empty, as when answers are always on their way, would else be used up by those applied.
    """
    count = venue.inbox_count - venue.inbox_taken
    for k in range(count):
        venue.inbox[k] = venue.inbox[venue.inbox_taken + k]
    venue.inbox_taken = 0
    venue.inbox_count = count


@hot
def push(venue: Record, kind: int, instrument: int, instance: int, ts_event_ns: int) -> Record:
    """Append a cleared event to the inbox of the step and return it.

    It happens at ``ts_event_ns`` and arrives (``ts_init_ns``) after the response latency ``venue.delay_ns``.
    ``instrument`` and ``instance`` are indices; -1 where the event has none.
    """
    if venue.inbox_count == limits.INBOX_MAX:
        _close_up(venue)
    at = venue.inbox_count
    assert at < limits.INBOX_MAX, "INBOX_MAX: more events at one instant than the venue can owe"
    venue.inbox_count = at + 1
    event = venue.inbox[at]
    fields.clear(event, kind, instrument, instance, ts_event_ns, venue.ts_ns + venue.delay_ns)
    event.order_slot = fields.NONE
    if at > venue.inbox_taken:
        # FIFO: no event overtakes an earlier one.
        event.ts_init_ns = max(event.ts_init_ns, venue.inbox[at - 1].ts_init_ns)
    return event


@hot
def report_stop(event: Record, order: Record) -> None:
    """Write a trailing stop's trigger price into an event: the venue alone moves it, so the step must be told."""
    if order.kind == OrderKind.TRAILING:
        fields.set_trailing_stop(event, order.stop_price)


@leaf
def push_order(venue: Record, kind: int, slot: int, reason: int, ts_event_ns: int) -> Record:
    """Append an event about the order in ``slot``, with ``reason`` (a Reason)."""
    order = venue.orders[slot]
    event = push(venue, kind, order.instrument, order.instance, ts_event_ns)
    fields.set_order(event, order.id, venue.order_slot[slot], reason)
    report_stop(event, order)
    return event


# The open orders of one instrument, in order of arrival ---------------------------------------------------------------


@hot
def insert(venue: Record, row: Record) -> int:
    """Insert the order of a SUBMIT row at the end of its instrument's list and return its slot.

    ``row.slot`` is the step's slot of the order, echoed in every event; ``row.value`` its reference price: the price
    at which it was sized and checked.
    """
    if venue.free_count > 0:
        venue.free_count -= 1
        slot = venue.order_free[venue.free_count]
    else:
        assert venue.order_high < limits.ORDERS_MAX, "ORDERS_MAX: more open orders than the venue holds"
        slot = venue.order_high
        venue.order_high += 1
    venue.order_count += 1
    venue.order_slot[slot] = row.slot
    order = venue.orders[slot]
    order.id = row.order_id
    order.instance = row.instance
    order.instrument = row.instrument
    order.side = row.side
    order.kind = row.order_kind
    order.tif = row.tif
    order.role = row.role
    order.reduce_only = row.reduce_only
    order.post_only = row.post_only
    order.trigger = row.trigger
    order.qty = row.qty
    order.filled_qty = 0.0
    order.price = row.price
    order.stop_price = row.stop_price
    order.trail_pct = row.trail_pct
    order.trail_distance = row.trail_distance
    order.arm_price = row.arm_price
    order.reference_price = row.value
    order.leverage = row.leverage
    order.best_price = row.value
    order.is_moved = 0
    order.submitted_ns = venue.ts_ns
    order.expires_ns = row.expires_ns
    order.oco = row.oco
    order.is_triggered = 0
    order.is_resting = 0
    order.fill_count = 0
    order.state = OrderState.ACCEPTED.value
    order.next = -1
    instrument = venue.instruments[order.instrument]
    if instrument.order_first < 0:
        instrument.order_first = slot
    else:
        venue.orders[instrument.order_last].next = slot
    instrument.order_last = slot
    instrument.expires_next_ns = min(instrument.expires_next_ns, order.expires_ns)
    if order.kind == OrderKind.TRAILING:
        instrument.trailing_count += 1
    return slot


@leaf
def remove(venue: Record, slot: int) -> None:
    """Remove an order from its instrument's list and free its slot."""
    order = venue.orders[slot]
    instrument = venue.instruments[order.instrument]
    previous, current = -1, instrument.order_first
    while current != slot:
        assert current >= 0, "an order is in the book of its instrument"
        previous, current = current, venue.orders[current].next
    if previous < 0:
        instrument.order_first = order.next
    else:
        venue.orders[previous].next = order.next
    if instrument.order_last == slot:
        instrument.order_last = previous
    if order.kind == OrderKind.TRAILING:
        instrument.trailing_count -= 1
    order.id = 0
    venue.order_free[venue.free_count] = slot
    venue.free_count += 1
    venue.order_count -= 1


@leaf
def end_order(venue: Record, slot: int, kind: int, reason: int, ts_event_ns: int) -> None:
    """End an order: push its final event (``kind``: canceled, expired or rejected) and remove it."""
    push_order(venue, kind, slot, reason, ts_event_ns)
    remove(venue, slot)


@leaf
def find(venue: Record, instrument: Record, order_id: int) -> int:
    """Return the slot of an open order by its id; -1 if it is not open."""
    slot = instrument.order_first
    while slot >= 0:
        if venue.orders[slot].id == order_id:
            return slot
        slot = venue.orders[slot].next
    return -1


@leaf
def cancel_siblings(venue: Record, instrument: Record, oco: int, filled_id: int, ts_event_ns: int) -> None:
    """Cancel the other orders of OCO group ``oco`` after one of them, ``filled_id``, filled, even in part."""
    slot = instrument.order_first
    while slot >= 0:
        order = venue.orders[slot]
        next_slot = order.next
        if order.oco == oco and order.id != filled_id:
            end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.OCO.value, ts_event_ns)
        slot = next_slot


@hot
def expire(venue: Record, instrument: Record, now_ns: int, dated_ns: int) -> None:
    """Expire the orders of an instrument that are due by ``now_ns``.

    Events are dated no later than ``dated_ns``: on bars the open, so that an expiry inside a bar belongs to that bar's
    day. ``expires_next_ns`` is never later than the earliest expiry, so most calls return at once.
    """
    if instrument.expires_next_ns > now_ns:
        return
    instrument.expires_next_ns = limits.NEVER_NS
    slot = instrument.order_first
    while slot >= 0:
        order = venue.orders[slot]
        next_slot = order.next
        if order.expires_ns <= now_ns:
            end_order(venue, slot, EventKind.ORDER_EXPIRED.value, Reason.TTL.value, min(order.expires_ns, dated_ns))
        else:
            instrument.expires_next_ns = min(instrument.expires_next_ns, order.expires_ns)
        slot = next_slot
