"""External requests: orders, cancels and protection decided outside the step, each arriving as an event.

A Python strategy, an adviser or an operator states what it wants; the step sizes, rounds, checks, reserves and sends it
exactly as the families inside the step do. A request that only reduces a position passes no check.
"""

import math

from tightloop.core import rounding
from tightloop.core.compiled import float_bits, leaf
from tightloop.core.domain.enums import OrderKind, Reason, Role, TimeInForce
from tightloop.core.domain.types import Record, Rows, Table
from tightloop.core.hashing import mix
from tightloop.core.limits import PRICE_MAX, QUANTITY_MAX, QUANTITY_TOLERANCE
from tightloop.core.trading import commands, exposure, margin, orders


@leaf
def mix_wanted(state: Record, event: Record) -> None:
    """Fold the event fields that only requests have into the rolling hash."""
    flags = event.side * 4096 + event.order_kind * 256 + event.tif * 16 + event.reduce_only * 2 + event.post_only
    mix(state, flags)
    mix(state, event.expires_ns)
    mix(state, float_bits(event.leverage))
    mix(state, float_bits(event.stop_loss))
    mix(state, float_bits(event.take_profit))
    mix(state, float_bits(event.stop_loss_pct))
    mix(state, float_bits(event.take_profit_pct))


@leaf
def _known(price: float) -> float:
    """Return the price, or NaN when it is not in (0, PRICE_MAX]."""
    return price if 0.0 < price <= PRICE_MAX else math.nan


@leaf
def _reference_price(instrument: Record, event: Record) -> float:
    """Return the price an order is sized and judged at, on the instrument's grid.

    The mark for a market order, otherwise its limit or stop price. NaN when that price, or the limit of a stop limit,
    is unknown or not a valid price.
    """
    if event.order_kind == OrderKind.MARKET:
        return _known(instrument.mark)
    if event.order_kind == OrderKind.LIMIT:
        return _known(rounding.price_passive(event.price, instrument.price_increment, event.side))
    if event.order_kind == OrderKind.STOP_LIMIT:
        limit = _known(rounding.price_passive(event.price, instrument.price_increment, event.side))
        if limit != limit:
            return math.nan
    return _known(rounding.price_late(event.stop_price, instrument.price_increment, event.side))


@leaf
def _quantity(instrument: Record, event: Record, price: float) -> float:
    """Return the requested quantity, rounded down to the lot; NaN when unknown.

    The event gives a notional (``amount``, settle asset) or, when that is 0, contracts (``qty``).
    """
    qty = event.amount / (price * instrument.multiplier) if event.amount != 0.0 else event.qty
    return rounding.qty_floor(qty, instrument.lot_size) if 0.0 <= qty <= QUANTITY_MAX else math.nan


@leaf
def _entry_of(state: Record, event: Record, price: float, qty: float) -> tuple[float, float, float]:
    """Project the position after the entry fills: signed quantity, average entry price, margin (settle asset).

    For a flip only the part beyond flat counts, at the new price.
    """
    assert event.leverage > 0.0, "an entry without a leverage was refused before"
    position = state.positions[event.instance]
    instrument = state.instruments[state.instances[event.instance].instrument]
    added = qty - exposure.reducible(state, event.instance, event.side)
    held = abs(position.qty) if position.qty * event.side > 0.0 else 0.0
    if not added > 0.0:
        return event.side * held, price, position.margin
    average = (held * position.entry_price + added * price) / (held + added) if held > 0.0 else price
    margin_of = (position.margin if held > 0.0 else 0.0) + added * price * instrument.multiplier / event.leverage
    return event.side * (held + added), average, margin_of


@leaf
def _stop_of(event: Record, entry: float) -> float:
    """Return the stop price for a position entered at ``entry``; NaN when there is none or it is unknown."""
    return entry * (1.0 - event.side * event.stop_loss_pct / 100.0) if event.stop_loss_pct != 0.0 else event.stop_loss


@leaf
def _target_of(event: Record, price: float) -> float:
    """Return the take-profit price for an entry at ``price``; NaN when there is none or it is unknown."""
    if event.take_profit_pct != 0.0:
        return price * (1.0 + event.side * event.take_profit_pct / 100.0)
    return event.take_profit


@leaf
def _stop_refusal(state: Record, event: Record, price: float, qty: float) -> int:
    """Check the stop that comes with an entry, rounded as it will rest; return a Reason, 0 when valid or absent."""
    if event.stop_loss != event.stop_loss and event.stop_loss_pct == 0.0:
        return 0
    instrument = state.instruments[state.instances[event.instance].instrument]
    total, entry, held = _entry_of(state, event, price, qty)
    stop = rounding.price_late(_stop_of(event, entry), instrument.price_increment, -event.side)
    if not math.isfinite(stop):
        return Reason.STOP_UNKNOWN.value
    if stop <= 0.0:
        return Reason.STOP_AT_ZERO.value
    if (price - stop) * event.side <= 0.0:
        return Reason.STOP_BEYOND_ENTRY.value
    liquidation = margin.liquidation_price(instrument, total, entry, held)
    return Reason.STOP_BEYOND_LIQUIDATION.value if margin.is_stop_beyond(stop, liquidation, float(event.side)) else 0


@leaf
def _target_refusal(state: Record, event: Record, price: float) -> int:
    """Check the target that comes with an entry, before rounding; return a Reason, 0 when valid or absent."""
    if event.take_profit != event.take_profit and event.take_profit_pct == 0.0:
        return 0
    target = _target_of(event, price)
    if not math.isfinite(target):
        return Reason.TARGET_UNKNOWN.value
    increment = state.instruments[state.instances[event.instance].instrument].price_increment
    rests = rounding.price_passive(target, increment, -event.side)
    return Reason.TARGET_BEYOND_ENTRY.value if (target - price) * event.side <= 0.0 or rests <= 0.0 else 0


