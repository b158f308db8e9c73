"""EMA: exponential moving average, seeded with the mean of the first ``period`` values as TA-Lib does."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._smoothing import exponential
from tightloop.core.indicators.contract import SOURCE, Values, period, read_source
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS = (period(14), SOURCE)
FORMULA = "ema = ema + 2 / (period + 1) * (x - ema), from the mean of the first `period` values on (TA-Lib EMA)"

_PERIOD, _SOURCE, _COUNT, _AVERAGE = 1, 2, 3, 4


def size(parameters: Values) -> int:
    return 2


def warmup(parameters: Values) -> int:
    return int(parameters["period"])


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    n = arena[base + _PERIOD]
    count = min(arena[base + _COUNT] + 1.0, n + 1.0)
    arena[base + _COUNT] = count
    exponential(arena, base + _AVERAGE, n, count, read_source(bar, arena[base + _SOURCE]))
    if count >= n:
        arena[base] = arena[base + _AVERAGE]
