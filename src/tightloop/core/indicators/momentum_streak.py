"""MOMENTUM_STREAK: how many periods in a row, up to now, the price went one way; above 0 up, below 0 down."""

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
    "signed count of consecutive periods, up to the latest of the last `lookback`, whose velocity has the sign of the "
    "latest, 0 when that was flat: taken at the points of the grid, in force until the next"
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
        latest = direction(state, arena, base, 0)
        age = 1
        while age < int(arena[base + LOOKBACK]) and direction(state, arena, base, age) == latest:
            age += 1
        assert age >= 1, "the latest period is of its streak"
        arena[base] = latest * age
