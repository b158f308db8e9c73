"""Writes a strategy's settings into the core's records: rules, orders, sizes, stops, targets, limits, costs.

Units of the core: ns, fractions instead of bps; 0 or NaN for "off" (see each function).
"""

import math
from typing import Any

from tightloop.core import limits
from tightloop.core.domain.enums import (
    Op,
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
from tightloop.model.signal.conditions import OPERATORS, Condition, Node
from tightloop.model.signal.read import PUMP_BASE, Strategy

RuleNode = tuple[dict[str, int], Condition | None]
"""Fields of one NODE row, and the condition it evaluates; None for operators over other nodes."""


class Slots:
    """Numbering of a strategy's operands: its variants first, then the distinct constants of its rules."""

    def __init__(self, strategy: Strategy) -> None:
        self.variants = {name: place for place, name in enumerate(strategy.variants)}
        self.constants: list[float] = []

    @property
    def count(self) -> int:
        """Number of slots."""
        return len(self.variants) + len(self.constants)

    def of(self, operand: float | str) -> int:
        """Return the slot of a variant (by name) or of a constant, which is added on first use."""
        if isinstance(operand, str):
            return self.variants[operand]
        if operand not in self.constants:
            self.constants.append(operand)
        return len(self.variants) + self.constants.index(operand)


def or_nan(value: float | None) -> float:
    """Return NaN for None, which means off."""
    return math.nan if value is None else value


def write_sections(row: Any, strategy: Strategy, slots: Slots) -> None:
    """Write the settings of the five sections into a STRATEGY record.

    ``stale_ns`` carries the action in its sign: positive exits the position, negative only alerts.
    """
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
        for k, (level, factor) in enumerate(size.scale.points):
            row["scale_at"][k], row["scale_by"][k] = level, factor


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
        for k, (level, share) in enumerate(target.steps):
            row["step_at"][k], row["step_share_pct"][k] = level, share
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
    """Write queue model, partial fills, halt and latencies of the simulated tick venue into a VENUE record."""
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
    """Write the strategy's limits into a STRATEGY record; counts and times use 0 for off, percentages NaN."""
    limits_of = strategy.read.limits
    row["max_concurrent_positions"] = limits_of.max_concurrent_positions or 0
    row["max_daily_trades"] = limits_of.max_daily_trades or 0
    row["max_losses_in_row"] = limits_of.max_losses_in_row or 0
    row["loss_cooldown_ns"] = minutes_ns(limits_of.loss_cooldown_min or 0.0)
    row["max_hold_ns"] = minutes_ns(limits_of.max_hold_min or 0.0)
    row["daily_loss_pct"] = or_nan(limits_of.daily_loss_pct)
    row["min_risk_reward"] = or_nan(limits_of.min_risk_reward)


def write_costs(row: Any, strategy: Strategy, rules: InstrumentRules) -> None:
    """Write the trading costs into a COSTS record: the strategy's where stated, else the instrument's."""
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
    """Convert seconds to nanoseconds, rounded to the nearest."""
    return round(seconds * limits.SECOND_NS)


def minutes_ns(minutes: float) -> int:
    """Convert minutes to nanoseconds, rounded to the nearest."""
    return round(minutes * limits.MINUTE_NS)


def append_postfix(node: Node, slots: Slots, out: list[RuleNode], memory: int) -> int:
    """Append a tree's nodes in postfix order; return the memory (time stamps) used so far."""
    if isinstance(node, Condition):
        return _postfix_condition(node, slots, out, memory)
    for part in node.parts:
        memory = append_postfix(part, slots, out, memory)
    count = len(node.parts)
    if node.kind in ("all", "any") and count == 1:
        return memory
    op = {"all": Op.ALL, "any": Op.ANY, "not": Op.NOT, "hold": Op.HOLD, "seq": Op.SEQ}[node.kind]
    fields_of = {"op": int(op), "count": count, "memory": memory, "span_ns": round(node.span_s * 1e9)}
    out.append((fields_of, None))
    return memory + (1 if op == Op.HOLD else count if op == Op.SEQ else 0)


def _postfix_condition(condition: Condition, slots: Slots, out: list[RuleNode], memory: int) -> int:
    """Append the node of a condition; ``in`` becomes one EQ node per value, joined by ANY."""
    left = slots.of(condition.variant)
    if condition.operator == "in":
        out += [
            ({"op": int(Op.EQ), "left": left, "right": slots.of(operand)}, condition) for operand in condition.operands
        ]
        if len(condition.operands) > 1:
            out.append(({"op": int(Op.ANY), "count": len(condition.operands)}, None))
        return memory
    op = OPERATORS[condition.operator]
    assert op is not None, "every operator but in is one node"
    fields_of = {"op": int(op), "left": left, "right": slots.of(condition.operands[0]), "memory": memory}
    if op == Op.BETWEEN:
        fields_of["right_high"] = slots.of(condition.operands[1])
    out.append((fields_of, condition))
    return memory + (1 if op in (Op.CROSSES_ABOVE, Op.CROSSES_BELOW) else 0)
