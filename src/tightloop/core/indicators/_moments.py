"""Deviations over a window, from sums of values and of their squares. Sigma is the population's.

A return belongs to the print that makes it: from the print before, be that still in the window or the last before it,
so every return is in exactly one of two windows that meet.
"""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.market import tapes

SAMPLES_MIN = 5


@leaf
def variance(count: float, total: float, squares: float) -> float:
    """Population variance from plain sums; below 0 lies rounding alone."""
    assert count > 0.0, "a variance is of something"
    assert squares >= 0.0, "a sum of squares does not fall"
    mean = total / count
    return max(squares / count - mean * mean, 0.0)


@leaf
def price_volatility(state: Record, arena: Floats, window: int) -> float:
    """Sigma of the returns from print to print in percent; NaN with fewer than two."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    count = float(tapes.rows_between(state, old, new))
    if not tapes.is_warm(state, old) or count < 2.0:
        return math.nan
    total = tapes.total(state, arena, old, new, tapes.SUM_R)
    return 100.0 * math.sqrt(variance(count, total, tapes.total(state, arena, old, new, tapes.SUM_RR)))


@leaf
def size_volatility(state: Record, arena: Floats, window: int) -> float:
    """Sigma of the volumes of prints over their mean; NaN with fewer than two or without volume."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    count = float(tapes.rows_between(state, old, new))
    total = tapes.total(state, arena, old, new, tapes.SUM_V)
    if not tapes.is_warm(state, old) or count < 2.0 or total <= 0.0:
        return math.nan
    return math.sqrt(variance(count, total, tapes.total(state, arena, old, new, tapes.SUM_VV))) * count / total


@leaf
def spread_volatility(state: Record, arena: Floats, window: int) -> float:
    """Sigma of the spreads of quotes, in the unit of the price; NaN with fewer than SAMPLES_MIN."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    count = float(tapes.rows_between(state, old, new))
    if not tapes.is_warm(state, old) or count < SAMPLES_MIN:
        return math.nan
    total = tapes.total(state, arena, old, new, tapes.SUM_SPREAD)
    return math.sqrt(variance(count, total, tapes.total(state, arena, old, new, tapes.SUM_SPREAD_2)))
