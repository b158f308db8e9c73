"""CCI: commodity channel index, how far the typical price is from its mean, in mean absolute deviations over 0.015.

The mean absolute deviation is about a mean that moves at every bar, so an update costs O(period).
"""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._windows import RING, full, push
from tightloop.core.indicators.contract import Values, period
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS = (period(20, minimum=2),)
FORMULA = (
    "cci = (typical - mean) / (0.015 * mean of |typical - mean|), typical = (high + low + close) / 3; 0 when either is "
    "within 1e-14 of the mean, as in a flat market (TA-Lib CCI)"
)

_PERIOD, _RING = 1, 2

_LAMBERT = 0.015
_NO_SPREAD = 1e-14  # distances and deviations below this share of the mean count as 0, as in TA-Lib


def size(parameters: Values) -> int:
    return RING + int(parameters["period"])


def warmup(parameters: Values) -> int:
    return int(parameters["period"])


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    n = int(arena[base + _PERIOD])
    typical = (bar.high + bar.low + bar.close) / 3.0
    push(arena, base + _RING, n, typical)
    if not full(arena, base + _RING, n):
        return
    # In ring order, not time order: the order of TA-Lib's summation, for equal rounding.
    first = base + _RING + RING
    total = 0.0
    for place in range(first, first + n):
        total += arena[place]
    mean = total / n
    spread = 0.0
    for place in range(first, first + n):
        spread += abs(arena[place] - mean)
    spread /= n
    distance, least = typical - mean, _NO_SPREAD * abs(mean)
    unit = _LAMBERT * spread
    assert not abs(distance) > 1.000001 * n * spread
    flat = abs(distance) <= least or spread <= least or unit == 0.0
    arena[base] = 0.0 if flat else distance / unit
