"""VELOCITY: how far the price of a window lies above that of a base, in percent, by a selectable method."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._window_prices import (
    VELOCITY,
    ends_of_velocity,
    velocity_at,
    velocity_grid,
    velocity_windows,
)
from tightloop.core.indicators.contract import REFRESH
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (*VELOCITY, REFRESH)
FORMULA = "100 (P(t1, t2) - P(t3, t4)) / P(t3, t4), P the price of a window by `price_method`"
TAPES = ()
NEEDS = ("moments",)

_METHOD, _ENDS = 5, 7

size = no_memory
ends = ends_of_velocity
refresh = velocity_grid
refuse = velocity_windows


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = velocity_at(state, arena, base + _ENDS, arena[base + _METHOD])
