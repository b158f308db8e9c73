"""TRADE_SIZE_MOMENTUM: mean volume of a deal against that of a base; UNKNOWN when either window has no deal."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._flows import deal_size
from tightloop.core.indicators._one_window import grid, no_memory, share_of
from tightloop.core.indicators._two_windows import two_of_trades, two_windows, windows
from tightloop.core.indicators.contract import REFRESH
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (*windows(30.0, 0.0, 600.0, 30.0), REFRESH)
FORMULA = "AVERAGE_TRADE_SIZE(t1, t2) / AVERAGE_TRADE_SIZE(t3, t4)"
TAPES = ("trades",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = two_of_trades
refresh = grid
refuse = two_windows


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = share_of(deal_size(state, arena, base + _ENDS), deal_size(state, arena, base + _ENDS + 2))
