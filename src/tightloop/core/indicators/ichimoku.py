"""ICHIMOKU: midpoints of three ranges, two of them as of ``kijun`` bars ago.

Nothing here knows the future. Charts draw the cloud ``kijun`` bars ahead, so the one that applies to this bar was
computed ``kijun`` bars ago. They draw ``chikou`` ``kijun`` bars back; here it is the close of this bar, to be
compared with the prices of ``kijun`` bars ago.
"""

import numpy as np

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._windows import RANGE, RING, bars_seen, full, push, sliding_range
from tightloop.core.indicators.contract import Values, period
from tightloop.core.signatures import UPDATE

OUTPUTS = ("tenkan", "kijun", "span_a", "span_b", "chikou")
PARAMETERS = (period(9, name="tenkan"), period(26, name="kijun"), period(52, name="senkou"))
FORMULA = (
    "tenkan, kijun = (highest high + lowest low) / 2 over so many bars; span_a = (tenkan + kijun) / 2 and span_b = the "
    "middle over `senkou` bars, both of `kijun` bars ago: the cloud at this bar; chikou = this close (charts draw it "
    "`kijun` bars back)"
)

_TENKAN, _KIJUN, _SPAN_A, _SPAN_B, _CHIKOU = 0, 1, 2, 3, 4
_TENKAN_PERIOD, _KIJUN_PERIOD, _SENKOU_PERIOD, _OWN = 5, 6, 7, 8


def size(parameters: Values) -> int:
    tenkan, kijun, senkou = (int(parameters[name]) for name in ("tenkan", "kijun", "senkou"))
    return 3 * RANGE + 2 * (tenkan + kijun + senkou) + 2 * (RING + kijun + 1)


def warmup(parameters: Values) -> int:
    return int(max(parameters["tenkan"], parameters["kijun"], parameters["senkou"]) + parameters["kijun"])


@leaf
def _middle(arena: Floats, at: int, n: int, bar: Record) -> float:
    """Return (highest high + lowest low) / 2 of the last ``n`` bars; NaN until there are ``n``."""
    highest, lowest = sliding_range(arena, at, n, bar.high, bar.low)
    return (highest + lowest) / 2.0 if bars_seen(arena, at) >= n else np.nan


@leaf
def _delayed(arena: Floats, at: int, delay: int, x: float) -> float:
    """Store ``x`` and return the value ``delay`` bars ago; NaN until there is one. ``x`` may be NaN."""
    then = push(arena, at, delay + 1, x)
    return then if full(arena, at, delay + 1) else np.nan


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    tenkan, kijun = int(arena[base + _TENKAN_PERIOD]), int(arena[base + _KIJUN_PERIOD])
    senkou = int(arena[base + _SENKOU_PERIOD])
    kijun_range = base + _OWN + RANGE + 2 * tenkan
    senkou_range = kijun_range + RANGE + 2 * kijun
    a_ring = senkou_range + RANGE + 2 * senkou
    b_ring = a_ring + RING + kijun + 1
    arena[base + _TENKAN] = _middle(arena, base + _OWN, tenkan, bar)
    arena[base + _KIJUN] = _middle(arena, kijun_range, kijun, bar)
    arena[base + _SPAN_A] = _delayed(arena, a_ring, kijun, (arena[base + _TENKAN] + arena[base + _KIJUN]) / 2.0)
    arena[base + _SPAN_B] = _delayed(arena, b_ring, kijun, _middle(arena, senkou_range, senkou, bar))
    arena[base + _CHIKOU] = bar.close
