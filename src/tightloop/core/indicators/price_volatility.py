"""PRICE_VOLATILITY: sigma of the returns from deal to deal, in percent; it grows with time between deals."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._moments import price_volatility
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, of_trades, one_window
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = (
    "100 x population sigma of price / previous price - 1 over the deals of (T - t1, T - t2]; UNKNOWN with fewer than 2"
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
    arena[base] = price_volatility(state, arena, base + _ENDS)
