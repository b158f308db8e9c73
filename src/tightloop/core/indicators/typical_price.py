"""TYPICAL_PRICE: the mean of high, low and close of the last bar."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Values
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS = ()
FORMULA = "(high + low + close) / 3 (TA-Lib TYPPRICE)"


def size(_parameters: Values) -> int:
    return 1


def warmup(_parameters: Values) -> int:
    return 1


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    arena[base] = (bar.high + bar.low + bar.close) / 3.0
