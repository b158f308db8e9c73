"""SPREAD_VOLATILITY: how much the spread differs from quote to quote; UNKNOWN with fewer than 5 quotes."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._books import quote_mean
from tightloop.core.indicators._moments import spread_volatility
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, of_quotes, one_window
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value", "pct")
PARAMETERS = WINDOW
FORMULA = (
    "population sigma of ask - bid over the quotes of (T - t1, T - t2], each counted once, in the unit of the "
    "price; pct: in percent of the mean mid over time"
)
TAPES = ("quotes",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = of_quotes
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = spread_volatility(state, arena, base + _ENDS)
    arena[base + 1] = 100.0 * arena[base] / quote_mean(state, arena, base + _ENDS, tapes.MID)
