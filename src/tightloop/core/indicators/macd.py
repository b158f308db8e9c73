"""MACD: difference of two exponential averages of the close, its own average, and the difference of the two, in price.

All three are known from the bar on which ``signal`` is, as in TA-Lib.
"""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._smoothing import exponential
from tightloop.core.indicators.contract import Values, period
from tightloop.core.signatures import UPDATE

OUTPUTS = ("macd", "signal", "histogram")
PARAMETERS = (period(12, name="fast", minimum=2), period(26, name="slow", minimum=2), period(9, name="signal"))
FORMULA = (
    "macd = ema(`fast`) - ema(`slow`), both seeded on bar `slow` with the mean of as many values; signal = ema of macd "
    "over `signal`; histogram = macd - signal; the shorter of the two counts as `fast` (TA-Lib MACD)"
)

_MACD, _SIGNAL, _HISTOGRAM, _FAST_PERIOD, _SLOW_PERIOD, _SIGNAL_PERIOD = 0, 1, 2, 3, 4, 5
_COUNT, _FAST, _SLOW, _AVERAGE = 6, 7, 8, 9


def size(parameters: Values) -> int:
    return 4


def warmup(parameters: Values) -> int:
    return int(max(parameters["fast"], parameters["slow"]) + parameters["signal"]) - 1


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    fast = min(arena[base + _FAST_PERIOD], arena[base + _SLOW_PERIOD])
    slow = max(arena[base + _FAST_PERIOD], arena[base + _SLOW_PERIOD])
    signal = arena[base + _SIGNAL_PERIOD]
    count = arena[base + _COUNT] + 1.0
    if count <= slow + signal:
        arena[base + _COUNT] = count
    # The fast average starts late, so that both are seeded on the same bar.
    if count > slow - fast:
        exponential(arena, base + _FAST, fast, count - (slow - fast), bar.close)
    exponential(arena, base + _SLOW, slow, count, bar.close)
    if count < slow:
        return
    macd = arena[base + _FAST] - arena[base + _SLOW]
    exponential(arena, base + _AVERAGE, signal, count - slow + 1.0, macd)
    if count < slow + signal - 1.0:
        return
    arena[base + _MACD] = macd
    arena[base + _SIGNAL] = arena[base + _AVERAGE]
    arena[base + _HISTOGRAM] = macd - arena[base + _AVERAGE]
