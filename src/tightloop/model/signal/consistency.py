"""Cross-field validation before any data is read: values that are valid alone and contradict each other.

Covers orders, sizes, stops, leverage and the account.
"""

from collections.abc import Mapping
from typing import Any

from tightloop.model.files.diagnostics import Path
from tightloop.model.files.fields import plain
from tightloop.model.instruments import TIMEFRAMES
from tightloop.model.signal.schema import Sections, SectionZ1, StopPercent, StopTrailing, StrategyFile, TargetLadder
from tightloop.model.signal.variants import Refuse

LEVERAGE_MAX = 200.0
"""Upper bound of leverage where the account sets none."""
MAINTENANCE_PCT = 0.5
"""Lowest maintenance margin of the venues, percent: a stop beyond liquidation at this margin can never trigger."""
LEVERAGE_HIGH = (5.0, 3.0)
PERCENT_OF_EQUITY_MAX = 10_000.0

Z1: Path = ("sections", "Z1")


def check(read: StrategyFile, sections: Sections, written: Mapping[str, Any], refuse: Refuse) -> list[str]:
    """Refuse contradictions; return warnings. ``written``: the keys of ``Z1.order`` that the file states."""
    z1 = sections.Z1
    if (z1.tree is None) == (not z1.immediate):
        fault = "is empty" if z1.tree is None else "has conditions and immediate: true"
        refuse(Z1, fault, "write conditions (all: [...]), or immediate: true to enter at once with S1")
    _leverage(read, z1, refuse)
    _order(z1, written, refuse)
    _size(z1, refuse)
    _stop(read, z1, refuse)
    if read.limits.min_risk_reward is not None and (z1.stop_loss is None or z1.take_profit is None):
        refuse(("limits", "min_risk_reward"), "needs a stop_loss and a take_profit", "write both, or remove the limit")
    return _warnings(read, sections)


def _warnings(read: StrategyFile, sections: Sections) -> list[str]:
    z1, o1, e1 = sections.Z1, sections.O1, sections.E1
    warnings = []
    if o1.timeout_s == 0 and o1.tree is None and not z1.immediate:
        warnings.append("O1 has no condition and no timeout: a signal may wait for Z1 forever and keeps its slot")
    if sections.S1.tree is None:
        warnings.append("S1 has no conditions: the strategy never trades")
    exits = (z1.stop_loss, z1.take_profit, sections.ZE1.tree, e1.tree, read.limits.max_hold_min)
    if all(way is None for way in exits):
        warnings.append("nothing closes a position: no ZE1, E1, stop, target or max_hold_min")
    above = next((bound for bound in LEVERAGE_HIGH if z1.leverage > bound), None)
    if above is not None:
        warnings.append(f"leverage {plain(z1.leverage)} is above {plain(above)}")
    order = z1.order
    on_bars = read.timeframe is not None
    if (
        order.ttl_s is not None
        and order.type != "market"
        and read.timeframe is not None
        and order.ttl_s * 1e9 < TIMEFRAMES[read.timeframe]
    ):
        bar = f"a bar of {read.timeframe}"
        warnings.append(f"ttl_s {plain(order.ttl_s)} is shorter than {bar}: the order can only fill at an open")
    if e1.on_stale is not None and on_bars:
        warnings.append("E1.on_stale watches a feed that may fall silent; recorded bars never do")
    if e1.on_stale is not None and read.feed == ["quotes"]:
        warnings.append("E1.on_stale detects gaps by the ids of trades or books; a feed of quotes alone has none")
    triggered = [
        key for key in ("stop_loss", "take_profit") if getattr(getattr(z1, key), "trigger", "touch") != "touch"
    ]
    if triggered and on_bars:
        warnings.append(f"bars have one price: the trigger of {' and '.join(triggered)} is a touch of it")
    return warnings


