"""ROC: change against the value ``period`` bars ago, in percent; 0 where that value is 0, as in TA-Lib."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._windows import RING, full, push
from tightloop.core.indicators.contract import SOURCE, Values, period, read_source
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS = (period(10), SOURCE)
FORMULA = "roc = (x / x `period` bars ago - 1) * 100; 0 when x was 0 then (TA-Lib ROC)"

_PERIOD, _SOURCE, _RING = 1, 2, 3


def size(parameters: Values) -> int:
    return RING + int(parameters["period"]) + 1


def warmup(parameters: Values) -> int:
    return int(parameters["period"]) + 1


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    x = read_source(bar, arena[base + _SOURCE])
    n = int(arena[base + _PERIOD]) + 1
    then = push(arena, base + _RING, n, x)
    if full(arena, base + _RING, n):
        arena[base] = (x / then - 1.0) * 100.0 if then != 0.0 else 0.0
