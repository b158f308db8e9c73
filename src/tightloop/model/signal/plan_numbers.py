"""The numbers of a strategy as the core keeps them: orders, sizes, stops, targets, limits, costs, venue of ticks."""

import math
from typing import Any

from tightloop.core import limits
from tightloop.core.domain.enums import (
    OrderKind,
    PriceKind,
    SizeKind,
    SlippageKind,
    StopKind,
    TargetKind,
    TimeInForce,
    Trigger,
)
from tightloop.core.domain.ticks import QueueKind
from tightloop.model.instruments import InstrumentRules
from tightloop.model.signal.read import PUMP_BASE, Strategy


class Slots:
    """Places of the values that one strategy's rules name: its variants first, then its constants."""

    def __init__(self, strategy: Strategy) -> None:
        self.variants = {name: place for place, name in enumerate(strategy.variants)}
        self.constants: list[float] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.variants) + len(self.constants)

    def of(self, operand: float | str) -> int:
        """The place of a variant by its name, or of a number."""
        if isinstance(operand, str):
            return self.variants[operand]
        if operand not in self.constants:
            self.constants.append(operand)
        return len(self.variants) + self.constants.index(operand)


def or_nan(value: float | None) -> float:
    """Off is NaN."""
    return math.nan if value is None else value


def write_sections(row: Any, strategy: Strategy, slots: Slots) -> None:
    """The numbers of the five sections."""
    sections = strategy.read.sections
    assert sections is not None, "the signal family has sections"
    z1 = sections.Z1
    row["z1_immediate"] = int(z1.immediate)
    row["leverage"] = z1.leverage
    _write_order(row, z1.order, slots)
    _write_size(row, z1.size, slots)
    _write_stop(row, z1.stop_loss, slots)
    _write_target(row, z1.take_profit, slots)
    row["o1_timeout_ns"] = seconds_ns(sections.O1.timeout_s)
    row["o1_cooldown_ns"] = minutes_ns(sections.O1.cooldown_min)
    row["ze1_cooldown_ns"] = minutes_ns(sections.ZE1.cooldown_min)
    row["e1_cooldown_ns"] = minutes_ns(sections.E1.cooldown_min)
    stale = sections.E1.on_stale
    if stale is not None:
        row["stale_ns"] = seconds_ns(stale.after_s) * (1 if stale.do == "exit" else -1)
    row["e1_cancels_pending"] = int(sections.E1.actions.cancel_pending)
    confidence = strategy.read.confidence
    if confidence is not None:
        row["confidence_slot"] = slots.of(confidence if isinstance(confidence, str) else float(confidence))


def _write_order(row: Any, order: Any, slots: Slots) -> None:
    kinds = {
        "market": OrderKind.MARKET,
        "limit": OrderKind.LIMIT,
        "stop": OrderKind.STOP,
        "stop_limit": OrderKind.STOP_LIMIT,
    }
    row["order_kind"] = int(kinds[order.type])
    row["order_tif"] = int(TimeInForce[order.tif])
    row["order_post_only"] = int(order.post_only)
    row["order_ttl_ns"] = seconds_ns(order.ttl_s or 0.0)
    row["price_offset_bps"], row["limit_offset_bps"] = order.offset_bps, order.limit_offset_bps
    named = {"close": PriceKind.CLOSE, "best_bid": PriceKind.BEST_BID, "best_ask": PriceKind.BEST_ASK}
    if order.price in named:
        row["price_kind"] = int(named[order.price])
    elif isinstance(order.price, str):
        row["price_kind"], row["price_slot"] = int(PriceKind.VARIANT), slots.of(order.price)
    else:
        row["price_kind"], row["price_number"] = int(PriceKind.NUMBER), order.price


def _write_size(row: Any, size: Any, slots: Slots) -> None:
    kinds = {"fixed": SizeKind.FIXED, "units": SizeKind.UNITS, "percentage": SizeKind.PERCENTAGE, "risk": SizeKind.RISK}
    row["size_kind"], row["size_value"] = int(kinds[size.type]), size.value
    row["notional_min"], row["notional_max"] = size.clamp or (0.0, limits.NOTIONAL_MAX)
    if size.scale is not None:
        row["scale_slot"], row["scale_count"] = slots.of(size.scale.variant), len(size.scale.points)
        for k, (at, by) in enumerate(size.scale.points):
            row["scale_at"][k], row["scale_by"][k] = at, by


