"""BASELINE_PRICE: time-weighted mean price of a base before the move; UNKNOWN before a print lies at its beginning."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_near_end
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._windows_of_time import base_and_now, mean_price
from tightloop.core.indicators.contract import REFRESH, End, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (
    seconds("t3", 60.0, minimum=1.0, meaning="seconds before now at which the base begins"),
    seconds("d", 30.0, minimum=0.001, meaning="length of the base in seconds"),
    REFRESH,
)
FORMULA = "TWPA(t3, t3 - d)"
TAPES = ("trades",)

_OLD, _NEW = 4, 5

size = no_memory
refuse = base_and_now


def ends(parameters: Values) -> tuple[End, ...]:
    return ("trades", parameters["t3"]), ("trades", parameters["t3"] - parameters["d"])


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_near_end(parameters["t3"] - parameters["d"]))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = mean_price(state, arena, tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW))
