"""What is held and what is promised: sums over positions and over entries that still work, for checks and sizing."""

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import OrderState, Role
from tightloop.core.domain.types import Record
from tightloop.core.trading import orders


@hot
def within(value: float, limit: float) -> bool:
    """``value <= limit``; a value within the tolerance of its limit counts as equal to it."""
    return value <= limit + abs(limit) * limits.LIMIT_TOLERANCE


@leaf
def below(value: float, limit: float) -> bool:
    """``value < limit``; a value within the tolerance of its limit counts as equal to it."""
    return value < limit - abs(limit) * limits.LIMIT_TOLERANCE


@leaf
def is_ruined(state: Record) -> bool:
    """Whether nothing may be entered because equity is not above 0, or was so at a record since the last re-arming."""
    return state.ruined != 0 or not state.equity > 0.0


@leaf
def order_notional(state: Record, order: Record, price: float) -> float:
    """Notional of what an order may still fill at a price, in the settle asset."""
    return orders.remaining(order) * price * state.instruments[order.instrument].multiplier


@leaf
def held_notional(state: Record, instance: int) -> float:
    """Notional of an instance's position at the mark."""
    instrument = state.instruments[state.instances[instance].instrument]
    qty = abs(state.positions[instance].qty)
    return qty * instrument.mark * instrument.multiplier if qty > 0.0 else 0.0


@leaf
def working_entries_notional(state: Record, instance: int, instrument: int, except_id: int) -> float:
    """Notional of the entries that work: of one instance, or (instance -1) of one instrument, or (-1, -1) of all."""
    total = 0.0
    for slot in range(state.order_high):
        order = state.orders[slot]
        if order.id == 0 or order.id == except_id or order.role != Role.ENTRY:
            continue
        if (instance >= 0 and order.instance != instance) or (instrument >= 0 and order.instrument != instrument):
            continue
        total += order_notional(state, order, order.reference_price)
    return total


@leaf
def symbol_notional(state: Record, instrument: int, except_id: int) -> float:
    """Held and promised notional of an instrument over all strategies."""
    total = working_entries_notional(state, -1, instrument, except_id)
    at = state.instruments[instrument].instance_first
    while at >= 0:
        total += held_notional(state, at)
        at = state.instances[at].next
    return total


@leaf
def portfolio_notional(state: Record, except_id: int) -> float:
    """Held and promised notional of the account."""
    total = working_entries_notional(state, -1, -1, except_id)
    for at in range(state.instance_count):
        total += held_notional(state, at)
    return total


@leaf
def positions_open_or_pending(state: Record, instance: int) -> int:
    """Positions that are open, and instances that are flat with an entry at work; ``instance`` itself not counted."""
    count = 0
    for at in range(state.instance_count):
        if at == instance:
            continue
        if state.positions[at].qty != 0.0:
            count += 1
        elif has_working_entry(state, at):
            count += 1
    return count


@leaf
def has_working_entry(state: Record, instance: int) -> bool:
    at = state.instances[instance].order_first
    while at >= 0:
        if state.orders[at].role == Role.ENTRY and state.orders[at].id != 0:
            return True
        at = state.orders[at].next
    return False


@leaf
def entries_pending(state: Record, strategy: int) -> int:
    """Instances of a strategy that are flat with an entry at work; the order in hand is not at work yet."""
    count = 0
    for at in range(state.instance_count):
        if state.instances[at].strategy == strategy and state.positions[at].qty == 0.0:
            order_at = state.instances[at].order_first
            while order_at >= 0:
                order = state.orders[order_at]
                if order.role == Role.ENTRY and order.state != OrderState.INITIALIZED:
                    count += 1
                    break
                order_at = order.next
    return count


@leaf
def reducible(state: Record, instance: int, side: int) -> float:
    """What an order of this side could reduce: what is held, less what the exits at work will take; never below 0."""
    held = state.positions[instance].qty
    if held * side >= 0.0:
        return 0.0
    left = abs(held)
    at = state.instances[instance].order_first
    while at >= 0:
        own = state.orders[at]
        if own.reduce_only != 0 and own.side == side and own.role != Role.STOP_LOSS and own.role != Role.TAKE_PROFIT:
            left -= orders.remaining(own)
        at = own.next
    return max(left, 0.0)


@leaf
def daily_pnl(state: Record) -> float:
    """Since 00:00 UTC: realised and unrealised, fees and funding, in the settle asset."""
    return state.equity - state.day_start_equity


@leaf
def strategy_unrealized(state: Record, strategy: int) -> float:
    total = 0.0
    for at in range(state.instance_count):
        if state.instances[at].strategy == strategy:
            total += state.positions[at].unrealized
    return total


@leaf
def strategy_daily_pnl(state: Record, strategy: int) -> float:
    """Of one strategy since 00:00 UTC: realised and unrealised, fees and funding, in the settle asset."""
    own = state.strategies[strategy]
    return own.realized_today + strategy_unrealized(state, strategy) - own.day_start_unrealized
