"""MOMENTUM_REVERSAL_INDEX: how much of its peak the velocity has lost; 0 (at the peak) to -100 (all of it).

The peak is the greatest velocity of a lookback, sampled on the grid.
"""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grid_samples import (
    RING,
    count_of,
    extreme_sample,
    forget_samples,
    keep_sample,
    lookback,
    sample_count,
    too_many,
)
from tightloop.core.indicators._grids import by_length, is_point, length_s, written_ns
from tightloop.core.indicators._price_moves import base_before_now, ends_of_move, move, speed_at
from tightloop.core.indicators.contract import REFRESH, End, Number, Values, refresh_of
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value", "peak")
PARAMETERS = (
    *move(),
    lookback(600.0),
    Number(
        "min_velocity", 0.001, 0.0, 100.0, meaning="percent per second; UNKNOWN when the peak is smaller in magnitude"
    ),
    REFRESH,
)
FORMULA = (
    "100 (V - peak) / |peak|, no less than -100, with V = PRICE_VELOCITY(t1, t3, d) and peak the greatest of V and of "
    "its samples in (P - lookback, P], P the last point of the grid; UNKNOWN when one of them is"
)
TAPES = ("trades",)

_T1, _LOOKBACK, _MIN_VELOCITY, _REFRESH, _ENDS = 2, 5, 6, 7, 8
_SAMPLED, _SAMPLES = 12, 13


def size(parameters: Values) -> int:
    return 1 + RING + sample_count(parameters, refresh(parameters))


def ends(parameters: Values) -> tuple[End, ...]:
    return ends_of_move(parameters)


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_length(parameters["t1"]))


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    return base_before_now(parameters) or too_many(parameters, refresh(parameters))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    velocity = speed_at(state, arena, base + _ENDS, base + _T1)
    arena[base] = math.nan
    if math.isnan(velocity):
        forget_samples(arena, base + _SAMPLES)
        arena[base + _SAMPLED] = math.nan
        arena[base + 1] = math.nan
        return
    refresh_ns = written_ns(arena[base + _REFRESH], length_s(arena[base + _T1]))
    if is_point(state, refresh_ns):
        count = count_of(arena[base + _LOOKBACK], refresh_ns)
        keep_sample(state, arena, base + _SAMPLES, count, refresh_ns, velocity)
        arena[base + _SAMPLED] = extreme_sample(arena, base + _SAMPLES, count, 1.0)
    peak = math.nan if math.isnan(arena[base + _SAMPLED]) else max(arena[base + _SAMPLED], velocity)
    assert not peak < velocity, "a peak is no less than now"
    if abs(peak) > 0.0 and abs(peak) >= arena[base + _MIN_VELOCITY]:
        arena[base] = max(100.0 * (velocity - peak) / abs(peak), -100.0)
    arena[base + 1] = peak