def _write_stop(row: Any, stop: Any, slots: Slots) -> None:
    if stop is None:
        return
    kind = stop.type
    row["stop_trigger"] = int({"touch": Trigger.TOUCH, "last": Trigger.LAST, "mark": Trigger.MARK}[stop.trigger])
    row["stop_of_signal"] = int(getattr(stop, "of", "entry") == "signal")
    if kind == "percent":
        row["stop_kind"], row["stop_value"] = int(StopKind.PERCENT), stop.value
    elif kind == "absolute":
        row["stop_kind"], row["stop_value"] = int(StopKind.ABSOLUTE), stop.price
    elif kind == "indicator":
        row["stop_kind"], row["stop_value"], row["stop_slot"] = (
            int(StopKind.INDICATOR),
            stop.offset_pct,
            slots.of(stop.variant),
        )
    elif kind == "atr":
        row["stop_kind"], row["stop_value"], row["stop_slot"] = int(StopKind.ATR), stop.multiple, slots.of(stop.variant)
    elif kind == "peak":
        row["stop_kind"], row["stop_value"] = int(StopKind.PEAK), stop.buffer_pct
    elif stop.trail_pct is not None:
        row["stop_kind"], row["stop_value"] = int(StopKind.TRAILING_PERCENT), stop.arm_pct
        row["stop_trail_pct"] = stop.trail_pct
    else:
        row["stop_kind"], row["stop_value"], row["stop_slot"] = (
            int(StopKind.TRAILING_VARIANT),
            stop.multiple,
            slots.of(stop.variant),
        )


def _write_target(row: Any, target: Any, slots: Slots) -> None:
    if target is None:
        return
    kind = target.type
    if kind == "ladder":
        is_percent = target.of == "percent"
        row["target_kind"] = int(TargetKind.LADDER_PERCENT if is_percent else TargetKind.LADDER_RETRACEMENT)
        row["step_count"] = len(target.steps)
        for k, (at, share) in enumerate(target.steps):
            row["step_at"][k], row["step_share_pct"][k] = at, share
        if not is_percent:
            row["base_slot"] = slots.of(target.base or PUMP_BASE)
        return
    row["target_of_signal"] = int(getattr(target, "of", "entry") == "signal")
    if kind == "percent":
        row["target_kind"], row["target_value"] = int(TargetKind.PERCENT), target.value
    elif kind == "absolute":
        row["target_kind"], row["target_value"] = int(TargetKind.ABSOLUTE), target.price
    elif kind == "indicator":
        row["target_kind"], row["target_value"], row["target_slot"] = (
            int(TargetKind.INDICATOR),
            target.offset_pct,
            slots.of(target.variant),
        )
    else:
        row["target_kind"], row["target_value"], row["target_slot"] = (
            int(TargetKind.ATR),
            target.multiple,
            slots.of(target.variant),
        )


def write_venue(row: Any, strategy: Strategy) -> None:
    """How the simulated venue of ticks fills, and how far it is away."""
    costs, latency = strategy.read.costs, strategy.read.latency
    kinds = {"risk_averse": QueueKind.RISK_AVERSE, "log2": QueueKind.LOG2, "power3": QueueKind.POWER3}
    row["queue_kind"], row["queue_power"] = int(kinds[costs.queue.type]), costs.queue.power
    row["is_partial"], row["halt_ns"] = int(costs.partial_fills), seconds_ns(costs.halt_s)
    row["expires_next_ns"] = limits.NEVER_NS
    row["is_recorded"] = int(latency.is_recorded)
    if not latency.is_recorded:
        for name in ("submit", "cancel", "response"):
            row[f"{name}_ns"] = round(getattr(latency, f"{name}_ms") * 1e6)


def write_limits(row: Any, strategy: Strategy) -> None:
    """The strategy's own limits; 0 or NaN is off."""
    own = strategy.read.limits
    row["max_concurrent_positions"] = own.max_concurrent_positions or 0
    row["max_daily_trades"] = own.max_daily_trades or 0
    row["max_losses_in_row"] = own.max_losses_in_row or 0
    row["loss_cooldown_ns"] = minutes_ns(own.loss_cooldown_min or 0.0)
    row["max_hold_ns"] = minutes_ns(own.max_hold_min or 0.0)
    row["daily_loss_pct"] = or_nan(own.daily_loss_pct)
    row["min_risk_reward"] = or_nan(own.min_risk_reward)


def write_costs(row: Any, strategy: Strategy, rules: InstrumentRules) -> None:
    """The strategy's costs, else the instrument's."""
    costs = strategy.read.costs
    row["taker_rate"] = (rules.taker_bps if costs.taker_bps is None else costs.taker_bps) / 10_000.0
    row["maker_rate"] = (rules.maker_bps if costs.maker_bps is None else costs.maker_bps) / 10_000.0
    row["participation"] = costs.participation or 0.0
    row["depth_spreads"] = costs.depth_spreads
    row["is_unfunded"] = int(costs.funding == "off")
    slippage = costs.slippage
    kinds = {
        "none": SlippageKind.NONE,
        "fixed": SlippageKind.FIXED,
        "impact": SlippageKind.IMPACT,
        "random": SlippageKind.RANDOM,
    }
    row["slippage_kind"] = int(kinds[slippage.type])
    row["slippage_bps"] = getattr(slippage, "bps", getattr(slippage, "half_spread_bps", 0.0))
    row["slippage_coefficient"] = getattr(slippage, "coefficient", 0.0)


def seconds_ns(seconds: float) -> int:
    """Seconds in nanoseconds."""
    return round(seconds * limits.SECOND_NS)


def minutes_ns(minutes: float) -> int:
    """Minutes in nanoseconds."""
    return round(minutes * limits.MINUTE_NS)
