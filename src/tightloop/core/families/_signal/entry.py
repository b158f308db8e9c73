"""Planning an entry of the signal family: price, stop, target, size, and the reasons to refuse it.

Sign conventions: ``direction`` is 1 long, -1 short. A long's stop lies below its entry, a short's above. Prices are in
the quote asset, notionals in the settle asset. NaN means unknown and always leads to a refusal with a reason.
"""

import math

from tightloop.core import limits, rounding
from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import OrderKind, PriceKind, Reason, SizeKind, StopKind, TargetKind
from tightloop.core.domain.types import Floats, Record
from tightloop.core.rules import value_of
from tightloop.core.trading import cash, exposure, margin


@leaf
def entry_price(state: Record, arena: Floats, instance: int) -> float:
    """Return the entry's order price, rounded to the price grid; NaN if unknown.

    Market orders have none: the mark price, by which the decision is judged.
    """
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    instrument = state.instruments[machine.instrument]
    if strategy.order_kind == OrderKind.MARKET:
        return instrument.mark
    price = instrument.mark
    if strategy.price_kind == PriceKind.NUMBER:
        price = strategy.price_number
    elif strategy.price_kind == PriceKind.VARIANT:
        price = value_of(state, arena, machine, strategy.price_slot)
    elif strategy.price_kind == PriceKind.BEST_BID:
        price = instrument.bid
    elif strategy.price_kind == PriceKind.BEST_ASK:
        price = instrument.ask
    price *= 1.0 + strategy.price_offset_bps / 10_000.0
    if not 0.0 < price <= limits.PRICE_MAX:
        return math.nan
    if strategy.order_kind == OrderKind.LIMIT:
        return rounding.price_passive(price, instrument.price_increment, strategy.direction)
    return rounding.price_late(price, instrument.price_increment, strategy.direction)


@leaf
def stop_price(state: Record, arena: Floats, instance: int, price: float) -> float:
    """Return the stop for an entry at ``price``, not rounded; NaN if there is none or it is unknown."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    sign = float(strategy.direction)
    kind = strategy.stop_kind
    if kind == StopKind.PERCENT:
        return price * (1.0 - sign * strategy.stop_value / 100.0)
    if kind == StopKind.ABSOLUTE:
        return strategy.stop_value
    if kind == StopKind.INDICATOR:
        return value_of(state, arena, machine, strategy.stop_slot) * (1.0 - sign * strategy.stop_value / 100.0)
    if kind == StopKind.ATR:
        return price - sign * strategy.stop_value * value_of(state, arena, machine, strategy.stop_slot)
    if kind == StopKind.TRAILING_PERCENT:
        return price * (1.0 - sign * strategy.stop_trail_pct / 100.0)
    if kind == StopKind.TRAILING_VARIANT:
        return price - sign * strategy.stop_value * value_of(state, arena, machine, strategy.stop_slot)
    if kind == StopKind.PEAK:
        extreme = machine.high_since_signal if sign < 0.0 else machine.low_since_signal
        return extreme * (1.0 - sign * strategy.stop_value / 100.0)
    return math.nan


@leaf
def stop_at_rest(state: Record, instance: int, stop: float) -> float:
    """Round a planned stop as it will rest at the venue: away from the entry (long down, short up)."""
    machine = state.instances[instance]
    increment = state.instruments[machine.instrument].price_increment
    return rounding.price_late(stop, increment, -state.strategies[machine.strategy].direction)


@leaf
def _waits(strategy: Record) -> bool:
    """Tell whether the stop is a trailing stop that is armed only after a gain; until then there is no stop."""
    return strategy.stop_kind == StopKind.TRAILING_PERCENT and strategy.stop_value > 0.0


@leaf
def _first_rest(state: Record, instance: int, price: float, stop: float) -> float:
    """Return the first price the stop rests at, for an entry at ``price`` whose planned stop rests at ``stop``.

    A trailing stop armed by a gain starts at its distance from the arming price.
    """
    strategy = state.strategies[state.instances[instance].strategy]
    if not _waits(strategy):
        return stop
    assert price > 0.0, "what arms a trail is known when its entry is"
    sign = float(strategy.direction)
    armed = price * (1.0 + sign * strategy.stop_value / 100.0)
    return stop_at_rest(state, instance, armed * (1.0 - sign * strategy.stop_trail_pct / 100.0))


@leaf
def target_price(state: Record, arena: Floats, instance: int, price: float, step: int) -> float:
    """Return target number ``step`` (0 without a ladder) for an entry at ``price``, not rounded; NaN if unknown."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    sign = float(strategy.direction)
    kind = strategy.target_kind
    if kind == TargetKind.PERCENT:
        return price * (1.0 + sign * strategy.target_value / 100.0)
    if kind == TargetKind.ABSOLUTE:
        return strategy.target_value
    if kind == TargetKind.INDICATOR:
        return value_of(state, arena, machine, strategy.target_slot) * (1.0 + sign * strategy.target_value / 100.0)
    if kind == TargetKind.ATR:
        return price + sign * strategy.target_value * value_of(state, arena, machine, strategy.target_slot)
    if kind == TargetKind.LADDER_PERCENT:
        return price * (1.0 + sign * strategy.step_at[step] / 100.0)
    if kind == TargetKind.LADDER_RETRACEMENT:
        return (
            machine.planned_extreme + (machine.planned_base - machine.planned_extreme) * strategy.step_at[step] / 100.0
        )
    return math.nan


