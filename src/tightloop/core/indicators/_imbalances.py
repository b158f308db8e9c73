"""The imbalance of a window: the mean over the time in which there was one."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.market import tapes

_SHARE_MIN = 1e-9  # of a window: less defined time than this is rounding


@leaf
def imbalance(state: Record, arena: Floats, old: int, new: int) -> float:
    """Mean over time between two ends, -100 to 100; NaN before the window is warm, and without a quantity in it."""
    if not tapes.is_warm(state, old):
        return math.nan
    undefined = tapes.time_mean(state, arena, old, new, tapes.UNDEFINED, tapes.UNDEFINED_DT)
    if undefined > 1.0 - _SHARE_MIN:
        return math.nan
    mean = tapes.time_mean(state, arena, old, new, tapes.IMBALANCE, tapes.IMBALANCE_DT) / (1.0 - undefined)
    assert abs(mean) < 101.0, "an imbalance lies between -100 and 100"
    return mean
