"""FIRST_PRICE: price of the first print in the window; without one, of the print in force."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import CARRIED_IN, T1, T2, grid, no_memory, of_trades, one_window
from tightloop.core.indicators.contract import REFRESH
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (T1, T2, CARRIED_IN, REFRESH)
FORMULA = "price of the first print in (T - t1, T - t2]; carried: the price in force at T - t1 when there is none"
TAPES = ("trades",)

_CARRIED, _OLD, _NEW = 3, 5, 6

size = no_memory
ends = of_trades
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    old, new = tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW)
    arena[base] = math.nan
    if tapes.is_warm(state, old):
        begin = state.edges[old]
        assert begin.at >= 0, "a warm window has a print"
        if tapes.rows_between(state, old, new) > 0:
            arena[base] = arena[tapes.row_at(state.tapes[begin.tape], begin.at + 1) + tapes.PRICE]
        elif arena[base + _CARRIED] != 0.0:
            arena[base] = tapes.value(state, arena, old, tapes.PRICE)
