"""AVG_VOLUME: mean volume of a print; UNKNOWN in a window without one."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import (
    WINDOW,
    count_over,
    grid,
    no_memory,
    of_trades,
    one_window,
    share_of,
    sum_over,
)
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = "SUM_VOLUME / COUNT_DEALS, over (T - t1, T - t2]"
TAPES = ("trades",)

size = no_memory
ends = of_trades
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    deals = count_over(state, arena, base)
    arena[base] = share_of(sum_over(state, arena, base, tapes.SUM_V), deals)
