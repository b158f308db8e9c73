"""PRICE_MOMENTUM: mean price of the prints of a window against that of a base, in percent; each print counts once."""

import math

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._two_windows import two_of_trades, two_windows, windows
from tightloop.core.indicators._windows_of_time import move_pct
from tightloop.core.indicators.contract import REFRESH, Values, refresh_of
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (*windows(30.0, 0.0, 120.0, 30.0), REFRESH)
FORMULA = (
    "100 (mean - base) / base, of the prices of the prints in (T - t1, T - t2] and in (T - t3, T - t4]; UNKNOWN when "
    "either holds none"
)
TAPES = ("trades",)

_OLD, _NEW, _BASE_OLD, _BASE = 6, 7, 8, 9

size = no_memory
ends = two_of_trades
refuse = two_windows


def refresh(parameters: Values) -> float:
    default_s = next((grid_s for bound, grid_s in ((30.0, 2.0), (60.0, 3.0)) if parameters["t1"] <= bound), 5.0)
    return refresh_of(parameters, default_s)


@leaf
def _mean(state: Record, arena: Floats, old: int, new: int) -> float:
    """Return the mean print price, each print weighted equally; NaN without prints or until warm."""
    count = tapes.rows_between(state, old, new)
    assert count >= 0, "a window begins before it ends"
    if count == 0 or not tapes.is_warm(state, old):
        return math.nan
    return tapes.total(state, arena, old, new, tapes.SUM_P) / count


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    now = _mean(state, arena, tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW))
    before = _mean(state, arena, tapes.edge_of(arena, base + _BASE_OLD), tapes.edge_of(arena, base + _BASE))
    arena[base] = move_pct(now, before)
