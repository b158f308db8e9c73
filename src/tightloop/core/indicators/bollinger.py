"""BOLLINGER: bands at a multiple of the standard deviation around the moving average of the close.

``bandwidth`` and ``percent_b`` are Bollinger's, as fractions: 0.04 is a band as wide as 4 % of the mean; 0 is the lower
band and 1 the upper one, UNKNOWN in a band of no width. Neither deviation nor mean drifts (see STDDEV and SMA).
"""

import math

import numpy as np

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._windows import VARIANCE, VARIANCE_RING, full, moving_variance, nth, rest_of_sum
from tightloop.core.indicators.contract import Number, Values, period
from tightloop.core.signatures import UPDATE

OUTPUTS = ("upper", "middle", "lower", "bandwidth", "percent_b")
PARAMETERS = (period(20, minimum=2), Number("deviations", 2.0, 0.01, 100.0, meaning="standard deviations"))
FORMULA = (
    "middle = sma(close); upper, lower = middle +- `deviations` * population stddev (TA-Lib BBANDS); bandwidth = "
    "(upper - lower) / middle; percent_b = (close - lower) / (upper - lower), unknown when they are equal"
)

_UPPER, _MIDDLE, _LOWER, _BANDWIDTH, _PERCENT_B, _PERIOD, _DEVIATIONS = 0, 1, 2, 3, 4, 5, 6
_SUM, _LARGEST, _VARIANCE = 7, 8, 9


def size(parameters: Values) -> int:
    return 2 + VARIANCE + int(parameters["period"])


def warmup(parameters: Values) -> int:
    return int(parameters["period"])


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    n = int(arena[base + _PERIOD])
    ring = base + _VARIANCE + VARIANCE_RING
    total = arena[base + _SUM] + bar.close
    arena[base + _SUM] = total
    variance = moving_variance(arena, base + _VARIANCE, n, bar.close)
    if not full(arena, ring, n):
        return
    arena[base + _SUM] = rest_of_sum(arena, base + _LARGEST, ring, n, total, nth(arena, ring, n, 0))
    middle, half = total / n, math.sqrt(variance) * arena[base + _DEVIATIONS]
    upper, lower = middle + half, middle - half
    width = upper - lower
    assert not width < 0.0
    arena[base + _UPPER], arena[base + _MIDDLE], arena[base + _LOWER] = upper, middle, lower
    arena[base + _BANDWIDTH] = width / middle if middle != 0.0 else np.nan
    arena[base + _PERCENT_B] = (bar.close - lower) / width if width > 0.0 else np.nan
