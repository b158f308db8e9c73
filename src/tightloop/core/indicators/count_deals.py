"""COUNT_DEALS: number of prints in the window."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import WINDOW, count_over, grid, no_memory, of_trades, one_window
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = "prints in (T - t1, T - t2]"
TAPES = ("trades",)

size = no_memory
ends = of_trades
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = count_over(state, arena, base)
