"""The grids that windowed indicators are computed on though nothing happens, in seconds by the length of a window."""


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
