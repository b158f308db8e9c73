"""LIQUIDITY_RATIO: mean notional at the best bid and ask against that of a base; UNKNOWN when the base has none."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._books import quote_mean
from tightloop.core.indicators._one_window import grid, no_memory, share_of
from tightloop.core.indicators._two_windows import two_of_quotes, two_windows, windows
from tightloop.core.indicators.contract import REFRESH
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (*windows(30.0, 0.0, 600.0, 30.0), REFRESH)
FORMULA = "TOTAL_LIQUIDITY(t1, t2) / TOTAL_LIQUIDITY(t3, t4), in quote value"
TAPES = ("quotes",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = two_of_quotes
refresh = grid
refuse = two_windows


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    now = quote_mean(state, arena, base + _ENDS, tapes.LIQUIDITY)
    arena[base] = share_of(now, quote_mean(state, arena, base + _ENDS + 2, tapes.LIQUIDITY))
