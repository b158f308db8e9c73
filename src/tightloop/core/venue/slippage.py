"""Slippage models of the simulated venues on bars and ticks."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import SlippageKind
from tightloop.core.domain.types import Record
from tightloop.core.hashing import uniform


@leaf
def slippage_rate(venue: Record, order: Record, qty: float, volume: float) -> float:
    """Return the fraction of the price (>= 0) that a taker loses, by the cost model of the order's instance.

    ``volume`` is what the fill is compared with for market impact, in base units: the volume of the bar, or the
    quantity shown by the book.
    """
    costs = venue.costs[order.instance]
    if costs.slippage_kind == SlippageKind.FIXED:
        return costs.slippage_bps / 10_000.0
    if costs.slippage_kind == SlippageKind.RANDOM:
        return costs.slippage_bps / 10_000.0 * uniform(venue.seed, order.id, order.fill_count)
    if costs.slippage_kind == SlippageKind.IMPACT:
        # Square-root impact: half spread (slippage_bps) + coefficient * sqrt(quantity / volume).
        share = qty * venue.instruments[order.instrument].rules.multiplier / volume if volume > 0.0 else 1.0
        return (costs.slippage_bps + costs.slippage_coefficient * math.sqrt(share)) / 10_000.0
    return 0.0
