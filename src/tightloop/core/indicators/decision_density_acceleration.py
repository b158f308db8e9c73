"""DECISION_DENSITY_ACCELERATION: how many times faster deals follow one another than in a base.

Computed at the points of the grid, by a few passes over the prints of both windows; it holds between them.
"""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import written_ns
from tightloop.core.indicators._intervals import SCRATCH, density
from tightloop.core.indicators._two_windows import two_of_trades, two_windows, windows
from tightloop.core.indicators.contract import REFRESH, Values, refresh_of
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (*windows(30.0, 0.0, 600.0, 30.0), REFRESH)
FORMULA = (
    "median time from deal to deal, both in (T - t3, T - t4] / the same in (T - t1, T - t2]; UNKNOWN when a window "
    "has fewer than 2 deals or the latter is 0; taken at points of the grid"
)
TAPES = ("trades",)

GRID_S = 2
_REFRESH = 5
_ENDS = len(OUTPUTS) + len(PARAMETERS)
_SAMPLED, _SCRATCH = _ENDS + 4, _ENDS + 5

ends = two_of_trades
refuse = two_windows


def size(parameters: Values) -> int:
    return 1 + SCRATCH


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, GRID_S)


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    cur, before = base + _ENDS, base + _ENDS + 2
    if not (tapes.is_warm(state, tapes.edge_of(arena, cur)) and tapes.is_warm(state, tapes.edge_of(arena, before))):
        arena[base] = math.nan
    elif tapes.is_sample(state, arena, base + _SAMPLED, written_ns(arena[base + _REFRESH], GRID_S)):
        arena[base] = density(state, arena, cur, before, base + _SCRATCH)
