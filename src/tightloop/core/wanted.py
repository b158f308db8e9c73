"""What is decided outside of the step: an order, a cancel, a protection, each an event like any other.

A strategy in Python, an adviser or an operator says what it wants; the step sizes it, rounds it, checks it, reserves
and sends it, as it does for the families that decide inside. An order that only reduces what is held passes no check.
"""

import math

from tightloop.core import commands, exposure, orders, rounding
from tightloop.core.compiled import float_bits, leaf
from tightloop.core.hashing import mix
from tightloop.core.limits import QUANTITY_MAX, QUANTITY_TOLERANCE
from tightloop.core.types import OrderKind, Reason, Record, Role, Rows, Table, TimeInForce


@leaf
def mix_wanted(state: Record, event: Record) -> None:
    """Fold in the fields that other events do not have."""
    flags = event.side * 4096 + event.order_kind * 256 + event.tif * 16 + event.reduce_only * 2 + event.post_only
    mix(state, flags)
    mix(state, event.expires_ns)
    mix(state, float_bits(event.leverage))
    mix(state, float_bits(event.stop_loss))
    mix(state, float_bits(event.take_profit))
    mix(state, float_bits(event.stop_loss_pct))
    mix(state, float_bits(event.take_profit_pct))


@leaf
def _reference_price(instrument: Record, event: Record) -> float:
    """The price an order is sized and judged by, on the instrument's grid: its own, or the mark for a market order."""
    if event.order_kind == OrderKind.MARKET:
        return instrument.mark
    if event.order_kind == OrderKind.LIMIT:
        return rounding.price_passive(event.price, instrument.price_increment, event.side)
    return rounding.price_late(event.stop_price, instrument.price_increment, event.side)


@leaf
def _quantity(instrument: Record, event: Record, price: float) -> float:
    """What is asked for, floored to the lot; NaN when it can not be known."""
    qty = event.amount / (price * instrument.multiplier) if event.amount > 0.0 else event.qty
    return rounding.qty_floor(qty, instrument.lot_size) if 0.0 <= qty <= QUANTITY_MAX else math.nan


@leaf
def _reducible(state: Record, instance: int, side: int) -> float:
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
def _stop_of(event: Record, price: float) -> float:
    """The stop that an entry at ``price`` would have; NaN when it has none."""
    if event.stop_loss_pct > 0.0:
        return price * (1.0 - event.side * event.stop_loss_pct / 100.0)
    return event.stop_loss


@leaf
def _target_of(event: Record, price: float) -> float:
    if event.take_profit_pct > 0.0:
        return price * (1.0 + event.side * event.take_profit_pct / 100.0)
    return event.take_profit


@leaf
def _refusal(state: Record, event: Record, price: float, qty: float, is_first: bool) -> int:
    """Why an entry is not sent, before any check; 0 when nothing stands against it."""
    own = state.instances[event.instance]
    strategy = state.strategies[own.strategy]
    if not price > 0.0:
        return Reason.PRICE_UNKNOWN.value
    if qty != qty:
        return Reason.SIZE_UNKNOWN.value
    stop, target = _stop_of(event, price), _target_of(event, price)
    if (price - stop) * event.side <= 0.0 or stop <= 0.0:
        return Reason.STOP_BEYOND_ENTRY.value
    if (target - price) * event.side <= 0.0 or target <= 0.0:
        return Reason.TARGET_BEYOND_ENTRY.value
    if strategy.min_risk_reward == strategy.min_risk_reward:
        # Without a stop and a target there is no such ratio, and what is not known is refused.
        if not exposure.within(strategy.min_risk_reward * (price - stop) * event.side, (target - price) * event.side):
            return Reason.MIN_RISK_REWARD.value
    if event.leverage > 1.0 and state.instruments[own.instrument].is_margined == 0:
        return Reason.MAX_LEVERAGE.value
    return _slot_refusal(state, own.strategy) if is_first else 0


@leaf
def _slot_refusal(state: Record, at_strategy: int) -> int:
    """No more positions of a strategy at once, open or being entered, than it allows itself."""
    allowed = state.strategies[at_strategy].max_concurrent_positions
    if allowed == 0:
        return 0
    count = exposure.entries_pending(state, at_strategy)
    for at in range(state.instance_count):
        if state.instances[at].strategy == at_strategy and state.positions[at].qty != 0.0:
            count += 1
    return 0 if count < allowed else Reason.SLOTS_FULL.value


