"""BID_ASK_IMBALANCE: time-weighted imbalance of quantities at the best prices; -100 (all ask) to 100 (all bid)."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_age
from tightloop.core.indicators._imbalances import imbalance
from tightloop.core.indicators._one_window import no_memory, one_window
from tightloop.core.indicators.contract import REFRESH, End, Number, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
LEVELS = Number(
    "levels", 1.0, 1, tapes.DEEP_LEVELS, whole=True, meaning="1: best prices; 3: best three levels of a book"
)
PARAMETERS = (seconds("t1", 30.0, minimum=0.001), seconds("t2", 0.0), LEVELS, REFRESH)
FORMULA = (
    "time-weighted mean of 100 (bid quantity - ask quantity) / (bid quantity + ask quantity) over the part of "
    "(T - t1, T - t2] in which either is not 0; UNKNOWN when there is none. With `levels: 3` the quantities of the "
    "three best levels of each side, which needs a book"
)
TAPES = ()

_OLD, _NEW = 5, 6

size = no_memory


def ends(parameters: Values) -> tuple[End, ...]:
    tape = "quotes" if parameters["levels"] == 1.0 else "book"
    return (tape, parameters["t1"]), (tape, parameters["t2"])


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    if parameters["levels"] not in (1.0, tapes.DEEP_LEVELS):
        return "levels", f"{parameters['levels']:g} is neither 1 nor {tapes.DEEP_LEVELS}", "write levels: 3"
    return one_window(parameters)


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_age(parameters["t2"]))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    old, new = tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW)
    arena[base] = imbalance(state, arena, old, new)
