"""SUPPORT_LEVEL_PROXIMITY: how far the price of the last ``t1`` seconds lies above an earlier level, in percent."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_window
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._windows_of_time import mean_price, move_pct, ordered
from tightloop.core.indicators.contract import REFRESH, End, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value", "level")
PARAMETERS = (
    seconds("t1", 10.0, minimum=1.0, meaning="length of the current window in seconds"),
    seconds("start", 3600.0, minimum=1.0, meaning="seconds before now at which the level begins"),
    seconds("end", 600.0, meaning="seconds before now at which the level ends"),
    REFRESH,
)
FORMULA = "100 (TWPA(t1, 0) - level) / level with level = TWPA(start, end); below 0 once the level is broken"
TAPES = ("trades",)

_NOW_OLD, _NOW, _OLD, _NEW = 6, 7, 8, 9

size = no_memory


def ends(parameters: Values) -> tuple[End, ...]:
    return tuple(("trades", t) for t in (parameters["t1"], 0.0, parameters["start"], parameters["end"]))


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_window(parameters["t1"]))


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    return ordered(parameters, "start", "end")


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    now = mean_price(state, arena, tapes.edge_of(arena, base + _NOW_OLD), tapes.edge_of(arena, base + _NOW))
    level = mean_price(state, arena, tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW))
    arena[base] = move_pct(now, level)
    arena[base + 1] = level
