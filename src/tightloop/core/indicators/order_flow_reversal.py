"""ORDER_FLOW_REVERSAL: how far takers have turned from buying to selling; UNKNOWN without volume in both windows."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._flows import flow_imbalance
from tightloop.core.indicators._one_window import grid, no_memory
from tightloop.core.indicators._two_windows import two_of_trades, two_windows, windows
from tightloop.core.indicators.contract import REFRESH
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (*windows(30.0, 0.0, 600.0, 30.0), REFRESH)
FORMULA = "(b - c) / (1 + |b|) with b, c = ORDER_FLOW_IMBALANCE / 100 over (T - t3, T - t4] and (T - t1, T - t2]"
TAPES = ("trades",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = two_of_trades
refresh = grid
refuse = two_windows


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    before = flow_imbalance(state, arena, base + _ENDS + 2)
    arena[base] = (before - flow_imbalance(state, arena, base + _ENDS)) / (100.0 + abs(before))
