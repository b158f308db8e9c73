"""VOLUME_CONCENTRATION: what share of the volume of a long window came in its last part, 0 to 1."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._flows import volume
from tightloop.core.indicators._grids import by_length
from tightloop.core.indicators._one_window import no_memory, share_of
from tightloop.core.indicators._windows_of_time import ordered
from tightloop.core.indicators.contract import REFRESH, End, Values, refresh_of, seconds
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (
    seconds("short", 60.0, minimum=0.5, meaning="length of the last part in seconds"),
    seconds("long", 300.0, minimum=0.5, meaning="length of the whole window in seconds"),
    REFRESH,
)
FORMULA = "volume over (T - short, T] / volume over (T - long, T]; UNKNOWN without volume"
TAPES = ("trades",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory


def ends(parameters: Values) -> tuple[End, ...]:
    return ("trades", parameters["short"]), ("trades", 0.0), ("trades", parameters["long"]), ("trades", 0.0)


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_length(parameters["short"]))


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    return ordered(parameters, "long", "short")


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = share_of(volume(state, arena, base + _ENDS), volume(state, arena, base + _ENDS + 2))
    assert not arena[base] > 1.0, "a part is no greater than the whole"
