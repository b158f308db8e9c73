"""BID_ASK_IMBALANCE: which side of the best prices holds more, over time; -100 (all ask) to 100 (all bid)."""

import math

from tightloop.core import tapes
from tightloop.core.compiled import compiled
from tightloop.core.indicators._grids import by_age
from tightloop.core.indicators._imbalances import imbalance
from tightloop.core.indicators._one_window import NEW, OLD, is_known, no_memory, of_quotes, one_window
from tightloop.core.indicators.contract import MEASURE, REFRESH, Values, refresh_of, seconds
from tightloop.core.types import Floats, Record

OUTPUTS = ("value",)
PARAMETERS = (seconds("t1", 30.0, minimum=0.001), seconds("t2", 0.0), REFRESH)
FORMULA = (
    "time-weighted mean of 100 (bid quantity - ask quantity) / (bid quantity + ask quantity) over the part of "
    "(T - t1, T - t2] in which one of both is not 0; UNKNOWN when there is none"
)
TAPES = ("quotes",)

size = no_memory
ends = of_quotes
refuse = one_window


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_age(parameters["t2"]))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    old, new = tapes.edge_of(arena, base + OLD), tapes.edge_of(arena, base + NEW)
    arena[base] = imbalance(state, arena, old, new) if is_known(state, arena, base) else math.nan
