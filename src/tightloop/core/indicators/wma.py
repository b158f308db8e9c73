"""WMA: mean of the last ``period`` values, the newest weighted ``period``, the oldest 1.

Two running sums, built anew from the window every 8 windows, as in TA-Lib 0.8: rounding does not pile up.
"""

from tightloop.core.compiled import compiled, leaf
from tightloop.core.indicators._windows import RING, full, nth, push
from tightloop.core.indicators.contract import SOURCE, UPDATE, Values, period, read_source
from tightloop.core.types import Floats, Record

OUTPUTS = ("value",)
PARAMETERS = (period(20), SOURCE)
FORMULA = "wma = sum of weight * x / sum of weights, weights 1 (oldest) to `period` (newest) (TA-Lib WMA)"

_PERIOD, _SOURCE, _SUM, _WEIGHTED, _GONE, _DUE, _RING = 1, 2, 3, 4, 5, 6, 7

_REBUILD_WINDOWS = 8


def size(parameters: Values) -> int:
    return 4 + RING + int(parameters["period"])


def warmup(parameters: Values) -> int:
    return int(parameters["period"])


@leaf
def _rebuild(arena: Floats, base: int, n: int) -> None:
    arena[base + _DUE] = _REBUILD_WINDOWS * n
    total, weighted = 0.0, 0.0
    for age in range(n):
        x = nth(arena, base + _RING, n, age)
        total += x
        weighted += x * (age + 1.0)
    arena[base + _SUM], arena[base + _WEIGHTED] = total, weighted


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    x = read_source(bar, arena[base + _SOURCE])
    n = int(arena[base + _PERIOD])
    if n == 1:
        arena[base] = x
        return
    weight = float(n) if full(arena, base + _RING, n) else arena[base + _RING] + 1.0
    arena[base + _SUM] = arena[base + _SUM] + x - arena[base + _GONE]
    arena[base + _WEIGHTED] += x * weight
    arena[base + _GONE] = push(arena, base + _RING, n, x)
    if not full(arena, base + _RING, n):
        arena[base + _DUE] = _REBUILD_WINDOWS * n
        return
    arena[base + _DUE] -= 1.0
    if arena[base + _DUE] <= 0.0:
        _rebuild(arena, base, n)
    arena[base] = arena[base + _WEIGHTED] / (n * (n + 1) / 2.0)
    # At the next bar every weight is one less, and the oldest value, by then without weight, leaves the plain sum.
    arena[base + _WEIGHTED] -= arena[base + _SUM]
