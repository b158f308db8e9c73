"""Grid samples of a window's TWPA over a lookback, shared by MAX_TWPA, MIN_TWPA and AVG_TWPA."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grid_samples import (
    RING,
    count_of,
    forget_samples,
    keep_sample,
    lookback,
    sample_count,
    too_many,
)
from tightloop.core.indicators._grids import is_point, near_end_s, written_ns
from tightloop.core.indicators._one_window import T1, T2, grid, one_window
from tightloop.core.indicators._windows_of_time import mean_price
from tightloop.core.indicators.contract import REFRESH, Values
from tightloop.core.market import tapes

SAMPLED_TWPA = (T1, T2, lookback(600.0), REFRESH)

_T2, _LOOKBACK, _REFRESH, _OLD, _NEW = 2, 3, 4, 5, 6
SAMPLES = 7


def room_for_samples(parameters: Values) -> int:
    """Return the private memory size: a ring with one sample per grid point of the lookback."""
    return RING + sample_count(parameters, grid(parameters))


def refuse_samples(parameters: Values) -> tuple[str, str, str] | None:
    """Validate the window and the number of samples: (parameter, message, remedy), or None if valid."""
    return one_window(parameters) or too_many(parameters, grid(parameters))


@leaf
def sampled(state: Record, arena: Floats, base: int) -> int:
    """Take a sample if this is a grid point; return the number of samples in the ring, or 0 if none was taken.

    While the window is not warm, sets the output to NaN and discards the samples.
    """
    old, new = tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW)
    now = mean_price(state, arena, old, new)
    if math.isnan(now):
        forget_samples(arena, base + SAMPLES)
        arena[base] = math.nan
        return 0
    refresh_ns = written_ns(arena[base + _REFRESH], near_end_s(arena[base + _T2]))
    if not is_point(state, refresh_ns):
        return 0
    count = count_of(arena[base + _LOOKBACK], refresh_ns)
    assert count > 0, "a lookback holds the last point at least"
    keep_sample(state, arena, base + SAMPLES, count, refresh_ns, now)
    return count
