"""TOTAL_LIQUIDITY: mean notional at the best bid and ask together, in the quote asset."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._books import quote_mean
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, of_quotes, one_window
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = "mean over time of bid quantity x bid + ask quantity x ask over (T - t1, T - t2]"
TAPES = ("quotes",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = of_quotes
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = quote_mean(state, arena, base + _ENDS, tapes.LIQUIDITY)
