"""TRADE_FREQUENCY: deals per minute; 0 in a window without one."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._flows import deals, length_s
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, of_trades, one_window
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = "60 x deals in (T - t1, T - t2] / (t1 - t2), in deals per minute"
TAPES = ("trades",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = of_trades
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = 60.0 * deals(state, arena, base + _ENDS) / length_s(state, arena, base + _ENDS)
