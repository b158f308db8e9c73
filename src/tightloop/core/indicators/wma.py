"""WMA: mean of the last ``period`` values, the newest weighted ``period``, the oldest 1.

Two running sums, recomputed from the window once a window (TA-Lib 0.8: every 8 windows), and at once when what is left
of them is so small that the rounding of a value that has left could be seen: what has left the window is gone.
"""

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._windows import RING, full, nth, push
from tightloop.core.indicators.contract import SOURCE, Values, period, read_source
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS = (period(20), SOURCE)
FORMULA = "wma = sum of weight * x / sum of weights, weights 1 (oldest) to `period` (newest) (TA-Lib WMA)"

_PERIOD, _SOURCE, _SUM, _WEIGHTED, _GONE, _DUE, _LARGEST, _RING = 1, 2, 3, 4, 5, 6, 7, 8

_RATIO_SEEN = 0.0001  # of the largest sum since recomputation; below it, that sum's rounding is 1e-12 of the rest


def size(parameters: Values) -> int:
    return 5 + RING + int(parameters["period"])


def warmup(parameters: Values) -> int:
    return int(parameters["period"])


@leaf
def _rebuild(arena: Floats, base: int, n: int) -> None:
    """Recompute plain and weighted sum from the window."""
    arena[base + _DUE] = n
    total, weighted = 0.0, 0.0
    for age in range(n):
        x = nth(arena, base + _RING, n, age)
        total += x
        weighted += x * (age + 1.0)
    arena[base + _SUM], arena[base + _WEIGHTED], arena[base + _LARGEST] = total, weighted, total


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
        arena[base + _DUE], arena[base + _LARGEST] = n, max(arena[base + _LARGEST], arena[base + _SUM])
        return
    arena[base + _DUE] -= 1.0
    largest = max(arena[base + _LARGEST], arena[base + _SUM])
    arena[base + _LARGEST] = largest
    if arena[base + _DUE] <= 0.0 or not arena[base + _SUM] >= _RATIO_SEEN * largest:
        _rebuild(arena, base, n)
    arena[base] = arena[base + _WEIGHTED] / (n * (n + 1) / 2.0)
    # For the next bar, lower every weight by one: the oldest value then has weight 0 and leaves the plain sum.
    arena[base + _WEIGHTED] -= arena[base + _SUM]
