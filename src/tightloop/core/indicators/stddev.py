"""STDDEV: population standard deviation of the last ``period`` values (divided by ``period``, not ``period - 1``).

Sums of deviations from a nearby origin that are recomputed from the window when they lose digits, as in TA-Lib 0.8: the
value does not drift. TA-Lib's can be 1e-7 off where values of very different size follow each other within a few bars
(volumes); this one is not. O(1) amortised.
"""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._windows import VARIANCE, moving_variance
from tightloop.core.indicators.contract import SOURCE, Values, period, read_source
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS = (period(20, minimum=2), SOURCE)
FORMULA = "stddev = sqrt(mean of (x - mean)^2) over the last `period` values (TA-Lib STDDEV)"

_PERIOD, _SOURCE, _VARIANCE = 1, 2, 3


def size(parameters: Values) -> int:
    return VARIANCE + int(parameters["period"])


def warmup(parameters: Values) -> int:
    return int(parameters["period"])


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    x = read_source(bar, arena[base + _SOURCE])
    arena[base] = math.sqrt(moving_variance(arena, base + _VARIANCE, int(arena[base + _PERIOD]), x))
