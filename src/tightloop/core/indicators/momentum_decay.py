"""MOMENTUM_DECAY: how far the last price lies below the highest of the window, in percent of it."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._extremes import extreme, one_row
from tightloop.core.indicators._last_quote import every_second
from tightloop.core.indicators._one_window import up_to_now
from tightloop.core.indicators.contract import REFRESH, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (seconds("t1", 300.0, minimum=0.001), REFRESH)
FORMULA = "100 (MAX_PRICE - last) / MAX_PRICE with MAX_PRICE and last of the prints in (T - t1, T]; UNKNOWN without one"
TAPES = ("trades",)
NEEDS = ("extremes",)

_OLD, _NEW, _MEMORY = 3, 4, 5

size = one_row
ends = up_to_now
refresh = every_second


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    old, new = tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW)
    highest = extreme(state, arena, old, new, base + _MEMORY, tapes.NEXT_HIGH)
    last = tapes.value(state, arena, new, tapes.PRICE)
    assert not highest < last, "the last print is in the window, or none is"
    arena[base] = 100.0 * (highest - last) / highest
