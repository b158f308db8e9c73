"""Samples of a measure taken at its grid points, over a lookback (P - lookback, P], P being the last grid point.

Memory: the number of the last grid point (0: none yet), then a ring of samples indexed by point number.
"""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Number, Values, seconds

SAMPLES_MAX = 4_096
RING = 1


def lookback(default: float) -> Number:
    """Declare the ``lookback`` parameter, in seconds before the last grid point."""
    return seconds("lookback", default, minimum=1.0, meaning="seconds before the last point of the grid")


def sample_count(parameters: Values, grid_s: float) -> int:
    """Count the grid points in the lookback, rounded up."""
    return -(-round(parameters["lookback"] * 1e9) // max(round(grid_s * 1e9), 1))


def too_many(parameters: Values, grid_s: float) -> tuple[str, str, str] | None:
    """Check that the ring can hold all samples; return (parameter, message, remedy), or None if valid."""
    count = sample_count(parameters, grid_s)
    if count <= SAMPLES_MAX:
        return None
    message = f"{parameters['lookback']:g} s hold {count} points {grid_s:g} s apart, more than {SAMPLES_MAX}"
    return "lookback", message, "write a shorter lookback, or a greater refresh"


@leaf
def count_of(lookback_s: float, refresh_ns: int) -> int:
    """Count the grid points in the lookback; ``sample_count`` for compiled code."""
    return -(-int(lookback_s * 1e9 + 0.5) // refresh_ns)


@leaf
def forget_samples(arena: Floats, memory: int) -> None:
    """Discard all samples after a data gap."""
    arena[memory] = 0.0


@leaf
def keep_sample(state: Record, arena: Floats, memory: int, count: int, refresh_ns: int, sample: float) -> None:
    """Store the sample of the current grid point; points skipped since the last one become NaN."""
    point = state.ts_ns // refresh_ns
    assert point >= int(arena[memory]), "samples come in order of time"
    for missed in range(max(int(arena[memory]) + 1, point - count + 1), point):
        arena[memory + RING + missed % count] = math.nan
    arena[memory + RING + point % count] = sample
    arena[memory] = float(point)


@leaf
def extreme_sample(arena: Floats, memory: int, count: int, sign: float) -> float:
    """Return the largest (``sign`` 1) or smallest (-1) sample; NaN if any sample is unknown."""
    assert count > 0, "a lookback holds the last point at least"
    largest = -math.inf
    for k in range(count):
        sample = sign * arena[memory + RING + k]
        if math.isnan(sample):
            return math.nan
        largest = max(largest, sample)
    return sign * largest


@leaf
def mean_sample(arena: Floats, memory: int, count: int) -> float:
    """Return the mean of the samples; NaN if any sample is unknown."""
    assert count > 0, "a lookback holds the last point at least"
    total = 0.0
    for k in range(count):
        total += arena[memory + RING + k]
    return total / count
