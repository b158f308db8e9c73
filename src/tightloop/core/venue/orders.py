"""The book of the simulated venue: its orders in order of arrival, and the events it owes to the step."""

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import OrderKind, OrderState
from tightloop.core.domain.types import Record

# Events back to the step ---------------------------------------------------------------------------------------------


@hot
def push(venue: Record, kind: int, instrument: int, instance: int, ts_event_ns: int) -> Record:
    """A new event for the sender, heard when the response has travelled."""
    at = venue.inbox_count
    assert at < limits.INBOX_MAX, "INBOX_MAX: more events at one instant than the venue can owe"
    venue.inbox_count = at + 1
    event = venue.inbox[at]
    event.kind = kind
    event.phase = 0
    event.instrument = instrument
    event.instance = instance
    event.ts_event_ns = ts_event_ns
    event.ts_init_ns = venue.ts_ns + venue.delay_ns
    if at > venue.inbox_taken:
        event.ts_init_ns = max(event.ts_init_ns, venue.inbox[at - 1].ts_init_ns)  # what is said first is heard first
    event.order_id = 0
    event.order_slot = -1
    event.reason = 0
    event.is_maker = 0
    event.open = 0.0
    event.high = 0.0
    event.low = 0.0
    event.price = 0.0
    event.qty = 0.0
    event.rate = 0.0
    event.amount = 0.0
    event.stop_price = 0.0
    return event


@hot
def report_stop(event: Record, order: Record) -> None:
    """The venue alone knows where a trailing stop rests; it says so with all it says of the order."""
    if order.kind == OrderKind.TRAILING:
        event.stop_price = order.stop_price


@leaf
def push_order(venue: Record, kind: int, slot: int, reason: int, ts_event_ns: int) -> Record:
    """An event of one order."""
    order = venue.orders[slot]
    event = push(venue, kind, order.instrument, order.instance, ts_event_ns)
    event.order_id = order.id
    event.order_slot = venue.order_slot[slot]
    event.reason = reason
    report_stop(event, order)
    return event


# The book of one instrument: a list in order of arrival ---------------------------------------------------------------


@hot
def insert(venue: Record, row: Record) -> int:
    """An order from the row of its command, last in the book of its instrument; its slot."""
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
    own = venue.instruments[order.instrument]
    if own.order_first < 0:
        own.order_first = slot
    else:
        venue.orders[own.order_last].next = slot
    own.order_last = slot
    own.expires_next_ns = min(own.expires_next_ns, order.expires_ns)
    if order.kind == OrderKind.TRAILING:
        own.trailing_count += 1
    return slot


@leaf
def remove(venue: Record, slot: int) -> None:
    """Take an order out of the book of its instrument."""
    order = venue.orders[slot]
    own = venue.instruments[order.instrument]
    before, at = -1, own.order_first
    while at != slot:
        assert at >= 0, "an order is in the book of its instrument"
        before, at = at, venue.orders[at].next
    if before < 0:
        own.order_first = order.next
    else:
        venue.orders[before].next = order.next
    if own.order_last == slot:
        own.order_last = before
    if order.kind == OrderKind.TRAILING:
        own.trailing_count -= 1
    order.id = 0
    venue.order_free[venue.free_count] = slot
    venue.free_count += 1
    venue.order_count -= 1


@leaf
def end_order(venue: Record, slot: int, kind: int, reason: int, ts_event_ns: int) -> None:
    """Cancel, expire or reject: tell the sender and forget the order."""
    push_order(venue, kind, slot, reason, ts_event_ns)
    remove(venue, slot)


@leaf
def find(venue: Record, own: Record, order_id: int) -> int:
    """The slot of an order by its id; -1 when it is not in the book."""
    at = own.order_first
    while at >= 0:
        if venue.orders[at].id == order_id:
            return at
        at = venue.orders[at].next
    return -1
