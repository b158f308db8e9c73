"""ZSCORE: how many standard deviations the value is above the mean of the last ``period`` values, itself included.

UNKNOWN when all of them are equal: 0 / 0. TA-Lib has no such function. Mean and deviation come from the same sums, and
the value stays within 1e-9 of a fresh window's; O(1) amortised.
"""

import math

import numpy as np

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._windows import VARIANCE, deviation_from_mean, moving_variance
from tightloop.core.indicators.contract import SOURCE, Values, period, read_source
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS = (period(20, minimum=2), SOURCE)
FORMULA = "zscore = (x - sma) / stddev over the last `period` values; unknown when stddev is 0"

_PERIOD, _SOURCE, _VARIANCE = 1, 2, 3


def size(parameters: Values) -> int:
    return VARIANCE + int(parameters["period"])


def warmup(parameters: Values) -> int:
    return int(parameters["period"])


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    x = read_source(bar, arena[base + _SOURCE])
    variance = moving_variance(arena, base + _VARIANCE, int(arena[base + _PERIOD]), x)
    if variance > 0.0:
        arena[base] = deviation_from_mean(arena, base + _VARIANCE, x) / math.sqrt(variance)
    else:
        arena[base] = np.nan
