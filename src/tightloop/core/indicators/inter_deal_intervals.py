"""INTER_DEAL_INTERVALS: mean seconds between the deals of a window."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._flows import deals
from tightloop.core.indicators._intervals import between_prints
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, of_trades, one_window
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = "mean of the seconds from deal to deal, both in (T - t1, T - t2]; UNKNOWN with fewer than 2 deals"
TAPES = ("trades",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = of_trades
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    count = deals(state, arena, base + _ENDS) - 1.0
    arena[base] = math.nan
    if count >= 1.0:
        whole_ns = between_prints(state, arena, base + _ENDS, tapes.TIME)
        assert whole_ns >= 0.0, "prints come in order of time"
        arena[base] = whole_ns * 1e-9 / count
