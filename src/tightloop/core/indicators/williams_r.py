"""WILLIAMS_R: where the close stands in the range of the last ``period`` bars, 0 (the high) to -100 (the low).

In a range of no width it is 0, as in TA-Lib, or UNKNOWN with ``flat: unknown``.
"""

import numpy as np

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._windows import RANGE, bars_seen, sliding_range
from tightloop.core.indicators.contract import FLAT, Values, period
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS = (period(14, minimum=2), FLAT)
FORMULA = (
    "williams_r = -100 * (highest high - close) / (highest high - lowest low); 0 in a range within 1e-14 of its own "
    "extremes (TA-Lib WILLR), unknown with `flat: unknown`"
)

_PERIOD, _FLAT, _RANGE = 1, 2, 3

_NO_WIDTH = 1e-14  # a range below this share of |highest| + |lowest| counts as 0


def size(parameters: Values) -> int:
    return RANGE + 2 * int(parameters["period"])


def warmup(parameters: Values) -> int:
    return int(parameters["period"])


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    n = int(arena[base + _PERIOD])
    highest, lowest = sliding_range(arena, base + _RANGE, n, bar.high, bar.low)
    if bars_seen(arena, base + _RANGE) < n:
        return
    width = highest - lowest
    if abs(width) <= _NO_WIDTH * (abs(highest) + abs(lowest)):
        arena[base] = 0.0 if arena[base + _FLAT] == 0.0 else np.nan
    else:
        arena[base] = min(max((highest - bar.close) / width * -100.0, -100.0), 0.0)
