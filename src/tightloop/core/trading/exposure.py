"""Exposure sums for checks and sizing: positions held and entries pending, by instance, instrument and account."""

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import OrderState, Role
from tightloop.core.domain.types import Record
from tightloop.core.trading import orders


@hot
def within(value: float, limit: float) -> bool:
    """Return ``value <= limit``; a value within the relative LIMIT_TOLERANCE of the limit counts as equal to it."""
    return value <= limit + abs(limit) * limits.LIMIT_TOLERANCE


@leaf
def below(value: float, limit: float) -> bool:
    """Return ``value < limit``; a value within the relative LIMIT_TOLERANCE of the limit counts as equal to it."""
    return value < limit - abs(limit) * limits.LIMIT_TOLERANCE


@leaf
def is_ruined(state: Record) -> bool:
    """Return whether equity is not above 0 now, or was so at a record since the last re-arming."""
    return state.ruined != 0 or not state.equity > 0.0


@leaf
def order_notional(state: Record, order: Record, price: float) -> float:
    """Compute the notional of an order's unfilled quantity at a price, in the settle asset."""
    return orders.remaining(order) * price * state.instruments[order.instrument].multiplier


@leaf
def held_notional(state: Record, instance: int) -> float:
    """Compute the notional of an instance's position at the mark price, in the settle asset; 0 when flat."""
    instrument = state.instruments[state.instances[instance].instrument]
    qty = abs(state.positions[instance].qty)
    return qty * instrument.mark * instrument.multiplier if qty > 0.0 else 0.0


@leaf
def working_entries_notional(state: Record, instance: int, instrument: int, except_id: int) -> float:
    """Sum the notional of pending entries, each at its reference price, in the settle asset.

    Of one instance, or (instance -1) one instrument, or (-1, -1) the account; the order with id ``except_id`` is left
    out.
    """
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
def foreign_notional(state: Record, instrument: int) -> float:
    """Compute the notional of what the account holds by orders that are not ours, at the mark, or at its entry."""
    row = state.instruments[instrument]
    if row.foreign_qty == 0.0:
        return 0.0
    return abs(row.foreign_qty) * (row.mark if row.mark > 0.0 else row.foreign_price) * row.multiplier


@leaf
def symbol_notional(state: Record, instrument: int, except_id: int) -> float:
    """Sum position and pending-entry notional of one instrument, foreign holdings too, in the settle asset."""
    total = working_entries_notional(state, -1, instrument, except_id) + foreign_notional(state, instrument)
    instance = state.instruments[instrument].instance_first
    while instance >= 0:
        total += held_notional(state, instance)
        instance = state.instances[instance].next
    return total


@leaf
def portfolio_notional(state: Record, except_id: int) -> float:
    """Sum position and pending-entry notional of the whole account, foreign holdings too, in the settle asset."""
    total = working_entries_notional(state, -1, -1, except_id)
    for instrument in range(state.instrument_count):
        total += foreign_notional(state, instrument)
    for instance in range(state.instance_count):
        total += held_notional(state, instance)
    return total


@leaf
def positions_open_or_pending(state: Record, instance: int) -> int:
    """Count instances with an open position or a pending entry; ``instance`` itself is not counted."""
    count = 0
    for other in range(state.instance_count):
        if other == instance:
            continue
        if state.positions[other].qty != 0.0:
            count += 1
        elif has_working_entry(state, other):
            count += 1
    return count


@leaf
def has_working_entry(state: Record, instance: int) -> bool:
    """Return whether an instance has an open order that enters a position, drafts included."""
    slot = state.instances[instance].order_first
    while slot >= 0:
        if state.orders[slot].role == Role.ENTRY and state.orders[slot].id != 0:
            return True
        slot = state.orders[slot].next
    return False


@leaf
def entries_pending(state: Record, strategy: int) -> int:
    """Count flat instances of a strategy that have an entry sent; a draft (INITIALIZED) does not count."""
    count = 0
    for instance in range(state.instance_count):
        if state.instances[instance].strategy == strategy and state.positions[instance].qty == 0.0:
            slot = state.instances[instance].order_first
            while slot >= 0:
                order = state.orders[slot]
                if order.role == Role.ENTRY and order.state != OrderState.INITIALIZED:
                    count += 1
                    break
                slot = order.next
    return count


@leaf
def reducible(state: Record, instance: int, side: int) -> float:
    """Return the quantity that an exit on this side (1 buy, -1 sell) may still close, >= 0.

    The position less the unfilled quantity of pending exits; stop-loss and take-profit orders do not count, because
    they shrink with the position.
    """
    held = state.positions[instance].qty
    if held * side >= 0.0:
        return 0.0
    left = abs(held)
    slot = state.instances[instance].order_first
    while slot >= 0:
        order = state.orders[slot]
        if (
            order.reduce_only != 0
            and order.side == side
            and order.role != Role.STOP_LOSS
            and order.role != Role.TAKE_PROFIT
        ):
            left -= orders.remaining(order)
        slot = order.next
    return max(left, 0.0)


@leaf
def daily_pnl(state: Record) -> float:
    """Return the account's P&L since 00:00 UTC: realised, unrealised, fees and funding, in the settle asset."""
    return state.equity - state.day_start_equity


@leaf
def strategy_unrealized(state: Record, strategy: int) -> float:
    """Sum the unrealised P&L of a strategy's positions, in the settle asset."""
    total = 0.0
    for instance in range(state.instance_count):
        if state.instances[instance].strategy == strategy:
            total += state.positions[instance].unrealized
    return total


@leaf
def strategy_daily_pnl(state: Record, strategy: int) -> float:
    """Return a strategy's P&L since 00:00 UTC: realised, unrealised, fees, funding; in the settle asset."""
    today = state.strategies[strategy]
    return today.realized_today + strategy_unrealized(state, strategy) - today.day_start_unrealized
