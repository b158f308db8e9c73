"""ATR: Wilder's average of the true range, in units of price."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._smoothing import true_range, wilder
from tightloop.core.indicators.contract import Values, period
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS = (period(14),)
FORMULA = (
    "atr = ((period - 1) * atr + true range) / period, from the mean of the first `period` true ranges on, which begin "
    "at bar 2 (TA-Lib ATR)"
)

_PERIOD, _COUNT, _CLOSE, _SUM = 1, 2, 3, 4


def size(parameters: Values) -> int:
    return 3


def warmup(parameters: Values) -> int:
    return int(parameters["period"]) + 1


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    n = arena[base + _PERIOD]
    count = arena[base + _COUNT]
    close = arena[base + _CLOSE]
    arena[base + _CLOSE] = bar.close
    if count <= n:
        arena[base + _COUNT] = count + 1.0
    if count == 0.0:
        return
    reach = true_range(bar.high, bar.low, close)
    if count > n:
        arena[base] = wilder(arena[base], reach, n)
        return
    arena[base + _SUM] += reach
    if count == n:
        arena[base] = arena[base + _SUM] / n
