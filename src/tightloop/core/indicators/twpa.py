"""TWPA: time-weighted average price over (T - t1, T - t2]; UNKNOWN until a print lies at or before its beginning."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_near_end
from tightloop.core.indicators._windows_of_time import ordered
from tightloop.core.indicators.contract import REFRESH, End, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (seconds("t1", 300.0, minimum=1.0), seconds("t2", 0.0), REFRESH)
FORMULA = "sum of price x seconds in force / (t1 - t2), over (T - t1, T - t2]"
TAPES = ("trades",)

_OLD, _NEW = 4, 5


def size(parameters: Values) -> int:
    return 0


def ends(parameters: Values) -> tuple[End, ...]:
    return ("trades", parameters["t1"]), ("trades", parameters["t2"])


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_near_end(parameters["t2"]))


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    return ordered(parameters, "t1", "t2")


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    old, new = tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW)
    arena[base] = math.nan
    if tapes.is_warm(state, old):
        arena[base] = tapes.price_mean(state, old, new)
