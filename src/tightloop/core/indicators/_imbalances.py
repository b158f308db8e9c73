"""Time-weighted order book imbalance of a window; time without any quoted quantity is left out."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.market import tapes

_SHARE_MIN = 1e-9  # share of the window: a shorter defined time is indistinguishable from float residue


@leaf
def imbalance(state: Record, arena: Floats, old: int, new: int) -> float:
    """Return the time-weighted mean imbalance between two boundaries, -100 to 100.

    NaN until the window is warm, and if no quantity was quoted during it.
    """
    if not tapes.is_warm(state, old):
        return math.nan
    undefined = tapes.time_mean(state, arena, old, new, tapes.UNDEFINED, tapes.UNDEFINED_DT)
    if undefined > 1.0 - _SHARE_MIN:
        return math.nan
    mean = tapes.time_mean(state, arena, old, new, tapes.IMBALANCE, tapes.IMBALANCE_DT) / (1.0 - undefined)
    assert abs(mean) < 101.0, "an imbalance lies between -100 and 100"
    return mean
