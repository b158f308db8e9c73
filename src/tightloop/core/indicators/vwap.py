"""VWAP: volume-weighted average of the typical price, over the last ``period`` bars or since midnight UTC.

UNKNOWN while nothing has been traded in the window or on the day: without weights there is no average. With
``anchor: day`` the day of the first bar counts from that bar on. TA-Lib's VWAP is that of one day's bars.

The sums of the rolling window are recomputed once a window, and at once after a burst of volume, so that it leaves no
rounding behind. Those of a day are cumulative.
"""

import numpy as np

from tightloop.core import limits
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._windows import SUM, moving_sum
from tightloop.core.indicators.contract import Choice, Values, period
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS = (
    period(20),
    Choice("anchor", "none", ("none", "day"), "none: the last `period` bars; day: since midnight UTC, `period` unused"),
)
FORMULA = (
    "vwap = sum of typical * volume / sum of volume, typical = (high + low + close) / 3, over the last `period` bars "
    "(anchor day: since midnight UTC); unknown without volume"
)

_PERIOD, _ANCHOR, _OWN = 1, 2, 3

_DAY, _DAY_PAID, _DAY_VOLUME = 3, 4, 5
_QUIET, _SUMS = 3, 4


def _anchored(parameters: Values) -> bool:
    """Tell whether the sums restart at midnight UTC rather than roll over ``period`` bars."""
    return parameters["anchor"] != 0.0


def size(parameters: Values) -> int:
    if _anchored(parameters):
        return 3
    return _SUMS - _OWN + 2 * (SUM + int(parameters["period"]))


def warmup(parameters: Values) -> int:
    return 1 if _anchored(parameters) else int(parameters["period"])


@leaf
def _accumulate(arena: Floats, base: int, day: int, paid: float, volume: float) -> None:
    """Add a bar to the sums of its UTC day; ``paid`` is typical price x volume."""
    if arena[base + _DAY] != day:
        arena[base + _DAY] = day
        arena[base + _DAY_PAID] = 0.0
        arena[base + _DAY_VOLUME] = 0.0
    arena[base + _DAY_PAID] += paid
    arena[base + _DAY_VOLUME] += volume
    traded = arena[base + _DAY_VOLUME]
    arena[base] = arena[base + _DAY_PAID] / traded if traded > 0.0 else np.nan


@leaf
def _roll(arena: Floats, base: int, paid: float, volume: float) -> None:
    """Add a bar to the rolling sums; ``paid`` is typical price x volume."""
    n = int(arena[base + _PERIOD])
    # Count bars without volume: in a window of nothing but these, any volume left in the sum is float residue.
    arena[base + _QUIET] = arena[base + _QUIET] + 1.0 if volume == 0.0 else 0.0
    paid_sum = moving_sum(arena, base + _SUMS, n, paid)
    traded = moving_sum(arena, base + _SUMS + SUM + n, n, volume)
    if traded == traded:
        arena[base] = paid_sum / traded if traded > 0.0 and arena[base + _QUIET] < n else np.nan


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    assert bar.volume >= 0.0
    typical = (bar.high + bar.low + bar.close) / 3.0
    if arena[base + _ANCHOR] == 0.0:
        _roll(arena, base, typical * bar.volume, bar.volume)
    else:
        _accumulate(arena, base, bar.open_ns // limits.DAY_NS, typical * bar.volume, bar.volume)
