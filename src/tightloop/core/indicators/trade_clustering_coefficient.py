"""TRADE_CLUSTERING_COEFFICIENT: how uneven the times between deals are; about 1 when they come at random."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._flows import deals
from tightloop.core.indicators._intervals import between_prints
from tightloop.core.indicators._moments import SAMPLES_MIN, variance
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, of_trades, one_window
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = (
    "population variance / mean^2 of the times between deals of INTER_DEAL_INTERVALS; UNKNOWN with fewer than "
    "5 or when all deals fall on one instant"
)
TAPES = ("trades",)
NEEDS = ("moments",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = of_trades
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    count = deals(state, arena, base + _ENDS) - 1.0
    arena[base] = math.nan
    if count >= SAMPLES_MIN:
        total = between_prints(state, arena, base + _ENDS, tapes.TIME) * 1e-9
        if total > 0.0:
            squares = between_prints(state, arena, base + _ENDS, tapes.SUM_GG)
            arena[base] = variance(count, total, squares) * (count / total) ** 2
