"""What passed through a window of prints: volume, deals, their rates against a base, and who took.

Here and in the files beside it a window is the place in the arena of the numbers of its two ends: beginning, end.
"""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import share_of
from tightloop.core.market import tapes


@leaf
def volume(state: Record, arena: Floats, window: int) -> float:
    """Volume of a window; NaN until it is warm."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    if not tapes.is_warm(state, old):
        return math.nan
    total = tapes.total(state, arena, old, new, tapes.SUM_V)
    assert total >= 0.0, "a sum of volumes does not fall"
    return total


@leaf
def deals(state: Record, arena: Floats, window: int) -> float:
    """How many prints a window holds; NaN until it is warm."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    count = tapes.rows_between(state, old, new)
    assert count >= 0, "a window begins before it ends"
    return float(count) if tapes.is_warm(state, old) else math.nan


@leaf
def length_s(state: Record, arena: Floats, window: int) -> float:
    """Seconds that a window covers."""
    length = tapes.seconds_between(state, tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1))
    assert length > 0.0, "a window begins before it ends"
    return length


@leaf
def surge(state: Record, arena: Floats, cur: int, base: int) -> float:
    """Volume a second of one window against that of another; NaN without any volume in the base."""
    now = volume(state, arena, cur) / length_s(state, arena, cur)
    return share_of(now, volume(state, arena, base) / length_s(state, arena, base))


@leaf
def deal_size(state: Record, arena: Floats, window: int) -> float:
    """Mean volume of a deal; NaN without a deal."""
    return share_of(volume(state, arena, window), deals(state, arena, window))


@leaf
def flow_imbalance(state: Record, arena: Floats, window: int) -> float:
    """What takers bought less what they sold, in percent of both; NaN without any volume."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    share = share_of(tapes.total(state, arena, old, new, tapes.SUM_SIGNED), volume(state, arena, window))
    # Two sums that are rounded apart may differ by a hair when all takers were on one side.
    return math.nan if math.isnan(share) else 100.0 * min(max(share, -1.0), 1.0)
