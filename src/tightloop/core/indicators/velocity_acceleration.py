"""VELOCITY_ACCELERATION: the last price against its mean of a short window, less the same of a long one, in percent."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_window
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._windows_of_time import mean_price, move_pct, ordered
from tightloop.core.indicators.contract import REFRESH, End, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value", "short", "long")
PARAMETERS = (seconds("short", 60.0, minimum=0.001), seconds("long", 300.0, minimum=0.001), REFRESH)
FORMULA = "V(short) - V(long), V(t) = 100 (last price - TWPA(t, 0)) / TWPA(t, 0)"
TAPES = ("trades",)

_SHORT, _LONG, _NOW = 6, 7, 8

size = no_memory


def ends(parameters: Values) -> tuple[End, ...]:
    return tuple(("trades", t) for t in (parameters["short"], parameters["long"], 0.0))


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_window(parameters["short"]))


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    return ordered(parameters, "long", "short")


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    new = tapes.edge_of(arena, base + _NOW)
    last = tapes.value(state, arena, new, tapes.PRICE)
    arena[base + 1] = move_pct(last, mean_price(state, arena, tapes.edge_of(arena, base + _SHORT), new))
    arena[base + 2] = move_pct(last, mean_price(state, arena, tapes.edge_of(arena, base + _LONG), new))
    arena[base] = arena[base + 1] - arena[base + 2]
