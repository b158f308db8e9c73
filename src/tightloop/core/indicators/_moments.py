"""Volatilities over a window, from running sums of values and squares; sigma is the population's.

A return belongs to the later of its two prints, even if the earlier one precedes the window, so adjacent windows
partition the returns.
"""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.market import tapes

SAMPLES_MIN = 5


@leaf
def variance(count: float, total: float, squares: float) -> float:
    """Return the population variance from count, sum and sum of squares; negative float residue is cut to 0."""
    assert count > 0.0, "a variance is of something"
    assert squares >= 0.0, "a sum of squares does not fall"
    mean = total / count
    return max(squares / count - mean * mean, 0.0)


@leaf
def price_volatility(state: Record, arena: Floats, window: int) -> float:
    """Return the sigma of print-to-print returns in percent; NaN with fewer than 2 prints or until warm."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    count = float(tapes.rows_between(state, old, new))
    if not tapes.is_warm(state, old) or count < 2.0:
        return math.nan
    total = tapes.total(state, arena, old, new, tapes.SUM_R)
    return 100.0 * math.sqrt(variance(count, total, tapes.total(state, arena, old, new, tapes.SUM_RR)))


@leaf
def size_volatility(state: Record, arena: Floats, window: int) -> float:
    """Return sigma / mean of trade volumes; NaN with fewer than 2 prints, without volume, or until warm."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    count = float(tapes.rows_between(state, old, new))
    total = tapes.total(state, arena, old, new, tapes.SUM_V)
    if not tapes.is_warm(state, old) or count < 2.0 or total <= 0.0:
        return math.nan
    return math.sqrt(variance(count, total, tapes.total(state, arena, old, new, tapes.SUM_VV))) * count / total


@leaf
def spread_volatility(state: Record, arena: Floats, window: int) -> float:
    """Return the sigma of quoted spreads in price units; NaN with fewer than SAMPLES_MIN quotes."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    count = float(tapes.rows_between(state, old, new))
    if not tapes.is_warm(state, old) or count < SAMPLES_MIN:
        return math.nan
    total = tapes.total(state, arena, old, new, tapes.SUM_SPREAD)
    return math.sqrt(variance(count, total, tapes.total(state, arena, old, new, tapes.SUM_SPREAD_2)))
