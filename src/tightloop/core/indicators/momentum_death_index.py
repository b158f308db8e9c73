"""MOMENTUM_DEATH_INDEX: what share of its peak the velocity of the price has lost; 0 at the peak, above 1 in a fall.

UNKNOWN until the velocity was known at every point of the lookback, and when its peak is no rise.
"""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grid_samples import lookback, too_many
from tightloop.core.indicators._grids import written_ns
from tightloop.core.indicators._peaks import SMALLEST_MOVE, death, peak, peak_floats
from tightloop.core.indicators._price_moves import base_before_now, move, move_at, of_move
from tightloop.core.indicators.contract import REFRESH, Values, refresh_of
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value", "peak")
PARAMETERS = (
    *move(),
    lookback(600.0),
    SMALLEST_MOVE,
    REFRESH,
)
FORMULA = (
    "(peak - V) / peak with V = VELOCITY_PCT(t1, t3, d) and peak the greatest of V and of its "
    "samples in (P - lookback, P], P the last point of the grid"
)
TAPES = ("trades",)

_GRID_S = 5
_LOOKBACK, _MIN_DENOMINATOR_REL, _REFRESH = 5, 6, 7
_ENDS = len(OUTPUTS) + len(PARAMETERS)
_MEMORY = _ENDS + 4

ends = of_move


def size(parameters: Values) -> int:
    return peak_floats(parameters, refresh(parameters))


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, _GRID_S)


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    return base_before_now(parameters) or too_many(parameters, refresh(parameters))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    refresh_ns = written_ns(arena[base + _REFRESH], _GRID_S)
    velocity = move_at(state, arena, base + _ENDS)
    highest = peak(state, arena, base + _MEMORY, arena[base + _LOOKBACK], refresh_ns, velocity)
    arena[base] = death(velocity, highest, arena[base + _MIN_DENOMINATOR_REL])
    arena[base + 1] = highest