def _leverage(read: StrategyFile, z1: SectionZ1, refuse: Refuse) -> None:
    allowed = read.account.max_leverage or LEVERAGE_MAX
    if 1.0 <= z1.leverage <= allowed:
        return
    bounds = f"between 1 and {plain(allowed)}"
    more = ", or raise account.max_leverage" if z1.leverage > allowed and read.account.max_leverage else ""
    refuse((*Z1, "leverage"), f"{plain(z1.leverage)} is not {bounds}", f"write a number {bounds}{more}")


def _order(z1: SectionZ1, written: Mapping[str, Any], refuse: Refuse) -> None:
    order, path = z1.order, (*Z1, "order")
    if order.type == "market":
        for key in ("price", "offset_bps", "post_only", "limit_offset_bps"):
            if key in written and written[key] not in ("close", 0, 0.0, False):
                refuse((*path, key), f"a market order has no {key}", "write type: limit, or remove the key")
        if order.tif == "GTT" and order.ttl_s is None:
            refuse((*path, "ttl_s"), "GTT needs a time", "write for example ttl_s: 60, or remove tif")
        return
    if order.limit_offset_bps and order.type != "stop_limit":
        refuse(
            (*path, "limit_offset_bps"),
            f"a {order.type} order has no limit beside its price",
            "write type: stop_limit, or offset_bps",
        )
    if order.post_only and order.type != "limit":
        refuse(
            (*path, "post_only"), f"a {order.type} order cannot be post_only", "write type: limit, or post_only: false"
        )
    if order.post_only and order.tif in ("IOC", "FOK"):
        refuse((*path, "tif"), f"post_only and {order.tif} exclude each other", "write GTC or GTT, or post_only: false")
    if order.tif == "GTT" and order.ttl_s is None:
        refuse((*path, "ttl_s"), "GTT needs a time", "write for example ttl_s: 60")
    if order.ttl_s is not None and order.tif in ("IOC", "FOK"):
        refuse((*path, "ttl_s"), f"an order that is {order.tif} does not wait", "remove ttl_s, or write tif: GTT")


def _size(z1: SectionZ1, refuse: Refuse) -> None:
    size, path = z1.size, (*Z1, "size")
    bound = {"percentage": PERCENT_OF_EQUITY_MAX, "risk": 100.0}
    if size.type in bound and size.value > bound[size.type]:
        wanted = f"above 0 and at most {plain(bound[size.type])}"
        refuse((*path, "value"), f"{plain(size.value)} percent is not {wanted}", f"write a number {wanted}")
    stop = z1.stop_loss
    unarmed = isinstance(stop, StopTrailing) and stop.arm_pct > 0
    if size.type == "risk" and (stop is None or unarmed):
        remedy = "write a stop_loss (a trailing one without arm_pct), or another type of size"
        refuse((*path, "type"), "risk needs a stop_loss that works from the entry on", remedy)


def _stop(read: StrategyFile, z1: SectionZ1, refuse: Refuse) -> None:
    stop, target = z1.stop_loss, z1.take_profit
    is_short = read.direction == "SHORT"
    if isinstance(stop, StopPercent) and z1.leverage >= 1.0:
        # Isolated margin. An unlevered long is never liquidated, and a price cannot fall by 100 percent.
        room = 100.0 / z1.leverage - MAINTENANCE_PCT if z1.leverage > 1 or is_short else 100.0
        if stop.value >= room:
            message = f"{plain(stop.value)} % lies beyond the liquidation price at leverage {plain(z1.leverage)}"
            refuse((*Z1, "stop_loss", "value"), message, f"write less than {room:.4g}, or a lower leverage")
    if isinstance(target, StopPercent) and is_short and target.value >= 100:
        message = f"a short cannot gain {plain(target.value)} %"
        refuse((*Z1, "take_profit", "value"), message, "write less than 100")
    if isinstance(target, TargetLadder) and is_short and target.of == "percent" and target.steps[-1][0] >= 100:
        message = f"a short cannot gain {plain(target.steps[-1][0])} %"
        refuse((*Z1, "take_profit", "steps"), message, "write steps below 100")
