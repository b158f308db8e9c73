"""Shared by indicators over one window (t1, t2): parameters, boundaries, default grid, means and sums."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_near_end
from tightloop.core.indicators._windows_of_time import ordered
from tightloop.core.indicators.contract import REFRESH, Choice, End, Values, refresh_of, seconds
from tightloop.core.market import tapes

T1, T2 = seconds("t1", 60.0, minimum=0.001), seconds("t2", 0.0)
WINDOW = (T1, T2, REFRESH)
OLD, NEW = 4, 5
"""Offsets of the window's edge numbers from ``base``: after the one output and the parameters of WINDOW."""

CARRIED = Choice(
    "carried", "excluded", ("excluded", "included"), "whether the price in force at the beginning of the window counts"
)
CARRIED_IN = Choice("carried", "included", CARRIED.words, "whether the price in force stands in for a missing print")


def no_memory(parameters: Values) -> int:
    """Return the private memory size: none."""
    return 0


def of_trades(parameters: Values) -> tuple[End, ...]:
    """Return the boundaries of the window (t1, t2) on the trade tape."""
    return ("trades", parameters["t1"]), ("trades", parameters["t2"])


def of_quotes(parameters: Values) -> tuple[End, ...]:
    """Return the boundaries of the window (t1, t2) on the quote tape."""
    return ("quotes", parameters["t1"]), ("quotes", parameters["t2"])


def up_to_now(parameters: Values) -> tuple[End, ...]:
    """Return the boundaries of the window (t1, 0) on the trade tape."""
    return ("trades", parameters["t1"]), ("trades", 0.0)


def grid(parameters: Values) -> float:
    """Return the grid period in seconds: as written, else the finer the closer the window ends to now."""
    return refresh_of(parameters, by_near_end(parameters["t2"]))


def one_window(parameters: Values) -> tuple[str, str, str] | None:
    """Check that t1 lies before t2; return (parameter, message, remedy), or None if valid."""
    return ordered(parameters, "t1", "t2")


@leaf
def is_known(state: Record, arena: Floats, base: int) -> bool:
    """Tell whether the window is warm: a tick at or before its beginning, and no data gap since."""
    return tapes.is_warm(state, tapes.edge_of(arena, base + OLD))


@leaf
def mean_over(state: Record, arena: Floats, base: int, column: int, sums: int) -> float:
    """Return the time-weighted mean of tape column ``column``; NaN until the window is warm.

    ``sums`` is the column that accumulates its time integral.
    """
    if not is_known(state, arena, base):
        return math.nan
    old, new = tapes.edge_of(arena, base + OLD), tapes.edge_of(arena, base + NEW)
    return tapes.time_mean(state, arena, old, new, column, sums)


@leaf
def sum_over(state: Record, arena: Floats, base: int, column: int) -> float:
    """Return the sum of a cumulative column over the window: 0 if it is empty, NaN until it is warm."""
    if not is_known(state, arena, base):
        return math.nan
    return tapes.total(state, arena, tapes.edge_of(arena, base + OLD), tapes.edge_of(arena, base + NEW), column)


@leaf
def count_over(state: Record, arena: Floats, base: int) -> float:
    """Count the ticks of the window; NaN until it is warm."""
    if not is_known(state, arena, base):
        return math.nan
    count = tapes.rows_between(state, tapes.edge_of(arena, base + OLD), tapes.edge_of(arena, base + NEW))
    assert count >= 0, "a window begins before it ends"
    return float(count)


@leaf
def share_of(part: float, whole: float) -> float:
    """Return ``part / whole``; NaN unless ``whole`` is positive."""
    return part / whole if whole > 0.0 else math.nan


@leaf
def volume_time_mean(state: Record, arena: Floats, old: int, new: int) -> float:
    """Return the volume- and time-weighted price (VTWPA) between two warm boundaries; NaN if no volume was in force.

    Each print weighs its volume times the time until the next print.
    """
    assert tapes.is_warm(state, old), "a mean needs a warm window"
    priced = tapes.time_mean(state, arena, old, new, tapes.PV, tapes.PV_DT)
    return share_of(priced, tapes.time_mean(state, arena, old, new, tapes.VOLUME, tapes.VOLUME_DT))
