"""Trade flow of a window: volume, trade count, rates relative to a base window, buy/sell imbalance.

Here and in the sibling files, ``window`` is the arena index of the window's two edge numbers (indices into
``state.edges``): beginning, then end.
"""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import share_of
from tightloop.core.market import tapes


@leaf
def volume(state: Record, arena: Floats, window: int) -> float:
    """Return the traded volume of a window; NaN until it is warm."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    if not tapes.is_warm(state, old):
        return math.nan
    total = tapes.total(state, arena, old, new, tapes.SUM_V)
    assert total >= 0.0, "a sum of volumes does not fall"
    return total


@leaf
def deals(state: Record, arena: Floats, window: int) -> float:
    """Count the prints of a window; NaN until it is warm."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    count = tapes.rows_between(state, old, new)
    assert count >= 0, "a window begins before it ends"
    return float(count) if tapes.is_warm(state, old) else math.nan


@leaf
def length_s(state: Record, arena: Floats, window: int) -> float:
    """Return the length of a window in seconds."""
    length = tapes.seconds_between(state, tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1))
    assert length > 0.0, "a window begins before it ends"
    return length


@leaf
def surge(state: Record, arena: Floats, cur: int, base: int) -> float:
    """Return the ratio of volume per second, window ``cur`` over window ``base``; NaN if the base had no volume."""
    now = volume(state, arena, cur) / length_s(state, arena, cur)
    return share_of(now, volume(state, arena, base) / length_s(state, arena, base))


@leaf
def deal_size(state: Record, arena: Floats, window: int) -> float:
    """Return the mean volume per trade; NaN without trades."""
    return share_of(volume(state, arena, window), deals(state, arena, window))


@leaf
def flow_imbalance(state: Record, arena: Floats, window: int) -> float:
    """Return (taker buys - taker sells) / volume in percent, -100 to 100; NaN without volume."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    share = share_of(tapes.total(state, arena, old, new, tapes.SUM_SIGNED), volume(state, arena, window))
    # The sums round independently: with all takers on one side the ratio may exceed 1 by an ulp.
    return math.nan if math.isnan(share) else 100.0 * min(max(share, -1.0), 1.0)
