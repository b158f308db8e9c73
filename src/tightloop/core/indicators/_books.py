"""What the quotes of a window say: means over time of spread, middle and liquidity."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.market import tapes


@leaf
def quote_mean(state: Record, arena: Floats, window: int, column: int) -> float:
    """Mean over time of a column of the quotes; NaN until a quote lies at or before the beginning of the window."""
    assert tapes.BID <= column <= tapes.LIQUIDITY, "a column that has a sum over time"
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    if not tapes.is_warm(state, old):
        return math.nan
    return tapes.time_mean(state, arena, old, new, column, column + tapes.DT)
