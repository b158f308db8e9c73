"""BEST_ASK: best ask, of the last quote; UNKNOWN without one."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._last_quote import every_second, no_ends
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators.contract import REFRESH
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (REFRESH,)
FORMULA = "best ask of the last quote"
TAPES = ("quotes",)

size = no_memory
ends = no_ends
refresh = every_second


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = state.instruments[instrument].ask
