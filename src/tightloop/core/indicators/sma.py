"""SMA: the plain mean of the last ``period`` values.

A running sum, as TA-Lib's: over 10^6 values of one size it stays within 1e-9 of a fresh sum. When a value 10^7 times
the rest has passed through (a burst of volume), both are off by its rounding from then on.
"""

from tightloop.core.compiled import compiled
from tightloop.core.indicators._windows import MEAN, moving_mean
from tightloop.core.indicators.contract import SOURCE, UPDATE, Values, period, read_source
from tightloop.core.types import Floats, Record

OUTPUTS = ("value",)
PARAMETERS = (period(20), SOURCE)
FORMULA = "sma = sum of the last `period` values / period (TA-Lib SMA)"

_PERIOD, _SOURCE, _MEAN = 1, 2, 3


def size(parameters: Values) -> int:
    return MEAN + int(parameters["period"])


def warmup(parameters: Values) -> int:
    return int(parameters["period"])


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    x = read_source(bar, arena[base + _SOURCE])
    arena[base] = moving_mean(arena, base + _MEAN, int(arena[base + _PERIOD]), x)
