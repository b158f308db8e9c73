"""DIRECTION_CONSISTENCY: the share of periods in which the price went the way it mostly went; 0 to 1."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._periods import (
    LOOKBACK,
    PERIODS,
    direction,
    ends_of_periods,
    grid_of_periods,
    is_due,
    is_known,
    too_long,
)
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = PERIODS
FORMULA = (
    "max(periods that rose, periods that fell) / `lookback`, of the last `lookback` periods: taken at the points of "
    "the grid, in force until the next"
)
TAPES = ("trades",)

size = no_memory
ends = ends_of_periods
refresh = grid_of_periods
refuse = too_long


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    if not is_known(state, arena, base):
        arena[base] = math.nan
    elif is_due(state, arena, base):
        up, down, count = 0, 0, int(arena[base + LOOKBACK])
        for age in range(count):
            went = direction(state, arena, base, age)
            up += 1 if went > 0.0 else 0
            down += 1 if went < 0.0 else 0
        assert up + down <= count, "a period goes one way"
        arena[base] = max(up, down) / count
