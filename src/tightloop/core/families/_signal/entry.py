"""Planning an entry of the signal family: price, stop, targets and size, from the strategy's numbers."""

import math

from tightloop.core import limits, rounding
from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import OrderKind, PriceKind, Reason, SizeKind, StopKind, TargetKind
from tightloop.core.domain.types import Floats, Record
from tightloop.core.rules import value_of
from tightloop.core.trading import cash, exposure, margin


@leaf
def entry_price(state: Record, arena: Floats, instance: int) -> float:
    """The price an entry is asked at, rounded to the instrument's grid; NaN when it is not known.

    For market orders the last price, which is what the decision is judged by.
    """
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    instrument = state.instruments[own.instrument]
    if strategy.order_kind == OrderKind.MARKET:
        return instrument.mark
    price = instrument.mark
    if strategy.price_kind == PriceKind.NUMBER:
        price = strategy.price_number
    elif strategy.price_kind == PriceKind.VARIANT:
        price = value_of(state, arena, own, strategy.price_slot)
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
    """The stop for an entry at ``price``, not rounded; NaN when there is none or it is not known."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    sign = float(strategy.direction)
    kind = strategy.stop_kind
    if kind == StopKind.PERCENT:
        return price * (1.0 - sign * strategy.stop_value / 100.0)
    if kind == StopKind.ABSOLUTE:
        return strategy.stop_value
    if kind == StopKind.INDICATOR:
        return value_of(state, arena, own, strategy.stop_slot) * (1.0 - sign * strategy.stop_value / 100.0)
    if kind == StopKind.ATR:
        return price - sign * strategy.stop_value * value_of(state, arena, own, strategy.stop_slot)
    if kind == StopKind.TRAILING_PERCENT:
        return price * (1.0 - sign * strategy.stop_trail_pct / 100.0)
    if kind == StopKind.TRAILING_VARIANT:
        return price - sign * strategy.stop_value * value_of(state, arena, own, strategy.stop_slot)
    if kind == StopKind.PEAK:
        extreme = own.high_since_signal if sign < 0.0 else own.low_since_signal
        return extreme * (1.0 - sign * strategy.stop_value / 100.0)
    return math.nan


@leaf
def stop_at_rest(state: Record, instance: int, stop: float) -> float:
    """A planned stop as it will rest: on the price grid, away from the entry (a long's rounds down, a short's up)."""
    own = state.instances[instance]
    increment = state.instruments[own.instrument].price_increment
    return rounding.price_late(stop, increment, -state.strategies[own.strategy].direction)


@leaf
def _waits(strategy: Record) -> bool:
    """Whether its stop is a trail that waits for a gain: there is none before that."""
    return strategy.stop_kind == StopKind.TRAILING_PERCENT and strategy.stop_value > 0.0


@leaf
def _first_rest(state: Record, instance: int, price: float, stop: float) -> float:
    """Where the stop rests first, for an entry at ``price`` whose planned stop rests at ``stop``.

    A trail that waits begins below (a short's above) the price that arms it.
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
    """The target (of a ladder: of one step) for an entry at ``price``, not rounded; NaN when none or not known."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    sign = float(strategy.direction)
    kind = strategy.target_kind
    if kind == TargetKind.PERCENT:
        return price * (1.0 + sign * strategy.target_value / 100.0)
    if kind == TargetKind.ABSOLUTE:
        return strategy.target_value
    if kind == TargetKind.INDICATOR:
        return value_of(state, arena, own, strategy.target_slot) * (1.0 + sign * strategy.target_value / 100.0)
    if kind == TargetKind.ATR:
        return price + sign * strategy.target_value * value_of(state, arena, own, strategy.target_slot)
    if kind == TargetKind.LADDER_PERCENT:
        return price * (1.0 + sign * strategy.step_at[step] / 100.0)
    if kind == TargetKind.LADDER_RETRACEMENT:
        return own.planned_extreme + (own.planned_base - own.planned_extreme) * strategy.step_at[step] / 100.0
    return math.nan


@leaf
def keep_retracement(state: Record, arena: Floats, instance: int) -> None:
    """Keep the move that a retracement is measured by: both its ends go on moving after the entry."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    if strategy.target_kind == TargetKind.LADDER_RETRACEMENT:
        own.planned_extreme = own.high_since_signal if strategy.direction < 0 else own.low_since_signal
        own.planned_base = own.signal_base


@leaf
def scale(state: Record, arena: Floats, instance: int) -> float:
    """The factor on the size that a risk variant asks for: linear between points, flat outside; NaN when unknown."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    n = strategy.scale_count
    if n == 0:
        return 1.0
    value = value_of(state, arena, own, strategy.scale_slot)
    if value <= strategy.scale_at[0]:
        return strategy.scale_by[0]
    for k in range(1, n):
        low, high = strategy.scale_at[k - 1], strategy.scale_at[k]
        if value <= high:
            part = (value - low) / (high - low)
            return strategy.scale_by[k - 1] + part * (strategy.scale_by[k] - strategy.scale_by[k - 1])
    return strategy.scale_by[n - 1] if value == value else math.nan


@leaf
def quantity(state: Record, arena: Floats, instance: int, price: float, stop: float) -> float:
    """Quantity for an entry at ``price``, floored to the lot; NaN when a number it needs is not known.

    ``stop`` as it will rest. A quantity that was computed and lies beyond QUANTITY_MAX is none that is known.
    """
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    instrument = state.instruments[own.instrument]
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
        qty = strategy.size_value  # as it is written: more of it than there can be is an error that names it
    elif not qty <= limits.QUANTITY_MAX:
        return math.nan
    return rounding.qty_floor(qty, instrument.lot_size)


@leaf
def fitted(state: Record, instance: int, price: float, qty: float) -> float:
    """A size in percent made smaller to what the free cash pays for; any other size, and one that would fall below its
    clamp or to nothing, as it was asked: the check denies it."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    if strategy.size_kind != SizeKind.PERCENTAGE or not (price > 0.0 and qty > 0.0):
        return qty
    assert strategy.leverage > 0.0, "margin is notional over leverage"
    fits = cash.affordable(state, instance, strategy.direction, price, strategy.leverage)
    least = strategy.notional_min / (price * state.instruments[own.instrument].multiplier)
    return fits if 0.0 < fits < qty and exposure.within(least, fits) else qty


@leaf
def _is_no_move(state: Record, instance: int) -> bool:
    """Whether the base of a retracement does not lie before its peak, a low of who buys: no move led there."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    if strategy.target_kind != TargetKind.LADDER_RETRACEMENT:
        return False
    return (own.planned_base - own.planned_extreme) * strategy.direction <= 0.0


@leaf
def _stop_refusal(state: Record, instance: int, price: float, qty: float, stop: float) -> int:
    """Why the stop of a planned entry, as it will rest, stands against it; 0 when it does not."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    sign = float(strategy.direction)
    if not math.isfinite(stop):
        return Reason.STOP_UNKNOWN.value
    rests = _first_rest(state, instance, price, stop)
    if rests <= 0.0:
        return Reason.STOP_AT_ZERO.value
    if not _waits(strategy) and (price - stop) * sign <= 0.0:
        return Reason.STOP_BEYOND_ENTRY.value
    instrument = state.instruments[own.instrument]
    held = qty * price * instrument.multiplier / strategy.leverage
    liquidation = margin.liquidation_price(instrument, sign * qty, price, held) if qty > 0.0 else math.nan
    return Reason.STOP_BEYOND_LIQUIDATION.value if margin.is_stop_beyond(rests, liquidation, sign) else 0


@leaf
def refusal(state: Record, instance: int, price: float, qty: float, stop: float, target: float) -> int:
    """Why a planned entry is not drafted, 0 when nothing stands against it. What is unknown is refused.

    ``stop`` as it will rest, ``target`` as it is before it is rounded.
    """
    strategy = state.strategies[state.instances[instance].strategy]
    sign = float(strategy.direction)
    if exposure.is_ruined(state):
        return Reason.RUINED.value  # before what it makes of a size: a share of nothing
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
        return Reason.INSUFFICIENT_CASH.value  # before what it makes of a size: a share of nothing
    if strategy.min_risk_reward == strategy.min_risk_reward:
        if not exposure.within(strategy.min_risk_reward * (price - stop) * sign, (target - price) * sign):
            return Reason.MIN_RISK_REWARD.value
    return 0
