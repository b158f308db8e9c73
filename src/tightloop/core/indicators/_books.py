"""Time-weighted means of quote columns (spread, mid, liquidity) over a window."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.market import tapes


@leaf
def quote_mean(state: Record, arena: Floats, window: int, column: int) -> float:
    """Return the time-weighted mean of a quote column; NaN until the window is warm.

    ``window``: arena index of the window's two edge numbers (``state.edges``); ``column``: from ``tapes.BID`` to
    ``tapes.LIQUIDITY``.
    """
    assert tapes.BID <= column <= tapes.LIQUIDITY, "a column that has a sum over time"
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    if not tapes.is_warm(state, old):
        return math.nan
    return tapes.time_mean(state, arena, old, new, column, column + tapes.DT)
