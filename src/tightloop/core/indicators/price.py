"""PRICE: prices and volume of the bar itself."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Parameter, Values
from tightloop.core.signatures import UPDATE

OUTPUTS = ("close", "open", "high", "low", "volume")
PARAMETERS: tuple[Parameter, ...] = ()
FORMULA = "close, open, high, low and volume of this bar"

_CLOSE, _OPEN, _HIGH, _LOW, _VOLUME = 0, 1, 2, 3, 4


def size(parameters: Values) -> int:
    return 0


def warmup(parameters: Values) -> int:
    return 1


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    assert bar.low <= bar.high
    arena[base + _CLOSE] = bar.close
    arena[base + _OPEN] = bar.open
    arena[base + _HIGH] = bar.high
    arena[base + _LOW] = bar.low
    arena[base + _VOLUME] = bar.volume
