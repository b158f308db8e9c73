"""VOLUME_SURGE: volume per second of a window against that of a base; UNKNOWN without volume in the base."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._flows import surge
from tightloop.core.indicators._one_window import grid, no_memory
from tightloop.core.indicators._two_windows import two_of_trades, two_windows, windows
from tightloop.core.indicators.contract import REFRESH
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (*windows(30.0, 0.0, 600.0, 30.0), REFRESH)
FORMULA = "(volume over (T - t1, T - t2] / (t1 - t2)) / (volume over (T - t3, T - t4] / (t3 - t4))"
TAPES = ("trades",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = two_of_trades
refresh = grid
refuse = two_windows


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = surge(state, arena, base + _ENDS, base + _ENDS + 2)
