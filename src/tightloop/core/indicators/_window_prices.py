"""The price of a window by a selectable method, and the velocity between two windows."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_window
from tightloop.core.indicators._one_window import volume_time_mean
from tightloop.core.indicators._windows_of_time import move_pct, ordered
from tightloop.core.indicators.contract import Choice, End, Values, refresh_of, seconds
from tightloop.core.market import tapes

LAST, TWPA, VTWPA, MID = 0.0, 1.0, 2.0, 3.0
METHOD = Choice(
    "price_method",
    "last",
    ("last", "TWPA", "VTWPA", "mid"),
    "price of a window: in force at its end, mean over time, over time and volume, or of the mid price",
)
VELOCITY = (
    seconds("t1", 10.0, meaning="seconds before now; 0, with t2 0: the last price or mid price"),
    seconds("t2", 0.0),
    seconds("t3", 60.0, minimum=0.001, meaning="seconds before now at which the base begins"),
    seconds("t4", 30.0, meaning="seconds before now at which the base ends"),
    METHOD,
)


def ends_of_velocity(parameters: Values) -> tuple[End, ...]:
    """Return the boundaries of window and base, on the quote tape for method ``mid``, else on the trade tape."""
    tape = "quotes" if parameters["price_method"] == MID else "trades"
    return tuple((tape, parameters[name]) for name in ("t1", "t2", "t3", "t4"))


def velocity_grid(parameters: Values) -> float:
    """Return the grid period in seconds: as written, else the finer the shorter the window."""
    return refresh_of(parameters, by_window(parameters["t1"]))


def velocity_windows(parameters: Values) -> tuple[str, str, str] | None:
    """Check that both windows begin before they end; t1 = t2 = 0 is allowed and means the current price.

    Returns (parameter, message, remedy), or None if valid.
    """
    is_now = parameters["t1"] == parameters["t2"] == 0.0
    return (None if is_now else ordered(parameters, "t1", "t2")) or ordered(parameters, "t3", "t4")


@leaf
def price_between(state: Record, arena: Floats, old: int, new: int, method: float) -> float:
    """Return the price of the window between two boundaries by ``method``; NaN until it is warm.

    If both boundaries are the same instant, the price in force there.
    """
    if not tapes.is_warm(state, old):
        return math.nan
    is_window = state.edges[old].offset_ns > state.edges[new].offset_ns
    if method == MID:
        if is_window:
            return tapes.time_mean(state, arena, old, new, tapes.MID, tapes.MID_DT)
        return tapes.value(state, arena, new, tapes.MID)
    if method == LAST or not is_window:
        return tapes.value(state, arena, new, tapes.PRICE)
    if method == TWPA:
        return tapes.price_mean(state, old, new)
    assert method == VTWPA, "a method has a word"
    return volume_time_mean(state, arena, old, new)


@leaf
def velocity_at(state: Record, arena: Floats, place: int, method: float) -> float:
    """Return the change from the base's price to the window's price in percent; NaN until both are warm.

    ``place``: arena index of the four edge numbers (``state.edges``), window then base.
    """
    old, new = tapes.edge_of(arena, place), tapes.edge_of(arena, place + 1)
    now = price_between(state, arena, old, new, method)
    base_old, base_new = tapes.edge_of(arena, place + 2), tapes.edge_of(arena, place + 3)
    return move_pct(now, price_between(state, arena, base_old, base_new, method))
