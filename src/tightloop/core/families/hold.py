"""The hold family: buy (or sell short) once, at the first close, and hold to the end: what a strategy has to beat.

``equity_pct`` of the equity goes in, or what the free cash pays for where that is less, through the same checks and
costs as any entry. A refused entry is asked for again at every close until it is let through.
"""

import math

from tightloop.core import limits, rounding
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.enums import InstanceState, Moment, Reason, Role, WarningCode
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.indicators.contract import Number
from tightloop.core.signatures import DECIDE
from tightloop.core.trading import account as trading_account
from tightloop.core.trading import cash, commands

PARAMETERS = (Number("equity_pct", 10.0, 0.01, 100.0, meaning="percent of equity to hold"),)


@leaf
def _wanted(state: Record, instance: int) -> float:
    """Its share of the equity as a quantity, floored to the lot; NaN when the price is not known."""
    own = state.instances[instance]
    instrument = state.instruments[own.instrument]
    if not instrument.mark > 0.0:
        return math.nan
    notional = max(state.equity, 0.0) * state.strategies[own.strategy].parameters[0] / 100.0
    qty = notional / (instrument.mark * instrument.multiplier)
    return rounding.qty_floor(qty, instrument.lot_size) if qty <= limits.QUANTITY_MAX else math.nan


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
        asked = _wanted(state, instance)
        fits = cash.affordable(state, instance, strategy.direction, state.instruments[own.instrument].mark, 1.0)
        qty = fits if 0.0 < fits < asked else asked
        slot = commands.draft(state, instance, Role.ENTRY.value, strategy.direction, qty if qty == qty else 0.0)
        order_id = state.orders[slot].id
        state.orders[slot].reduce_only = 0
        if qty != qty:
            commands.deny(state, rows, slot, Reason.PRICE_UNKNOWN.value)
        elif commands.send(state, rows, table, slot) == 0:
            own.state = InstanceState.ENTRY_PENDING.value
            if qty < asked:
                trading_account.warn(state, rows, WarningCode.SIZE_REDUCED.value, instance, asked, order_id)
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