@leaf
def keep_retracement(state: Record, arena: Floats, instance: int) -> None:
    """Freeze the move (extreme, base) that retracement targets refer to; both keep changing after the entry."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    if strategy.target_kind == TargetKind.LADDER_RETRACEMENT:
        machine.planned_extreme = machine.high_since_signal if strategy.direction < 0 else machine.low_since_signal
        machine.planned_base = machine.signal_base


@leaf
def scale(state: Record, arena: Floats, instance: int) -> float:
    """Return the size factor of the strategy's risk scaling; NaN if its value is unknown.

    Piecewise linear between the points (``scale_at``, ``scale_by``), constant outside of them.
    """
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    n = strategy.scale_count
    if n == 0:
        return 1.0
    value = value_of(state, arena, machine, strategy.scale_slot)
    if value <= strategy.scale_at[0]:
        return strategy.scale_by[0]
    for k in range(1, n):
        low, high = strategy.scale_at[k - 1], strategy.scale_at[k]
        if value <= high:
            fraction = (value - low) / (high - low)
            return strategy.scale_by[k - 1] + fraction * (strategy.scale_by[k] - strategy.scale_by[k - 1])
    return strategy.scale_by[n - 1] if value == value else math.nan


@leaf
def quantity(state: Record, arena: Floats, instance: int, price: float, stop: float) -> float:
    """Return the entry quantity at ``price``, floored to the lot size; NaN if it cannot be known.

    ``stop``: the rounded price at which it rests. Risk sizing divides the risked amount by the distance to the stop.
    A computed quantity beyond QUANTITY_MAX counts as unknown.
    """
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    instrument = state.instruments[machine.instrument]
    if not price > 0.0:
        return math.nan
    unit = price * instrument.multiplier
    if strategy.size_kind == SizeKind.FIXED:
        notional = strategy.size_value
    elif strategy.size_kind == SizeKind.UNITS:
        notional = strategy.size_value * unit
    elif strategy.size_kind == SizeKind.PERCENTAGE:
        notional = (state.equity - state.used_margin - state.reserved_margin) * strategy.size_value / 100.0
    else:
        distance = abs(price - stop)
        notional = state.equity * strategy.size_value / 100.0 / distance * price if distance > 0.0 else math.nan
    notional *= scale(state, arena, instance)
    if notional != notional:
        return math.nan
    notional = min(max(notional, strategy.notional_min), strategy.notional_max)
    qty = max(notional, 0.0) / unit
    if strategy.size_kind == SizeKind.UNITS and notional == strategy.size_value * unit:
        qty = strategy.size_value  # exactly as written: too large a value fails the limit's assert
    elif not qty <= limits.QUANTITY_MAX:
        return math.nan
    return rounding.qty_floor(qty, instrument.lot_size)


@leaf
def fitted(state: Record, instance: int, price: float, qty: float) -> float:
    """Reduce a percentage size to what free cash affords; other sizes are returned unchanged.

    Also unchanged if the affordable size is 0 or below the strategy's minimum notional: the cash check then denies it.
    """
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    if strategy.size_kind != SizeKind.PERCENTAGE or not (price > 0.0 and qty > 0.0):
        return qty
    assert strategy.leverage > 0.0, "margin is notional over leverage"
    affordable_qty = cash.affordable(state, instance, strategy.direction, price, strategy.leverage)
    min_qty = strategy.notional_min / (price * state.instruments[machine.instrument].multiplier)
    return affordable_qty if 0.0 < affordable_qty < qty and exposure.within(min_qty, affordable_qty) else qty


@leaf
def _is_no_move(state: Record, instance: int) -> bool:
    """Tell whether a retracement's base is not before its extreme: there was no move to retrace."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    if strategy.target_kind != TargetKind.LADDER_RETRACEMENT:
        return False
    return (machine.planned_base - machine.planned_extreme) * strategy.direction <= 0.0


