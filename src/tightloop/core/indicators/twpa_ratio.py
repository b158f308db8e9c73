"""TWPA_RATIO: time-weighted mean price of a window against that of a base."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_near_end
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._two_windows import MIN_DENOMINATOR_REL, two_of_trades, two_windows, windows
from tightloop.core.indicators._windows_of_time import mean_price
from tightloop.core.indicators.contract import REFRESH, Values, refresh_of
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (*windows(300.0, 60.0, 1800.0, 300.0), MIN_DENOMINATOR_REL, REFRESH)
FORMULA = "TWPA(t1, t2) / TWPA(t3, t4); UNKNOWN when the base is below `min_denominator_rel` x TWPA(t1, t2)"
TAPES = ("trades",)

_MIN_DENOMINATOR_REL, _OLD, _NEW, _BASE_OLD, _BASE = 5, 7, 8, 9, 10

size = no_memory
ends = two_of_trades
refuse = two_windows


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, min(by_near_end(parameters["t2"]), by_near_end(parameters["t4"])))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    now = mean_price(state, arena, tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW))
    before = mean_price(state, arena, tapes.edge_of(arena, base + _BASE_OLD), tapes.edge_of(arena, base + _BASE))
    arena[base] = now / before if before >= arena[base + _MIN_DENOMINATOR_REL] * now else math.nan
