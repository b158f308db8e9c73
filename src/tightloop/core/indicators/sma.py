"""SMA: the plain mean of the last ``period`` values.

A running sum that is recomputed once a window, so values that have left it leave no rounding behind. TA-Lib's keeps the
rounding of a value 10^7 times the rest (a burst of volume) from then on, and differs by it.
"""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._windows import SUM, moving_sum
from tightloop.core.indicators.contract import SOURCE, Values, period, read_source
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS = (period(20), SOURCE)
FORMULA = "sma = sum of the last `period` values / period (TA-Lib SMA)"

_PERIOD, _SOURCE, _SUM = 1, 2, 3


def size(parameters: Values) -> int:
    return SUM + int(parameters["period"])


def warmup(parameters: Values) -> int:
    return int(parameters["period"])


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    x = read_source(bar, arena[base + _SOURCE])
    n = int(arena[base + _PERIOD])
    arena[base] = moving_sum(arena, base + _SUM, n, x) / n
