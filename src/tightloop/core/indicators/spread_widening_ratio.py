"""SPREAD_WIDENING_RATIO: mean spread against that of a base; UNKNOWN when that of the base is negligible."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._books import quote_mean
from tightloop.core.indicators._one_window import grid, no_memory
from tightloop.core.indicators._two_windows import two_of_quotes, two_windows, windows
from tightloop.core.indicators.contract import REFRESH, Number
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (
    *windows(30.0, 0.0, 600.0, 30.0),
    Number(
        "min_denominator_rel",
        1e-9,
        0.0,
        1.0,
        meaning="UNKNOWN when the mean spread of the base is below this share of its mid price",
    ),
    REFRESH,
)
FORMULA = "mean over time of ask - bid over (T - t1, T - t2] / the same over (T - t3, T - t4]"
TAPES = ("quotes",)

_MIN_DENOMINATOR_REL = 5
_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = two_of_quotes
refresh = grid
refuse = two_windows


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    before = base + _ENDS + 2
    spread, mid = quote_mean(state, arena, before, tapes.SPREAD), quote_mean(state, arena, before, tapes.MID)
    is_some = spread > max(arena[base + _MIN_DENOMINATOR_REL] * mid, 0.0)
    arena[base] = quote_mean(state, arena, base + _ENDS, tapes.SPREAD) / spread if is_some else math.nan
