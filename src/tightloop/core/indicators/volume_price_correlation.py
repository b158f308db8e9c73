"""VOLUME_PRICE_CORRELATION: do deals that move the price up carry the volume (1), or those that move it down (-1)?

UNKNOWN with fewer than 10 deals, and when all volumes, or all changes of the price, are the same but for rounding.
"""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._flows import deals
from tightloop.core.indicators._moments import variance
from tightloop.core.indicators._one_window import T1, T2, grid, no_memory, of_trades, one_window
from tightloop.core.indicators.contract import REFRESH, Number
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (
    T1,
    T2,
    Number(
        "min_denominator_rel",
        1e-9,
        0.0,
        1.0,
        meaning="UNKNOWN when a variance is below this share of the mean square",
    ),
    REFRESH,
)
FORMULA = (
    "Pearson correlation of volume with price less previous price, over the deals of (T - t1, T - t2]; "
    "UNKNOWN with fewer than 10"
)
TAPES = ("trades",)
NEEDS = ("moments",)

DEALS_MIN = 10
_MIN_DENOMINATOR_REL = 3
_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
ends = of_trades
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    old, new = tapes.edge_of(arena, base + _ENDS), tapes.edge_of(arena, base + _ENDS + 1)
    count, floor_rel = deals(state, arena, base + _ENDS), arena[base + _MIN_DENOMINATOR_REL]
    arena[base] = math.nan
    if not count >= DEALS_MIN:
        return
    change = tapes.total(state, arena, old, new, tapes.PRICE)
    changes_2 = tapes.total(state, arena, old, new, tapes.SUM_DD)
    volume = tapes.total(state, arena, old, new, tapes.SUM_V)
    volumes_2 = tapes.total(state, arena, old, new, tapes.SUM_VV)
    of_change, of_volume = variance(count, change, changes_2), variance(count, volume, volumes_2)
    if of_change > floor_rel * changes_2 / count and of_volume > floor_rel * volumes_2 / count:
        together = tapes.total(state, arena, old, new, tapes.SUM_DV) / count - change / count * (volume / count)
        arena[base] = min(max(together / math.sqrt(of_change * of_volume), -1.0), 1.0)
