"""Outgoing orders: draft, check, reserve, send, amend, cancel.

A family drafts an order, fills in its fields and sends it. An order that increases exposure must pass every check; a
reduce-only order passes none, so that an exit can never be held back. The command row is in the log, and so in the
journal, before an executor sees it.
"""

import math

from tightloop.core import limits, log
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import OrderKind, OrderState, Reason, RowKind, TimeInForce, VenueState
from tightloop.core.domain.types import Record, Rows, Table
from tightloop.core.signatures import call_check
from tightloop.core.trading import exposure, orders


@hot
def draft(state: Record, instance: int, role: int, side: int, qty: float) -> int:
    """Allocate a reduce-only market order in state INITIALIZED and return its slot.

    The family then sets what differs (kind, prices, ``reduce_only`` 0 for an entry) and calls ``send``.
    """
    assert 0.0 <= qty <= limits.QUANTITY_MAX, "QUANTITY_MAX: a quantity is bounded"
    slot = orders.allocate(state)
    order = state.orders[slot]
    order.id = log.next_id(state)
    order.instance = instance
    order.instrument = state.instances[instance].instrument
    order.side = side
    order.kind = OrderKind.MARKET.value
    order.tif = TimeInForce.GTC.value
    order.role = role
    order.state = OrderState.INITIALIZED.value
    order.reason = 0
    order.reduce_only = 1
    order.post_only = 0
    order.trigger = 0
    order.qty = qty
    order.filled_qty = 0.0
    order.filled_value = 0.0
    order.price = math.nan
    order.stop_price = math.nan
    order.trail_pct = math.nan
    order.trail_distance = math.nan
    order.arm_price = math.nan
    order.reference_price = state.instruments[order.instrument].mark
    order.reserved_margin = 0.0
    order.leverage = 1.0
    order.best_price = math.nan
    order.submitted_ns = state.ts_ns
    order.expires_ns = limits.NEVER_NS
    order.signal_id = state.instances[instance].signal_id
    order.oco = 0
    order.is_triggered = 0
    order.is_resting = 0
    order.fill_count = 0
    order.step = 0
    order.venue_state = VenueState.KNOWN.value
    order.venue_qty = qty
    order.venue_price = math.nan
    order.venue_stop_price = math.nan
    order.venue_trail_distance = math.nan
    order.next = state.instances[instance].order_first
    state.instances[instance].order_first = slot
    return slot


@hot
def _row_of(state: Record, rows: Rows, kind: int, slot: int) -> None:
    """Append a log row of ``kind`` with all fields of an order."""
    order = state.orders[slot]
    row = log.emit(state, rows, kind, order.instance)
    row.order_id = order.id
    row.slot = slot
    row.signal_id = order.signal_id
    row.code = order.state
    row.reason = order.reason
    row.side = order.side
    row.order_kind = order.kind
    row.tif = order.tif
    row.role = order.role
    row.reduce_only = order.reduce_only
    row.post_only = order.post_only
    row.trigger = order.trigger
    row.expires_ns = order.expires_ns
    row.oco = order.oco
    row.qty = order.qty
    row.price = order.price
    row.stop_price = order.stop_price
    row.trail_pct = order.trail_pct
    row.trail_distance = order.trail_distance
    row.arm_price = order.arm_price
    row.leverage = order.leverage
    row.value = order.reference_price
    row.threshold = order.filled_qty
    row.exit_price = order.filled_value / order.filled_qty if order.filled_qty > 0.0 else math.nan
    log.seal(state, row)


@hot
def report(state: Record, rows: Rows, slot: int) -> None:
    """Append an ORDER row: the current state of an order."""
    _row_of(state, rows, RowKind.ORDER.value, slot)


@leaf
def unlink(state: Record, slot: int) -> None:
    """Remove a terminal order from its instance's list and free its slot."""
    order = state.orders[slot]
    assert orders.is_terminal(order.state), "only a terminal order leaves State"
    instance = state.instances[order.instance]
    previous = instance.order_first
    if previous == slot:
        instance.order_first = order.next
    else:
        while state.orders[previous].next != slot:
            previous = state.orders[previous].next
            assert previous >= 0, "an order is in the list of its instance"
        state.orders[previous].next = order.next
    orders.release(state, slot)


@hot
def unreserve(state: Record, order: Record, amount: float) -> None:
    """Release ``amount`` of an order's reserved margin (settle asset), at most what is left of it."""
    taken = min(amount, order.reserved_margin)
    order.reserved_margin -= taken
    state.reserved_margin -= taken
    if state.order_count <= 1 and order.reserved_margin == 0.0:
        state.reserved_margin = 0.0  # last order: reset the sum so float residue cannot accumulate


