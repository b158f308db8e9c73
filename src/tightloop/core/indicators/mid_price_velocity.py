"""MID_PRICE_VELOCITY: deviation of the mid price from its time-weighted mean, in percent."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._books import quote_mean
from tightloop.core.indicators._grids import by_length
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._windows_of_time import move_pct
from tightloop.core.indicators.contract import REFRESH, End, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (seconds("t1", 60.0, minimum=0.5), REFRESH)
FORMULA = "100 (mid of the last quote - m) / m with m = mean over time of the mid over (T - t1, T]"
TAPES = ("quotes",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory


def ends(parameters: Values) -> tuple[End, ...]:
    return ("quotes", parameters["t1"]), ("quotes", 0.0)


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_length(parameters["t1"]))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    mean = quote_mean(state, arena, base + _ENDS, tapes.MID)
    arena[base] = move_pct(tapes.value(state, arena, tapes.edge_of(arena, base + _ENDS + 1), tapes.MID), mean)
