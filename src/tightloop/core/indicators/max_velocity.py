"""MAX_VELOCITY: the greatest velocity, in percent, that was sampled on the grid during a lookback."""

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
from tightloop.core.indicators._grids import is_point, window_s, written_ns
from tightloop.core.indicators._window_prices import (
    VELOCITY,
    ends_of_velocity,
    velocity_at,
    velocity_grid,
    velocity_windows,
)
from tightloop.core.indicators.contract import REFRESH, Values
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (*VELOCITY, lookback(600.0), REFRESH)
FORMULA = (
    "greatest VELOCITY(t1, t2, t3, t4, price_method) at the points of the grid in (P - lookback, P], P the last one; "
    "UNKNOWN when one of them is"
)
TAPES = ()
NEEDS = ("moments",)

_T1, _METHOD, _LOOKBACK, _REFRESH, _ENDS, _SAMPLES = 1, 5, 6, 7, 8, 12

ends = ends_of_velocity
refresh = velocity_grid


def size(parameters: Values) -> int:
    return RING + sample_count(parameters, refresh(parameters))


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    return velocity_windows(parameters) or too_many(parameters, refresh(parameters))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    old, base_old = tapes.edge_of(arena, base + _ENDS), tapes.edge_of(arena, base + _ENDS + 2)
    if not (tapes.is_warm(state, old) and tapes.is_warm(state, base_old)):
        forget_samples(arena, base + _SAMPLES)
        arena[base] = math.nan
        return
    refresh_ns = written_ns(arena[base + _REFRESH], window_s(arena[base + _T1]))
    if is_point(state, refresh_ns):
        count = count_of(arena[base + _LOOKBACK], refresh_ns)
        now = velocity_at(state, arena, base + _ENDS, arena[base + _METHOD])
        keep_sample(state, arena, base + _SAMPLES, count, refresh_ns, now)
        arena[base] = extreme_sample(arena, base + _SAMPLES, count, 1.0)
