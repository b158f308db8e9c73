"""PUMP_MAGNITUDE_PCT: how far the price of the last ``t1`` seconds lies above that of a base before the move."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_length
from tightloop.core.indicators._windows_of_time import base_and_now, mean_price, move_pct
from tightloop.core.indicators.contract import REFRESH, End, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value", "base")
PARAMETERS = (
    seconds("t1", 10.0, minimum=1.0, meaning="length of the current window in seconds"),
    seconds("t3", 60.0, minimum=1.0, meaning="seconds before now at which the base begins"),
    seconds("d", 30.0, minimum=0.001, meaning="length of the base in seconds"),
    REFRESH,
)
FORMULA = "100 (TWPA(t1, 0) - base) / base with base = TWPA(t3, t3 - d)"
TAPES = ("trades",)

_NOW_OLD, _NOW, _BASE_OLD, _BASE = 6, 7, 8, 9


def size(parameters: Values) -> int:
    return 0


def ends(parameters: Values) -> tuple[End, ...]:
    t1, t3, d = parameters["t1"], parameters["t3"], parameters["d"]
    return ("trades", t1), ("trades", 0.0), ("trades", t3), ("trades", t3 - d)


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_length(parameters["t1"]))


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    return base_and_now(parameters)


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    now = mean_price(state, arena, tapes.edge_of(arena, base + _NOW_OLD), tapes.edge_of(arena, base + _NOW))
    before = mean_price(state, arena, tapes.edge_of(arena, base + _BASE_OLD), tapes.edge_of(arena, base + _BASE))
    arena[base] = move_pct(now, before)
    arena[base + 1] = before
