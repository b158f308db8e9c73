"""The slippage of the simulated venues: the share of its price that a taker loses."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import SlippageKind
from tightloop.core.domain.types import Record
from tightloop.core.hashing import uniform


@leaf
def slippage_rate(venue: Record, order: Record, qty: float, volume: float) -> float:
    """Share of the price that a taker loses, >= 0."""
    costs = venue.costs[order.instance]
    if costs.slippage_kind == SlippageKind.FIXED:
        return costs.slippage_bps / 10_000.0
    if costs.slippage_kind == SlippageKind.RANDOM:
        return costs.slippage_bps / 10_000.0 * uniform(venue.seed, order.id, order.fill_count)
    if costs.slippage_kind == SlippageKind.IMPACT:
        # Square-root law: half the spread, and the coefficient times the root of the share of the volume taken.
        share = qty * venue.instruments[order.instrument].rules.multiplier / volume if volume > 0.0 else 1.0
        return (costs.slippage_bps + costs.slippage_coefficient * math.sqrt(share)) / 10_000.0
    return 0.0