@leaf
def _write(state: Record, event: Record, drafted: Record, price: float) -> None:
    """The rest of a draft, as the event says it."""
    instrument = state.instruments[drafted.instrument]
    drafted.kind = event.order_kind
    drafted.tif = event.tif
    drafted.post_only = event.post_only
    drafted.leverage = event.leverage
    drafted.reference_price = price
    if event.order_kind == OrderKind.LIMIT:
        drafted.price = price
    elif event.order_kind != OrderKind.MARKET:
        drafted.stop_price = price
        if event.order_kind == OrderKind.STOP_LIMIT:
            drafted.price = rounding.price_passive(event.price, instrument.price_increment, event.side)
    if event.expires_ns > 0:
        drafted.tif = TimeInForce.GTT.value
        drafted.expires_ns = event.expires_ns


@leaf
def order(state: Record, rows: Rows, table: Table, event: Record) -> None:
    """Size, round, check, reserve and send; or a row that says why not."""
    assert event.side == 1 or event.side == -1, "an order buys or sells"
    own = state.instances[event.instance]
    price = _reference_price(state.instruments[own.instrument], event)
    qty = _quantity(state.instruments[own.instrument], event, price)
    reducible = _reducible(state, event.instance, event.side)
    is_exit = event.reduce_only != 0 or 0.0 < qty <= reducible * (1.0 + QUANTITY_TOLERANCE)
    if is_exit and qty > reducible * (1.0 - QUANTITY_TOLERANCE):
        qty = reducible  # all of it, without what rounding to the lot would leave
    is_first = state.positions[event.instance].qty == 0.0 and not exposure.has_working_entry(state, event.instance)
    reason = 0
    if not is_exit:
        reason = _refusal(state, event, price, qty, is_first)
    elif reducible == 0.0:
        reason = Reason.NOTHING_TO_REDUCE.value
    role = Role.STRATEGY.value if is_exit else Role.ENTRY.value
    slot = commands.draft(state, event.instance, role, event.side, qty if qty == qty else 0.0)
    drafted = state.orders[slot]
    _write(state, event, drafted, price)
    drafted.reduce_only = 1 if is_exit else 0
    if reason != 0:
        commands.deny(state, rows, slot, reason)
    elif commands.send(state, rows, table, slot) == 0 and not is_exit:
        if is_first:
            forget_plan(own)
        _plan(own, event)


@leaf
def cancel(state: Record, rows: Rows, event: Record) -> None:
    """Ask for a cancel of an order of the instance; one that is not open any more is no fault. A stop or a target that
    is canceled is not put back."""
    slot = orders.find(state, event.order_id, event.order_slot)
    if slot < 0 or state.orders[slot].instance != event.instance:
        return
    own = state.instances[event.instance]
    if state.orders[slot].role == Role.STOP_LOSS:
        own.planned_stop = own.planned_base = math.nan
    elif state.orders[slot].role == Role.TAKE_PROFIT:
        own.planned_target = own.planned_extreme = math.nan
    commands.cancel(state, rows, slot, Reason.STRATEGY.value)


@leaf
def protection(state: Record, event: Record) -> None:
    """Where the stop and the target of what is held shall be from now on."""
    _plan(state.instances[event.instance], event)


@leaf
def forget_plan(own: Record) -> None:
    """Nothing is held and nothing is being entered: the next entry says what protects it."""
    own.planned_stop = own.planned_base = math.nan
    own.planned_target = own.planned_extreme = math.nan


@leaf
def _plan(own: Record, event: Record) -> None:
    """Keep what is said; the last that is said of a position holds for all of it."""
    if event.stop_loss > 0.0 or event.stop_loss_pct > 0.0:
        own.planned_stop = event.stop_loss
        own.planned_base = event.stop_loss_pct
    if event.take_profit > 0.0 or event.take_profit_pct > 0.0:
        own.planned_target = event.take_profit
        own.planned_extreme = event.take_profit_pct
