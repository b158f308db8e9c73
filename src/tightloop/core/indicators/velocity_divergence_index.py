"""VELOCITY_DIVERGENCE_INDEX: how much a short and a long velocity differ, 0 to 2; above 1 when they oppose.

UNKNOWN when both are negligible.
"""

import math

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_length
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._peaks import SMALLEST_MOVE
from tightloop.core.indicators._windows_of_time import mean_price, move_pct, ordered
from tightloop.core.indicators.contract import REFRESH, End, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (
    seconds("short", 60.0, minimum=1.0, meaning="length of the short window in seconds"),
    seconds("long", 300.0, minimum=1.0, meaning="length of the long window in seconds"),
    SMALLEST_MOVE,
    REFRESH,
)
FORMULA = (
    "|V(short) - V(long)| / max(|V(short)|, |V(long)|) with V(t) = 100 (last price - TWPA(t, 0)) / TWPA(t, 0); "
    "UNKNOWN when both are below the minimum"
)
TAPES = ("trades",)

_MIN_DENOMINATOR_REL = 3
_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory


def ends(parameters: Values) -> tuple[End, ...]:
    return ("trades", parameters["short"]), ("trades", parameters["long"]), ("trades", 0.0)


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_length(parameters["short"]))


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    return ordered(parameters, "long", "short")


@leaf
def _from_mean(state: Record, arena: Floats, old: int, new: int) -> float:
    """Return last price / TWPA of the window - 1, in percent; NaN until warm. The window ends now."""
    return move_pct(tapes.value(state, arena, new, tapes.PRICE), mean_price(state, arena, old, new))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    now = tapes.edge_of(arena, base + _ENDS + 2)
    short = _from_mean(state, arena, tapes.edge_of(arena, base + _ENDS), now)
    long = _from_mean(state, arena, tapes.edge_of(arena, base + _ENDS + 1), now)
    greater = max(abs(short), abs(long))
    is_known = not math.isnan(short) and not math.isnan(long)
    if is_known and greater > max(100.0 * arena[base + _MIN_DENOMINATOR_REL], 0.0):
        arena[base] = abs(short - long) / greater
        assert arena[base] <= 2.0, "two numbers differ by no more than twice the greater"
    else:
        arena[base] = math.nan
