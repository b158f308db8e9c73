"""The grids that windowed indicators are computed on though nothing happens, in seconds by the length of a window."""

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Record


def by_near_end(t2: float) -> float:
    """For means over time: the nearer a window ends to now, the finer."""
    for bound, grid_s in ((1.0, 1.0), (30.0, 2.0), (120.0, 5.0), (600.0, 10.0), (1_800.0, 15.0)):
        if t2 <= bound:
            return grid_s
    return 30.0


def by_length(t1: float) -> float:
    """For moves of the price: the shorter the window, the finer."""
    for bound, grid_s in ((10.0, 1.0), (30.0, 2.0), (60.0, 5.0)):
        if t1 <= bound:
            return grid_s
    return 10.0


def by_age(t2: float) -> float:
    """For sums and imbalances: the nearer a window ends to now, the finer, and no finer than they move."""
    for bound, grid_s in ((1.0, 1.0), (30.0, 2.0), (60.0, 5.0)):
        if t2 <= bound:
            return grid_s
    return 10.0


def by_window(t1: float) -> float:
    """For velocities and what is made of them."""
    for bound, grid_s in ((10.0, 1.0), (30.0, 2.0)):
        if t1 <= bound:
            return grid_s
    return 5.0


def by_interval(interval: float) -> float:
    """For samples that are so far apart."""
    for bound, grid_s in ((5.0, 1.0), (10.0, 2.0)):
        if interval <= bound:
            return grid_s
    return 5.0


@leaf
def written_ns(written_s: float, own_s: float) -> int:
    """Nanoseconds between two points: what a strategy wrote as ``refresh``, else the indicator's own."""
    return int((written_s if written_s > 0.0 else own_s) * 1e9 + 0.5)


@leaf
def is_point(state: Record, refresh_ns: int) -> bool:
    """Whether now is a point of this grid, all that came at its time included."""
    assert refresh_ns > 0, "a grid has a period"
    return state.is_grid != 0 and state.ts_ns % refresh_ns == 0


near_end_s, length_s, window_s, interval_s = leaf(by_near_end), leaf(by_length), leaf(by_window), leaf(by_interval)
"""The same for compiled code."""
