"""INTER_DEAL_INTERVALS: mean seconds between deals; UNKNOWN without a deal."""

from tightloop.core import tapes
from tightloop.core.compiled import compiled
from tightloop.core.indicators._flows import deals
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, of_trades, one_window, share_of
from tightloop.core.indicators.contract import MEASURE
from tightloop.core.types import Floats, Record

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = (
    "mean over the deals of (T - t1, T - t2] of the seconds since the deal before each, which may lie before the window"
)
TAPES = ("trades",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = of_trades
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    old, new = tapes.edge_of(arena, base + _ENDS), tapes.edge_of(arena, base + _ENDS + 1)
    whole_ns = tapes.total(state, arena, old, new, tapes.TIME)
    assert whole_ns >= 0.0, "prints come in order of time"
    arena[base] = share_of(whole_ns * 1e-9, deals(state, arena, base + _ENDS))
