"""SPREAD_PERCENTAGE: mean spread in percent of the mean mid price, both time-weighted."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._books import quote_mean
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, of_quotes, one_window
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = "100 x mean of (ask - bid) / mean of (ask + bid) / 2, means over time over (T - t1, T - t2]"
TAPES = ("quotes",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = of_quotes
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    window = base + _ENDS
    arena[base] = 100.0 * quote_mean(state, arena, window, tapes.SPREAD) / quote_mean(state, arena, window, tapes.MID)
