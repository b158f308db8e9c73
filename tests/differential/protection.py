"""Stops and targets in plain Python: where they lie at the decision and after the entry, and how a trail follows."""

from typing import Any

from differential.domain import Instance, Order, Plan, ceil_to, floor_to


def level_of(spec: dict[str, Any], own: Instance, entry: float, plan: Plan, sign: int) -> float | None:
    """A stop (``sign`` -1) or target (+1) as the file describes it, on the losing or gaining side of an entry.

    None when a variant is not known. A stop that arms later has no level at the entry and is not asked here.
    """
    side = own.strategy.side * sign
    kind = spec["type"]
    reference = plan.reference if spec.get("of") == "signal" else entry
    if kind == "percent":
        return reference * (1.0 + side * spec["value"] / 100.0)
    if kind == "absolute":
        return float(spec["price"])
    if kind == "peak":
        return plan.peak * (1.0 + side * spec["buffer_pct"] / 100.0)
    if kind == "trailing" and "trail_pct" in spec:
        return entry * (1.0 + side * spec["trail_pct"] / 100.0)
    value = plan.values[spec["variant"]]
    if value is None:
        return None
    if kind == "indicator":
        return value * (1.0 + side * spec.get("offset_pct", 0.0) / 100.0)
    return reference + side * spec["multiple"] * value


def first_rest(spec: dict[str, Any], own: Instance, entry: float) -> float:
    """Where a trail that arms later will rest first, on the grid."""
    side = own.strategy.side
    armed = entry * (1.0 + side * spec["arm_pct"] / 100.0)
    return own.instrument.away(armed * (1.0 - side * spec["trail_pct"] / 100.0), side > 0)


def arms_later(spec: dict[str, Any]) -> bool:
    return spec["type"] == "trailing" and bool(spec.get("arm_pct"))


def steps_of(spec: dict[str, Any], own: Instance, entry: float, plan: Plan) -> list[tuple[float | None, float]]:
    """(price before rounding, share in percent) of each target, as the file lists them: nearest first."""
    if spec["type"] != "ladder":
        return [(level_of(spec, own, entry, plan, 1), 100.0)]
    side = own.strategy.side
    if spec["of"] == "percent":
        found = [(entry * (1.0 + side * at / 100.0), share) for at, share in spec["steps"]]
    else:
        base = plan.base
        if base is None:
            return [(None, share) for _, share in spec["steps"]]
        found = [(plan.peak - at / 100.0 * (plan.peak - base), share) for at, share in spec["steps"]]
    return list(found)


def protect(own: Instance, now_ns: int) -> list[Order]:
    """The orders that protect a position that was just entered."""
    position, plan, z1 = own.position, own.plan, own.strategy.z1
    assert position is not None
    assert plan is not None
    side, instrument = position.side, own.instrument
    made: list[Order] = []

    def order(kind: str, role: str, qty: float) -> Order:
        made.append(Order(own.strategy.name, instrument.name, -side, kind, role, qty, now_ns, updated_ts=now_ns))
        return made[-1]

    spec = z1.get("stop_loss")
    if spec:
        is_trail = spec["type"] == "trailing"
        own.stop = order("trailing" if is_trail else "stop", "trailing" if is_trail else "stop_loss", position.qty)
        position.is_armed = not arms_later(spec)
        if spec["type"] == "trailing" and "variant" in spec:
            distance = plan.values[spec["variant"]]
            if distance is not None:
                position.distance = spec["multiple"] * distance
                own.stop.stop_price = instrument.away(position.entry - side * spec["multiple"] * distance, side > 0)
        elif position.is_armed:
            level = level_of(spec, own, position.entry, plan, -1)
            assert level is not None
            own.stop.stop_price = instrument.away(level, side > 0)
    position.best = position.entry
    spec = z1.get("take_profit")
    if spec:
        own.targets = []
        steps = steps_of(spec, own, position.entry, plan)
        is_whole = abs(sum(share for _, share in steps) - 100.0) < 1e-9
        left = position.qty
        for place, (price, share) in enumerate(steps):
            assert price is not None
            qty = floor_to(position.qty * share / 100.0, instrument.lot)
            if is_whole and place == len(steps) - 1:
                qty = left
            left -= qty
            if qty > 0:
                rounding = ceil_to if side > 0 else floor_to
                rests = rounding(price, instrument.increment)
                if rests > 0:  # no price falls to 0
                    target = order("limit", "take_profit", qty)
                    target.price = rests
                    own.targets.append(target)
    return made


def follow(own: Instance, price: float, now_ns: int, *, is_close: bool = False) -> bool:
    """Let a trail follow a price; whether that price moved or armed it. It never loosens."""
    position, stop = own.position, own.stop
    if position is None or stop is None or stop.role != "trailing":
        return False
    spec = own.strategy.z1["stop_loss"]
    side = position.side
    is_better = side * (price - position.best) > 0
    if is_better:
        position.best = price
    was_armed = position.is_armed
    if not was_armed:
        goal = position.entry * (1.0 + side * spec["arm_pct"] / 100.0)
        position.is_armed = side * (position.best - goal) >= 0
    if not position.is_armed:
        return False
    if "variant" in spec:
        value = own.values_now[spec["variant"]]
        if is_close and value:  # a distance of 0 is none
            position.distance = spec["multiple"] * value
        level = position.best - side * position.distance
    else:
        level = position.best * (1.0 - side * spec["trail_pct"] / 100.0)
    if level is not None:
        level = own.instrument.away(level, side > 0)
        if stop.stop_price is None or side * (level - stop.stop_price) > 0:
            stop.stop_price = level
    return is_better or not was_armed
