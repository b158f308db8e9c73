"""MIN_TWPA: least of the time-weighted mean prices that were sampled on the grid during a lookback."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grid_samples import extreme_sample
from tightloop.core.indicators._one_window import grid, of_trades
from tightloop.core.indicators._twpa_samples import SAMPLED_TWPA, SAMPLES, refuse_samples, room_for_samples, sampled
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = SAMPLED_TWPA
FORMULA = "least of TWPA(t1, t2) at all points of the grid in (P - lookback, P], P the last one"
TAPES = ("trades",)

size = room_for_samples
ends = of_trades
refresh = grid
refuse = refuse_samples


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    count = sampled(state, arena, base)
    if count > 0:
        arena[base] = extreme_sample(arena, base + SAMPLES, count, -1.0)
