"""TW_MIDPRICE: time-weighted mean of the mid price; UNKNOWN before a quote lies at its beginning."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import WINDOW, grid, mean_over, no_memory, of_quotes, one_window
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = "sum of (bid + ask) / 2 x seconds in force / (t1 - t2), over (T - t1, T - t2]"
TAPES = ("quotes",)

size = no_memory
ends = of_quotes
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = mean_over(state, arena, base, tapes.MID, tapes.MID_DT)
