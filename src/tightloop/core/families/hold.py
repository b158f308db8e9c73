"""The hold family: enter once at the first close and hold to the end; the benchmark for other strategies.

It invests ``equity_pct`` of equity, or what free cash affords if that is less, through the same checks and costs as any
entry. A denied entry is retried at every close.
"""

import math

from tightloop.core import limits, rounding
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.enums import InstanceState, Moment, Reason, Role, WarningCode
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.indicators.contract import Number
from tightloop.core.signatures import DECIDE
from tightloop.core.trading import account as trading_account
from tightloop.core.trading import cash, commands, refused

PARAMETERS = (Number("equity_pct", 10.0, 0.01, 100.0, meaning="percent of equity to hold"),)


@leaf
def _wanted(state: Record, instance: int) -> float:
    """Return the quantity that ``equity_pct`` of equity buys, floored to the lot; NaN if the price is unknown."""
    machine = state.instances[instance]
    instrument = state.instruments[machine.instrument]
    if not instrument.mark > 0.0:
        return math.nan
    notional = max(state.equity, 0.0) * state.strategies[machine.strategy].parameters[0] / 100.0
    qty = notional / (instrument.mark * instrument.multiplier)
    return rounding.qty_floor(qty, instrument.lot_size) if qty <= limits.QUANTITY_MAX else math.nan


@leaf
def _cancel_entry(state: Record, rows: Rows, instance: int, reason: int) -> None:
    """Request the cancel of the entry, if it is open."""
    slot = state.instances[instance].order_first
    while slot >= 0:
        if state.orders[slot].role == Role.ENTRY:
            commands.cancel(state, rows, slot, reason)
        slot = state.orders[slot].next


@leaf
def _close(state: Record, rows: Rows, table: Table, instance: int) -> None:
    """Close the whole position at market, unless it is flat or an order that closes it is open."""
    slot = state.instances[instance].order_first
    while slot >= 0:
        if state.orders[slot].role == Role.MANUAL:
            return
        slot = state.orders[slot].next
    held = state.positions[instance].qty
    if held != 0.0:
        slot = commands.draft(state, instance, Role.MANUAL.value, -1 if held > 0.0 else 1, abs(held))
        commands.send(state, rows, table, slot)


@compiled(DECIDE)
def decide(state: Record, arena: Floats, rows: Rows, table: Table, instance: int, moment: int) -> int:
    """Handle a ``Moment`` of one instance: enter once; only the kill switch closes the position.

    An entry that fills after the kill switch, before its cancel arrives, is closed.
    """
    assert 0 <= instance < state.instance_count, "an instance is one of the run's"
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    position = state.positions[instance]
    if moment == Moment.DECIDE or moment == Moment.TIMER or moment == Moment.ORDER_ENDED:
        if refused.is_exit_due(state, instance):
            _close(state, rows, table, instance)
    if moment == Moment.DECIDE:
        return 1 if machine.state == InstanceState.MONITORING else 0
    if moment == Moment.ENTER:
        planned_qty = _wanted(state, instance)
        affordable_qty = cash.affordable(
            state, instance, strategy.direction, state.instruments[machine.instrument].mark, 1.0
        )
        qty = affordable_qty if 0.0 < affordable_qty < planned_qty else planned_qty
        slot = commands.draft(state, instance, Role.ENTRY.value, strategy.direction, qty if qty == qty else 0.0)
        order_id = state.orders[slot].id
        state.orders[slot].reduce_only = 0
        if qty != qty:
            commands.deny(state, rows, slot, Reason.PRICE_UNKNOWN.value)
        elif commands.send(state, rows, table, slot) == 0:
            machine.state = InstanceState.ENTRY_PENDING.value
            if qty < planned_qty:
                trading_account.warn(state, rows, WarningCode.SIZE_REDUCED.value, instance, planned_qty, order_id)
    elif moment == Moment.FILLED:
        machine.state = InstanceState.POSITION_ACTIVE.value if position.qty != 0.0 else InstanceState.EXITED.value
        if machine.end_reason != 0:
            _close(state, rows, table, instance)
    elif moment == Moment.FOUND and position.qty != 0.0:
        # An entry that had ended did fill: the position is the one to hold, and no other entry is to add to it.
        machine.state = InstanceState.POSITION_ACTIVE.value
        _cancel_entry(state, rows, instance, Reason.EXIT.value)
        if machine.end_reason != 0:
            _close(state, rows, table, instance)
    elif moment == Moment.ORDER_ENDED and position.qty == 0.0:
        machine.state = InstanceState.MONITORING.value if machine.end_reason == 0 else InstanceState.EXITED.value
    elif moment == Moment.KILL:
        machine.end_reason = Reason.KILLED.value
        _cancel_entry(state, rows, instance, Reason.KILLED.value)
        _close(state, rows, table, instance)
        machine.state = InstanceState.EXITED.value
    return 0
