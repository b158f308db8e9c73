"""The hold family: buy (or sell short) once, at the first close, and hold to the end: what a strategy has to beat.

``equity_pct`` of the equity goes in, through the same checks and costs as any entry. A refused entry is asked for again
at every close until it is let through.
"""

from tightloop.core import commands, rounding
from tightloop.core.compiled import compiled
from tightloop.core.families import DECIDE
from tightloop.core.indicators.contract import Number
from tightloop.core.types import Floats, InstanceState, Moment, Record, Role, Rows, Table

PARAMETERS = (Number("equity_pct", 10.0, 0.01, 100.0, meaning="percent of equity to hold"),)


@compiled(DECIDE)
def decide(state: Record, arena: Floats, rows: Rows, table: Table, instance: int, moment: int) -> int:
    """Enter once; the kill switch closes, and nothing else does."""
    assert 0 <= instance < state.instance_count, "an instance is one of the run's"
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    position = state.positions[instance]
    if moment == Moment.DECIDE:
        return 1 if own.state == InstanceState.MONITORING else 0
    if moment == Moment.ENTER:
        instrument = state.instruments[own.instrument]
        notional = state.equity * strategy.parameters[0] / 100.0
        qty = rounding.qty_floor(notional / (instrument.mark * instrument.multiplier), instrument.lot_size)
        slot = commands.draft(state, instance, Role.ENTRY.value, strategy.direction, qty)
        state.orders[slot].reduce_only = 0
        if commands.send(state, rows, table, slot) == 0:
            own.state = InstanceState.ENTRY_PENDING.value
    elif moment == Moment.FILLED:
        own.state = InstanceState.POSITION_ACTIVE.value if position.qty != 0.0 else InstanceState.EXITED.value
    elif moment == Moment.ORDER_ENDED and position.qty == 0.0:
        own.state = InstanceState.MONITORING.value
    elif moment == Moment.KILL:
        if position.qty != 0.0:
            side = -1 if position.qty > 0.0 else 1
            slot = commands.draft(state, instance, Role.MANUAL.value, side, abs(position.qty))
            commands.send(state, rows, table, slot)
        own.state = InstanceState.EXITED.value
    return 0
