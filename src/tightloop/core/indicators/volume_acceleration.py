"""VOLUME_ACCELERATION: VOLUME_SURGE less what it was one window earlier."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._flows import surge
from tightloop.core.indicators._one_window import grid, no_memory
from tightloop.core.indicators._two_windows import two_windows, windows
from tightloop.core.indicators.contract import REFRESH, End, Values
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (*windows(30.0, 0.0, 600.0, 30.0), REFRESH)
FORMULA = "VOLUME_SURGE(t1, t2, t3, t4) at T less the same at T - (t1 - t2)"
TAPES = ("trades",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
refresh = grid
refuse = two_windows


def ends(parameters: Values) -> tuple[End, ...]:
    length = parameters["t1"] - parameters["t2"]
    return tuple(("trades", parameters[name] + back) for back in (0.0, length) for name in ("t1", "t2", "t3", "t4"))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    now = surge(state, arena, base + _ENDS, base + _ENDS + 2)
    arena[base] = now - surge(state, arena, base + _ENDS + 4, base + _ENDS + 6)
