"""The peak of a velocity over a lookback, and the share of it that is lost.

Memory: the largest sample, then the ring of samples.
"""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grid_samples import (
    RING,
    count_of,
    extreme_sample,
    forget_samples,
    keep_sample,
    sample_count,
)
from tightloop.core.indicators._grids import is_point
from tightloop.core.indicators.contract import Number, Values

SMALLEST_MOVE = Number(
    "min_denominator_rel", 1e-5, 0.0, 1.0, meaning="UNKNOWN when the peak is below this share of the base price"
)


def peak_floats(parameters: Values, grid_s: float) -> int:
    """Return the private memory size in floats."""
    return 1 + RING + sample_count(parameters, grid_s)


@leaf
def peak(state: Record, arena: Floats, memory: int, lookback_s: float, refresh_ns: int, velocity: float) -> float:
    """Return the largest of ``velocity`` and its grid samples in the lookback; NaN unless all of them are known.

    An unknown velocity (not warm, or a data gap) discards the samples.
    """
    if math.isnan(velocity):
        forget_samples(arena, memory + 1)
        arena[memory] = math.nan
        return math.nan
    assert refresh_ns > 0, "points of a grid lie apart"
    if is_point(state, refresh_ns):
        count = count_of(lookback_s, refresh_ns)
        keep_sample(state, arena, memory + 1, count, refresh_ns, velocity)
        arena[memory] = extreme_sample(arena, memory + 1, count, 1.0)
    if arena[memory + 1] == 0.0 or math.isnan(arena[memory]):
        return math.nan
    return max(arena[memory], velocity)


@leaf
def death(velocity: float, highest: float, floor_rel: float) -> float:
    """Return the lost share of a velocity's peak, (peak - now) / peak; NaN if the peak is too small to divide by."""
    assert not highest < velocity, "a peak is no less than now"
    return (highest - velocity) / highest if highest > max(100.0 * floor_rel, 0.0) else math.nan
