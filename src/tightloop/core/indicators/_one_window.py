"""What indicators over one window (t1, t2) share: its parameters, ends, grid, and means over it."""

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
"""Where the ends of the window stand, counted from the one output, after the parameters of WINDOW."""

CARRIED = Choice(
    "carried", "excluded", ("excluded", "included"), "whether the price in force at the beginning of the window counts"
)
CARRIED_IN = Choice("carried", "included", CARRIED.words, "whether the price in force stands in for a missing print")


def no_memory(parameters: Values) -> int:
    """Nothing is kept from one event to the next."""
    return 0


def of_trades(parameters: Values) -> tuple[End, ...]:
    """The window on the tape of prints."""
    return ("trades", parameters["t1"]), ("trades", parameters["t2"])


def of_quotes(parameters: Values) -> tuple[End, ...]:
    """The window on the tape of quotes."""
    return ("quotes", parameters["t1"]), ("quotes", parameters["t2"])


def up_to_now(parameters: Values) -> tuple[End, ...]:
    """The window (t1, 0) on the tape of prints."""
    return ("trades", parameters["t1"]), ("trades", 0.0)


def grid(parameters: Values) -> float:
    """The nearer the window ends to now, the finer."""
    return refresh_of(parameters, by_near_end(parameters["t2"]))


def one_window(parameters: Values) -> tuple[str, str, str] | None:
    """The window is one."""
    return ordered(parameters, "t1", "t2")


@leaf
def is_known(state: Record, arena: Floats, base: int) -> bool:
    """Whether a tick lies at or before the beginning of the window, and no gap since."""
    return tapes.is_warm(state, tapes.edge_of(arena, base + OLD))


@leaf
def mean_over(state: Record, arena: Floats, base: int, column: int, sums: int) -> float:
    """Mean over time of a column; NaN until the window is known."""
    if not is_known(state, arena, base):
        return math.nan
    old, new = tapes.edge_of(arena, base + OLD), tapes.edge_of(arena, base + NEW)
    return tapes.time_mean(state, arena, old, new, column, sums)


@leaf
def sum_over(state: Record, arena: Floats, base: int, column: int) -> float:
    """A plain sum; NaN until the window is known, 0 when it is empty."""
    if not is_known(state, arena, base):
        return math.nan
    return tapes.total(state, arena, tapes.edge_of(arena, base + OLD), tapes.edge_of(arena, base + NEW), column)


@leaf
def count_over(state: Record, arena: Floats, base: int) -> float:
    """How many ticks the window holds; NaN until it is known."""
    if not is_known(state, arena, base):
        return math.nan
    count = tapes.rows_between(state, tapes.edge_of(arena, base + OLD), tapes.edge_of(arena, base + NEW))
    assert count >= 0, "a window begins before it ends"
    return float(count)


@leaf
def share_of(part: float, whole: float) -> float:
    """One sum by another; NaN when the other is not above 0, or not known."""
    return part / whole if whole > 0.0 else math.nan


@leaf
def volume_time_mean(state: Record, arena: Floats, old: int, new: int) -> float:
    """VTWPA between two warm ends; NaN when no volume was in force."""
    assert tapes.is_warm(state, old), "means are of what is known"
    priced = tapes.time_mean(state, arena, old, new, tapes.PV, tapes.PV_DT)
    return share_of(priced, tapes.time_mean(state, arena, old, new, tapes.VOLUME, tapes.VOLUME_DT))
