"""DONCHIAN: highest high and lowest low of the ``period`` bars before this one, so that this bar can break out."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._windows import RANGE, bars_seen, range_before, sliding_range
from tightloop.core.indicators.contract import Values, period
from tightloop.core.signatures import UPDATE

OUTPUTS = ("upper", "lower", "middle")
PARAMETERS = (period(20),)
FORMULA = (
    "upper, lower = highest high, lowest low of the `period` bars before this one; middle = (upper + lower) / 2 "
    "(TA-Lib MAX and MIN of the previous bar)"
)

_UPPER, _LOWER, _MIDDLE, _PERIOD, _RANGE = 0, 1, 2, 3, 4


def size(parameters: Values) -> int:
    return RANGE + 2 * int(parameters["period"])


def warmup(parameters: Values) -> int:
    return int(parameters["period"]) + 1


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    n = int(arena[base + _PERIOD])
    if bars_seen(arena, base + _RANGE) >= n:
        upper, lower = range_before(arena, base + _RANGE)
        arena[base + _UPPER], arena[base + _LOWER] = upper, lower
        arena[base + _MIDDLE] = (upper + lower) / 2.0
    sliding_range(arena, base + _RANGE, n, bar.high, bar.low)
