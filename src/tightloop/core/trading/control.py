"""Session control, rules and marks: what may be done from now on, and by which numbers.

A run that no session drives is ready from its start: nothing here is ever told to it.
"""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import InstanceState, Pause, Reason, Role, SessionControl
from tightloop.core.domain.session_events import liquidation_price
from tightloop.core.domain.types import Record, Rows
from tightloop.core.trading import commands

FLATTENED = 1 << 8
"""Bit of ``INSTANCE.killed``: its session ends without positions. Beyond the bits of the kill switch's scopes."""


@leaf
def cancel_entries(state: Record, rows: Rows, reason: int) -> None:
    """Cancel every entry of the account; should one fill before its cancel arrives, the ``signal`` family closes it."""
    for slot in range(state.order_high):
        order = state.orders[slot]
        if order.id != 0 and order.role == Role.ENTRY:
            commands.cancel(state, rows, slot, reason)
            instance = state.instances[order.instance]
            if instance.state == InstanceState.ENTRY_PENDING:
                instance.end_reason = reason


@leaf
def session(state: Record, rows: Rows, what: int) -> None:
    """Apply a SessionControl to the gate for new risk. STOP_* is final, and cancels entries."""
    if what == SessionControl.READY:
        state.not_ready = 0
    elif what == SessionControl.NOT_READY:
        state.not_ready = 1
    elif what == SessionControl.PAUSED:
        state.paused |= Pause.PAUSED.value
    elif what == SessionControl.RESUMED:
        state.paused &= ~Pause.PAUSED.value
    else:
        assert what == SessionControl.STOP_KEEP or what == SessionControl.STOP_FLATTEN, "a control is a known one"
        state.paused |= Pause.STOPPING.value
        cancel_entries(state, rows, Reason.PAUSED.value)


@leaf
def set_rules(instrument: Record, event: Record) -> None:
    """Set the rules of an instrument from INSTRUMENT_CHANGED: they apply to orders that are made from now on."""
    assert event.price >= 0.0, "an increment is not negative"
    assert event.qty >= 0.0, "a lot is not negative"
    assert event.rate > 0.0, "a contract has a size"
    instrument.price_increment, instrument.lot_size = event.price, event.qty
    instrument.min_notional, instrument.multiplier = event.amount, event.rate
    instrument.qty_max, instrument.market_qty_max = event.high, event.low
    instrument.status = event.reason


@leaf
def take_liquidation_price(state: Record, event: Record) -> None:
    """Set the liquidation price that the venue has of our position on an instrument, if it says one."""
    price = liquidation_price(event)
    if not 0.0 < price < math.inf:
        return
    instance = state.instruments[event.instrument].instance_first
    while instance >= 0:
        if state.positions[instance].qty != 0.0:
            state.positions[instance].liquidation_price = price
        instance = state.instances[instance].next
