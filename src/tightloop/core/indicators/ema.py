"""EMA: exponential moving average, seeded with the mean of the first ``period`` values as TA-Lib does."""

from tightloop.core.compiled import compiled
from tightloop.core.indicators.contract import SOURCE, UPDATE, Values, period, read_source
from tightloop.core.types import Floats, Record

OUTPUTS = ("value",)
PARAMETERS = (period(14), SOURCE)
FORMULA = "ema = ema + 2 / (period + 1) * (x - ema), from the mean of the first `period` values on (TA-Lib EMA)"

_PERIOD, _SOURCE, _COUNT, _SUM = 1, 2, 3, 4


def size(parameters: Values) -> int:
    return 2


def warmup(parameters: Values) -> int:
    return int(parameters["period"])


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    x = read_source(bar, arena[base + _SOURCE])
    n = arena[base + _PERIOD]
    count = arena[base + _COUNT]
    if count < n:
        count += 1.0
        arena[base + _COUNT] = count
        arena[base + _SUM] += x
        if count == n:
            arena[base] = arena[base + _SUM] / n
    else:
        arena[base] += 2.0 / (n + 1.0) * (x - arena[base])
