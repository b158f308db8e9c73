"""MAX_PRICE: highest price printed in the window; UNKNOWN without a print, unless the price in force counts."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._extremes import extreme, one_row
from tightloop.core.indicators._one_window import CARRIED, T1, T2, grid, of_trades, one_window
from tightloop.core.indicators.contract import REFRESH
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (T1, T2, CARRIED, REFRESH)
FORMULA = "highest price of the prints in (T - t1, T - t2]; carried: and of the one in force at T - t1"
TAPES = ("trades",)
NEEDS = ("extremes",)

_CARRIED, _OLD, _NEW, _MEMORY = 3, 5, 6, 7

size = one_row
ends = of_trades
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    old, new = tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW)
    arena[base] = extreme(state, arena, old, new, base + _MEMORY, tapes.NEXT_HIGH)
    if arena[base + _CARRIED] != 0.0 and tapes.is_warm(state, old):
        price = tapes.value(state, arena, old, tapes.PRICE)
        arena[base] = price if math.isnan(arena[base]) else max(arena[base], price)