@leaf
def _stop_refusal(state: Record, instance: int, price: float, qty: float, stop: float) -> int:
    """Return why the stop of a planned entry makes it invalid (a Reason), or 0. ``stop``: as it will rest."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    sign = float(strategy.direction)
    if not math.isfinite(stop):
        return Reason.STOP_UNKNOWN.value
    first_stop = _first_rest(state, instance, price, stop)
    if first_stop <= 0.0:
        return Reason.STOP_AT_ZERO.value
    if not _waits(strategy) and (price - stop) * sign <= 0.0:
        return Reason.STOP_BEYOND_ENTRY.value
    instrument = state.instruments[machine.instrument]
    margin_held = qty * price * instrument.multiplier / strategy.leverage
    liquidation = margin.liquidation_price(instrument, sign * qty, price, margin_held) if qty > 0.0 else math.nan
    return Reason.STOP_BEYOND_LIQUIDATION.value if margin.is_stop_beyond(first_stop, liquidation, sign) else 0


@leaf
def refusal(state: Record, instance: int, price: float, qty: float, stop: float, target: float) -> int:
    """Return why a planned entry is refused before any account check (a Reason), or 0. Unknown values are refused.

    ``stop``: as it will rest; ``target``: not rounded yet.
    """
    strategy = state.strategies[state.instances[instance].strategy]
    sign = float(strategy.direction)
    if exposure.is_ruined(state):
        return Reason.RUINED.value  # first: it also makes the size 0 or unknown
    if not price > 0.0:
        return Reason.PRICE_UNKNOWN.value
    if strategy.stop_kind != StopKind.NONE:
        reason = _stop_refusal(state, instance, price, qty, stop)
        if reason != 0:
            return reason
    if strategy.target_kind != TargetKind.NONE:
        if not 0.0 < target < math.inf:
            return Reason.TARGET_UNKNOWN.value
        if _is_no_move(state, instance):
            return Reason.BASE_BEYOND_PEAK.value
        increment = state.instruments[state.instances[instance].instrument].price_increment
        if (target - price) * sign <= 0.0 or rounding.price_passive(target, increment, -strategy.direction) <= 0.0:
            return Reason.TARGET_BEYOND_ENTRY.value
    if qty != qty:
        return Reason.SIZE_UNKNOWN.value
    if strategy.size_kind == SizeKind.PERCENTAGE and not cash.free(state, instance, 0) > 0.0:
        return Reason.INSUFFICIENT_CASH.value  # without cash the size is 0: name the cause
    if strategy.min_risk_reward == strategy.min_risk_reward:
        if not exposure.within(strategy.min_risk_reward * (price - stop) * sign, (target - price) * sign):
            return Reason.MIN_RISK_REWARD.value
    return 0
