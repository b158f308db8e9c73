"""Default grid periods of windowed indicators, in seconds, as step functions of the window's length or age.

Indicators are recomputed on this grid even when no tick arrives; long or old windows change slowly and need fewer
points.
"""

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Record


def by_near_end(t2: float) -> float:
    """Return the grid period for time-weighted means: 1 s for a window ending now, up to 30 s for older ones."""
    for bound, grid_s in ((1.0, 1.0), (30.0, 2.0), (120.0, 5.0), (600.0, 10.0), (1_800.0, 15.0)):
        if t2 <= bound:
            return grid_s
    return 30.0


def by_length(t1: float) -> float:
    """Return the grid period for price moves: 1 s for windows up to 10 s, up to 10 s for longer ones."""
    for bound, grid_s in ((10.0, 1.0), (30.0, 2.0), (60.0, 5.0)):
        if t1 <= bound:
            return grid_s
    return 10.0


def by_age(t2: float) -> float:
    """Return the grid period for sums and imbalances: 1 s for a window ending now, at most 10 s for older ones."""
    for bound, grid_s in ((1.0, 1.0), (30.0, 2.0), (60.0, 5.0)):
        if t2 <= bound:
            return grid_s
    return 10.0


def by_window(t1: float) -> float:
    """Return the grid period for velocities and what derives from them: 1 s for short windows, at most 5 s."""
    for bound, grid_s in ((10.0, 1.0), (30.0, 2.0)):
        if t1 <= bound:
            return grid_s
    return 5.0


def by_interval(interval: float) -> float:
    """Return the grid period for samples ``interval`` seconds apart: at most 5 s."""
    for bound, grid_s in ((5.0, 1.0), (10.0, 2.0)):
        if interval <= bound:
            return grid_s
    return 5.0


@leaf
def written_ns(written_s: float, default_s: float) -> int:
    """Return the grid period in ns: the ``refresh`` a strategy wrote, else the indicator's default."""
    return int((written_s if written_s > 0.0 else default_s) * 1e9 + 0.5)


@leaf
def is_point(state: Record, refresh_ns: int) -> bool:
    """Tell whether this evaluation is on a grid point, after all ticks of that time were applied."""
    assert refresh_ns > 0, "a grid has a period"
    return state.is_grid != 0 and state.ts_ns % refresh_ns == 0


near_end_s, length_s, window_s, interval_s = leaf(by_near_end), leaf(by_length), leaf(by_window), leaf(by_interval)
"""The same functions for compiled code."""