@leaf
def _refusal(state: Record, event: Record, price: float, qty: float, is_first: bool) -> int:
    """Validate an entry before the checks; return a Reason, 0 when it may go on. Unknown values are refused."""
    instance = state.instances[event.instance]
    strategy = state.strategies[instance.strategy]
    instrument = state.instruments[instance.instrument]
    if not 0.0 < event.leverage < math.inf:
        return Reason.LEVERAGE_UNKNOWN.value
    reason = _stop_refusal(state, event, price, qty)
    if reason == 0:
        reason = _target_refusal(state, event, price)
    if reason != 0:
        return reason
    if strategy.min_risk_reward == strategy.min_risk_reward:
        # Without both a stop and a target the ratio is NaN, so the comparison below is false and the entry refused.
        stop = rounding.price_late(_stop_of(event, price), instrument.price_increment, -event.side)
        reward = (_target_of(event, price) - price) * event.side
        if not exposure.within(strategy.min_risk_reward * (price - stop) * event.side, reward):
            return Reason.MIN_RISK_REWARD.value
    if event.leverage > 1.0 and instrument.is_margined == 0:
        return Reason.MAX_LEVERAGE.value
    return _slot_refusal(state, instance.strategy) if is_first else 0


@leaf
def _slot_refusal(state: Record, strategy: int) -> int:
    """Enforce the strategy's ``max_concurrent_positions`` over open and pending positions; 0 when a slot is free."""
    allowed = state.strategies[strategy].max_concurrent_positions
    if allowed == 0:
        return 0
    count = exposure.entries_pending(state, strategy)
    for instance in range(state.instance_count):
        if state.instances[instance].strategy == strategy and state.positions[instance].qty != 0.0:
            count += 1
    return 0 if count < allowed else Reason.SLOTS_FULL.value


@leaf
def _write(state: Record, event: Record, drafted: Record, price: float) -> None:
    """Copy kind, prices, time in force and expiry from the event into a draft."""
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
    """Size, round, check, reserve and send a requested order; a denied one is logged with its reason."""
    assert event.side == 1 or event.side == -1, "an order buys or sells"
    instance = state.instances[event.instance]
    price = _reference_price(state.instruments[instance.instrument], event)
    qty = _quantity(state.instruments[instance.instrument], event, price)
    reducible = exposure.reducible(state, event.instance, event.side)
    is_exit = event.reduce_only != 0 or 0.0 < qty <= reducible * (1.0 + QUANTITY_TOLERANCE)
    if is_exit and qty > reducible * (1.0 - QUANTITY_TOLERANCE):
        qty = reducible  # close it entirely: rounding to the lot would leave a remainder
    is_first = state.positions[event.instance].qty == 0.0 and not exposure.has_working_entry(state, event.instance)
    if not price > 0.0:
        reason = Reason.PRICE_UNKNOWN.value
    elif qty != qty:
        reason = Reason.SIZE_UNKNOWN.value
    elif not is_exit:
        reason = _refusal(state, event, price, qty, is_first)
    else:
        reason = Reason.NOTHING_TO_REDUCE.value if reducible == 0.0 else 0
    role = Role.STRATEGY.value if is_exit else Role.ENTRY.value
    slot = commands.draft(state, event.instance, role, event.side, qty if qty == qty else 0.0)
    drafted = state.orders[slot]
    _write(state, event, drafted, price)
    drafted.reduce_only = 1 if is_exit else 0
    if reason != 0:
        commands.deny(state, rows, slot, reason)
    elif commands.send(state, rows, table, slot) == 0 and not is_exit:
        if is_first:
            forget_plan(instance)
        _plan(instance, event)


@leaf
def cancel(state: Record, rows: Rows, event: Record) -> None:
    """Request the cancel of an instance's order; ignored when the order is no longer open.

    A stop or target that is cancelled is not placed again.
    """
    slot = orders.find(state, event.order_id, event.order_slot)
    if slot < 0 or state.orders[slot].instance != event.instance:
        return
    instance = state.instances[event.instance]
    if state.orders[slot].role == Role.STOP_LOSS:
        instance.planned_stop = instance.planned_base = math.nan
    elif state.orders[slot].role == Role.TAKE_PROFIT:
        instance.planned_target = instance.planned_extreme = math.nan
    commands.cancel(state, rows, slot, Reason.STRATEGY.value)


@leaf
def protection(state: Record, event: Record) -> None:
    """Set the stop and target for the open position from now on."""
    _plan(state.instances[event.instance], event)


@leaf
def forget_plan(instance: Record) -> None:
    """Clear the planned stop and target: nothing is held or pending, so the next entry brings its protection."""
    instance.planned_stop = instance.planned_base = math.nan
    instance.planned_target = instance.planned_extreme = math.nan


@leaf
def _plan(instance: Record, event: Record) -> None:
    """Store the requested stop and target; the latest request applies to the whole position."""
    if event.stop_loss > 0.0 or event.stop_loss_pct > 0.0:
        instance.planned_stop = event.stop_loss
        instance.planned_base = event.stop_loss_pct
    if event.take_profit > 0.0 or event.take_profit_pct > 0.0:
        instance.planned_target = event.take_profit
        instance.planned_extreme = event.take_profit_pct
