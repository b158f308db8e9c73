"""TICK_RSI: rises relative to falls among the last ``period`` changes from print to print; 50 when all are flat."""

import math

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import up_to_now
from tightloop.core.indicators._windows import EXACT_SUM, add_exactly
from tightloop.core.indicators.contract import REFRESH, Number, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (
    Number("period", 14, 1, 1_000, whole=True, meaning="changes"),
    seconds("t1", 60.0, minimum=0.001, meaning="seconds before now in which their prints must lie"),
    REFRESH,
)
FORMULA = (
    "100 x mean rise / (mean rise + mean fall), plain means over the last `period` changes from print to print, 50 "
    "when all are flat; UNKNOWN with fewer than `period` + 1 prints in (T - t1, T]"
)
TAPES = ("trades",)

_PERIOD, _OLD, _NEW = 1, 4, 5
# Memory: row of the last counted print plus 1 (0: none), then for rises and for falls a count and a compensated sum.
_IN, _RISES, _RISE_SUM, _FALLS, _FALL_SUM = 6, 7, 8, 8 + EXACT_SUM, 9 + EXACT_SUM

ends = up_to_now


def size(parameters: Values) -> int:
    return 3 + 2 * EXACT_SUM


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, 2.0)


@leaf
def _count_in(arena: Floats, tape: Record, base: int, row: int, sign: float) -> None:
    """Add (``sign`` 1) or remove (-1) the price change from the previous print to the print in ``row``."""
    now, before = tapes.row_at(tape, row), tapes.row_at(tape, row - 1)
    change = arena[now + tapes.PRICE] - arena[before + tapes.PRICE]
    if change > 0.0:
        arena[base + _RISES] += sign
        add_exactly(arena, base + _RISE_SUM, sign * change)
    elif change < 0.0:
        arena[base + _FALLS] += sign
        add_exactly(arena, base + _FALL_SUM, -sign * change)


@leaf
def _sum_of(arena: Floats, count_at: int) -> float:
    """Return the compensated sum stored after its count; exactly 0 when the count is 0."""
    assert arena[count_at] >= 0.0, "what goes out came in"
    return arena[count_at + 1] + arena[count_at + 2] if arena[count_at] > 0.0 else 0.0


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    old, new = tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW)
    period, last = int(arena[base + _PERIOD]), state.edges[new].at
    arena[base] = math.nan
    if not tapes.is_warm(state, old) or tapes.rows_between(state, old, new) <= period:
        arena[base + _IN] = 0.0
        return
    assert last >= period, "each change is between two prints"
    tape = state.tapes[state.edges[new].tape]
    if arena[base + _IN] == float(last) and last % period != 0:
        _count_in(arena, tape, base, last, 1.0)
        _count_in(arena, tape, base, last - period, -1.0)
    elif arena[base + _IN] != float(last + 1):
        # Recompute from the tape once every `period` prints, so that rounding cannot accumulate.
        for place in range(base + _RISES, base + _FALL_SUM + EXACT_SUM):
            arena[place] = 0.0
        for row in range(last - period + 1, last + 1):
            _count_in(arena, tape, base, row, 1.0)
    arena[base + _IN] = float(last + 1)
    rise, fall = _sum_of(arena, base + _RISES), _sum_of(arena, base + _FALLS)
    arena[base] = 100.0 * rise / (rise + fall) if rise + fall > 0.0 else 50.0
