"""ORDER_FLOW_IMBALANCE: balance of taker volume, -100 (only sells) to 100 (only buys); UNKNOWN without volume."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._flows import flow_imbalance
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, of_trades, one_window
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = "100 (volume bought - volume sold) / volume, by takers of the prints over (T - t1, T - t2]"
TAPES = ("trades",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = of_trades
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = flow_imbalance(state, arena, base + _ENDS)
