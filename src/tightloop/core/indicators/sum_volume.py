"""SUM_VOLUME: volume traded in the window, in contracts."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, of_trades, one_window, sum_over
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = "sum of the volumes of the prints in (T - t1, T - t2]"
TAPES = ("trades",)

size = no_memory
ends = of_trades
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = sum_over(state, arena, base, tapes.SUM_V)
