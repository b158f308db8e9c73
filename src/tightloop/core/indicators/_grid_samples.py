"""Samples of a measure at the points of its grid, and what is made of those of a lookback (P - lookback, P].

P is the last point of the grid. Memory: the number of the last point (0: none), then a ring of samples by number.
"""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Number, Values, seconds

SAMPLES_MAX = 4_096
RING = 1


def lookback(default: float) -> Number:
    """How far samples reach back."""
    return seconds("lookback", default, minimum=1.0, meaning="seconds before the last point of the grid")


def sample_count(parameters: Values, grid_s: float) -> int:
    """How many points of the grid lie in the lookback."""
    return -(-round(parameters["lookback"] * 1e9) // max(round(grid_s * 1e9), 1))


def too_many(parameters: Values, grid_s: float) -> tuple[str, str, str] | None:
    """There is room for the samples."""
    count = sample_count(parameters, grid_s)
    if count <= SAMPLES_MAX:
        return None
    message = f"{parameters['lookback']:g} s hold {count} points {grid_s:g} s apart, more than {SAMPLES_MAX}"
    return "lookback", message, "write a shorter lookback, or a greater refresh"


@leaf
def count_of(lookback_s: float, refresh_ns: int) -> int:
    """``sample_count`` in compiled code."""
    return -(-int(lookback_s * 1e9 + 0.5) // refresh_ns)


@leaf
def forget_samples(arena: Floats, memory: int) -> None:
    """There was a gap: no sample before it counts."""
    arena[memory] = 0.0


@leaf
def keep_sample(state: Record, arena: Floats, memory: int, count: int, refresh_ns: int, sample: float) -> None:
    """Now is a point of the grid: keep its sample. Points since the last one that were left out are UNKNOWN."""
    point = state.ts_ns // refresh_ns
    assert point >= int(arena[memory]), "samples come in order of time"
    for missed in range(max(int(arena[memory]) + 1, point - count + 1), point):
        arena[memory + RING + missed % count] = math.nan
    arena[memory + RING + point % count] = sample
    arena[memory] = float(point)


@leaf
def extreme_sample(arena: Floats, memory: int, count: int, sign: float) -> float:
    """The greatest sample (``sign`` 1) or the least (-1); NaN when one of them is not known."""
    assert count > 0, "a lookback holds the last point at least"
    found = -math.inf
    for k in range(count):
        sample = sign * arena[memory + RING + k]
        if math.isnan(sample):
            return math.nan
        found = max(found, sample)
    return sign * found


@leaf
def mean_sample(arena: Floats, memory: int, count: int) -> float:
    """The plain mean of the samples; NaN when one of them is not known."""
    assert count > 0, "a lookback holds the last point at least"
    total = 0.0
    for k in range(count):
        total += arena[memory + RING + k]
    return total / count
