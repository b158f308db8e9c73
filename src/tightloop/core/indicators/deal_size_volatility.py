"""DEAL_SIZE_VOLATILITY: sigma of the volumes of deals over their mean."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._moments import size_volatility
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, of_trades, one_window
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = (
    "population sigma / mean of the volume of the deals of (T - t1, T - t2]; "
    "UNKNOWN with fewer than 2 or without volume"
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
    arena[base] = size_volatility(state, arena, base + _ENDS)
