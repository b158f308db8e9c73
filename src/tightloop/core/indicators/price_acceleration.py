"""PRICE_ACCELERATION: how fast the velocity of the price changes, and the velocity itself; robust to single prints.

The window is cut into pieces of one second, each with its TWPA. Computed at the points of the grid; unchanged between
them.
"""

import math

from tightloop.core import limits
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import written_ns
from tightloop.core.indicators.contract import REFRESH, End, Number, Values, refresh_of
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value", "velocity")
PARAMETERS = (
    Number("t1", 10.0, 3.0, 1_024.0, whole=True, meaning="seconds before now, in pieces of one second"),
    REFRESH,
)
FORMULA = (
    "with m(k) = TWPA of second k of (T - t1, T] and v(k) = 100 (m(k) - m(k - 1)) / m(k - 1): slope of the "
    "least-squares line through v, in % / s^2; velocity: 100 x slope of that through m / mean of m, in % / s; "
    "taken at points of the grid"
)
TAPES = ("trades",)

_GRID_S = 1
_T1, _REFRESH = 2, 3
_ENDS = len(OUTPUTS) + len(PARAMETERS)
_SAMPLED, _MEANS = _ENDS + 2, _ENDS + 3


def size(parameters: Values) -> int:
    return 1 + int(parameters["t1"])


def ends(parameters: Values) -> tuple[End, ...]:
    return ("trades", parameters["t1"]), ("trades", 0.0)


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, _GRID_S)


@leaf
def _cut(state: Record, arena: Floats, base: int, count: int) -> float:
    """Write the TWPA of each second of the window to ``arena[base + _MEANS:]``; return their mean."""
    edge = state.edges[tapes.edge_of(arena, base + _ENDS)]
    tape, at, whole = state.tapes[edge.tape], edge.at, 0.0
    assert at >= 0, "a print lies at or before the beginning of a warm window"
    passed = float(state.ts_ns - edge.offset_ns - tape.epoch_ns)
    for k in range(count):
        finish, held = passed + float(limits.SECOND_NS), 0.0
        while at < tape.count - 1 and arena[tapes.row_at(tape, at + 1) + tapes.TIME] <= finish:
            following = arena[tapes.row_at(tape, at + 1) + tapes.TIME]
            held += arena[tapes.row_at(tape, at) + tapes.PRICE] * (following - passed)
            passed, at = following, at + 1
        held += arena[tapes.row_at(tape, at) + tapes.PRICE] * (finish - passed)
        passed = finish
        arena[base + _MEANS + k] = held / float(limits.SECOND_NS)
        whole += arena[base + _MEANS + k]
    return whole / count


@leaf
def slope(arena: Floats, at: int, count: int) -> float:
    """Return the least-squares slope of ``count`` values at ``arena[at]``, per step."""
    assert count >= 2, "a line goes through two points"
    total, middle = 0.0, 0.5 * (count - 1)
    for k in range(count):
        total += (k - middle) * (arena[at + k] - arena[at])
    return total * 12.0 / (float(count) * (float(count) * count - 1.0))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    if not tapes.is_warm(state, tapes.edge_of(arena, base + _ENDS)):
        arena[base] = arena[base + 1] = math.nan
    elif tapes.is_sample(state, arena, base + _SAMPLED, written_ns(arena[base + _REFRESH], _GRID_S)):
        count = int(arena[base + _T1])
        mean = _cut(state, arena, base, count)
        assert mean > 0.0, "a price is positive"
        arena[base + 1] = 100.0 * slope(arena, base + _MEANS, count) / mean
        for k in range(count - 1, 0, -1):
            before = arena[base + _MEANS + k - 1]
            arena[base + _MEANS + k] = 100.0 * (arena[base + _MEANS + k] - before) / before
        arena[base] = slope(arena, base + _MEANS + 1, count - 1)
