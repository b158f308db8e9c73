"""STOCHASTIC: where the close stands in the range of the last bars, 0 (the low) to 100 (the high), smoothed twice.

``k`` is known from the bar on which ``d`` is, as in TA-Lib. A range of no width counts as 0 before smoothing, as there;
with ``flat: unknown`` both are UNKNOWN while such a range is among what is smoothed.
"""

import numpy as np

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._windows import MEAN, RANGE, bars_seen, bounded_mean, sliding_range
from tightloop.core.indicators.contract import FLAT, Values, period
from tightloop.core.signatures import UPDATE

OUTPUTS = ("k", "d")
PARAMETERS = (period(14, name="k_period"), period(3, name="k_smooth"), period(3, name="d_period"), FLAT)
FORMULA = (
    "k = sma(100 * (close - lowest low) / (highest high - lowest low) over `k_period` bars, `k_smooth`), d = sma(k, "
    "`d_period`); a range within 1e-14 of its own extremes counts as 0 (TA-Lib STOCH), or is unknown"
)

_K, _D, _K_PERIOD, _K_SMOOTH, _D_PERIOD, _FLAT, _WIDE, _RANGE = 0, 1, 2, 3, 4, 5, 6, 7

_NO_WIDTH = 1e-14  # a range below this share of |highest| + |lowest| counts as 0


def size(parameters: Values) -> int:
    means = int(parameters["k_smooth"]) + int(parameters["d_period"])
    return 1 + RANGE + 2 * int(parameters["k_period"]) + 2 * MEAN + means


def warmup(parameters: Values) -> int:
    return int(parameters["k_period"] + parameters["k_smooth"] + parameters["d_period"]) - 2


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    n, smooth = int(arena[base + _K_PERIOD]), int(arena[base + _K_SMOOTH])
    k_mean = base + _RANGE + RANGE + 2 * n
    d_mean = k_mean + MEAN + smooth
    highest, lowest = sliding_range(arena, base + _RANGE, n, bar.high, bar.low)
    if bars_seen(arena, base + _RANGE) < n:
        return
    width = highest - lowest
    fast = 0.0
    wide = 0.0
    if abs(width) > _NO_WIDTH * (abs(highest) + abs(lowest)):
        fast = min(max((bar.close - lowest) / width * 100.0, 0.0), 100.0)
        wide = arena[base + _WIDE] + 1.0
    arena[base + _WIDE] = wide
    k = bounded_mean(arena, k_mean, smooth, fast)
    if np.isnan(k):
        return
    d = bounded_mean(arena, d_mean, int(arena[base + _D_PERIOD]), k)
    if np.isnan(d):
        return
    if arena[base + _FLAT] != 0.0 and wide < smooth + arena[base + _D_PERIOD] - 1.0:
        k, d = np.nan, np.nan
    arena[base + _K], arena[base + _D] = k, d