@leaf
def deny(state: Record, rows: Rows, slot: int, reason: int) -> int:
    """Deny a draft with a reason; the DENIED row stays in the log, the slot is freed. Returns the reason."""
    order = state.orders[slot]
    assert order.state == OrderState.INITIALIZED, "only a draft is denied"
    order.state = OrderState.DENIED.value
    order.reason = reason
    report(state, rows, slot)
    unlink(state, slot)
    return reason


@leaf
def send(state: Record, rows: Rows, table: Table, slot: int) -> int:
    """Check, reserve margin for and send a draft, as one act. Return 0, or the Reason for which it was denied.

    Checks are pairs (address, Reason) in ``table`` from ``state.check_first`` on, in order of precedence.
    """
    order = state.orders[slot]
    if order.qty <= 0.0:
        return deny(state, rows, slot, Reason.QTY_ROUNDS_TO_ZERO.value)
    if order.reduce_only == 0:
        price = order.price if order.kind == OrderKind.LIMIT else order.reference_price
        if order.kind == OrderKind.STOP or order.kind == OrderKind.STOP_LIMIT:
            price = order.stop_price
        if not price > 0.0:
            return deny(state, rows, slot, Reason.PRICE_UNKNOWN.value)
        order.reference_price = price
        instrument = state.instruments[order.instrument]
        notional = order.qty * price * instrument.multiplier
        if not exposure.within(instrument.min_notional, notional):
            return deny(state, rows, slot, Reason.BELOW_MIN_NOTIONAL.value)
        if order.side < 0 and instrument.may_short == 0:
            return deny(state, rows, slot, Reason.SHORT_NOT_ALLOWED.value)
        for k in range(state.check_count):
            at = state.check_first + 2 * k
            if call_check(table[at], state, order, notional) == 0:
                return deny(state, rows, slot, table[at + 1])
        order.reserved_margin = notional / order.leverage
        state.reserved_margin += order.reserved_margin
    order.state = OrderState.SUBMITTED.value
    order.venue_qty, order.venue_price, order.venue_stop_price = order.qty, order.price, order.stop_price
    order.venue_trail_distance = order.trail_distance
    _row_of(state, rows, RowKind.SUBMIT.value, slot)
    return 0


@leaf
def cancel(state: Record, rows: Rows, slot: int, reason: int) -> None:
    """Request a cancel. Idempotent: nothing is sent while one is pending.

    An order whose outcome is unknown stays so (``venue_state``): a cancel on its way does not tell what became of it.
    """
    order = state.orders[slot]
    if order.state == OrderState.PENDING_CANCEL:
        return
    order.state = OrderState.PENDING_CANCEL.value
    order.reason = reason
    _row_of(state, rows, RowKind.CANCEL.value, slot)


@leaf
def amend(state: Record, rows: Rows, slot: int) -> None:
    """Send the order's changed quantity, stop price or trailing distance."""
    order = state.orders[slot]
    assert not orders.is_terminal(order.state), "a terminal order is not amended"
    assert order.qty >= order.filled_qty, "an order is not smaller than what it filled"
    _row_of(state, rows, RowKind.AMEND.value, slot)


@leaf
def cancel_refused(state: Record, rows: Rows, slot: int) -> None:
    """Take back that an order is being canceled: the venue refused to, and the order goes on."""
    order = state.orders[slot]
    if order.state == OrderState.PENDING_CANCEL:
        order.state = orders.state_without_cancel(order)
        order.reason = Reason.NONE.value
        report(state, rows, slot)


@leaf
def amended(state: Record, rows: Rows, slot: int, event: Record) -> None:
    """Note what an amended order asks for at the venue; a refused amend puts quantity and prices back to it."""
    order = state.orders[slot]
    order.venue_state &= ~VenueState.UNKNOWN.value
    if event.reason != 0:
        order.qty = max(order.venue_qty, order.filled_qty)
        order.price, order.stop_price = order.venue_price, order.venue_stop_price
        order.trail_distance = order.venue_trail_distance
        report(state, rows, slot)
        return
    order.venue_qty = event.qty if event.qty > 0.0 else order.qty
    order.venue_price = event.price if event.price > 0.0 else order.price
    order.venue_stop_price = event.stop_price if event.stop_price > 0.0 else order.stop_price
    order.venue_trail_distance = order.trail_distance
