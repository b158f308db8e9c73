"""SUPERTREND: a stop line that follows the price at a multiple of the ATR, and the side it is on.

``direction`` is +1 (line below, rising market) or -1 (line above). It starts at +1 whatever came before, as in TA-Lib:
the first trend carries no information.
"""

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._smoothing import true_range, wilder
from tightloop.core.indicators.contract import Number, Values, period
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value", "direction")
PARAMETERS = (period(10, minimum=2), Number("multiple", 3.0, 0.01, 100.0, meaning="average true ranges"))
FORMULA = (
    "bands = (high + low) / 2 +- `multiple` * atr; the lower only rises, the upper only falls, until a close beyond it "
    "resets it; direction turns on a close beyond the line; value = lower band at +1, upper at -1 (TA-Lib SUPERTREND)"
)

_VALUE, _DIRECTION, _PERIOD, _MULTIPLE = 0, 1, 2, 3
_COUNT, _CLOSE, _ATR, _UPPER, _LOWER = 4, 5, 6, 7, 8


def size(parameters: Values) -> int:
    return 5


def warmup(parameters: Values) -> int:
    return int(parameters["period"]) + 1


@leaf
def _follow(arena: Floats, base: int, upper: float, lower: float, close: float) -> None:
    """Update the final bands: each only tightens, unless the previous ``close`` was beyond it."""
    if upper < arena[base + _UPPER] or close > arena[base + _UPPER]:
        arena[base + _UPPER] = upper
    if lower > arena[base + _LOWER] or close < arena[base + _LOWER]:
        arena[base + _LOWER] = lower


@leaf
def _turn(arena: Floats, base: int, close: float) -> None:
    """Change direction when this bar's ``close`` crosses the opposite band."""
    assert abs(arena[base + _DIRECTION]) == 1.0
    if arena[base + _DIRECTION] > 0.0:
        if close < arena[base + _LOWER]:
            arena[base + _DIRECTION] = -1.0
    elif close > arena[base + _UPPER]:
        arena[base + _DIRECTION] = 1.0


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
        arena[base + _ATR] = wilder(arena[base + _ATR], reach, n)
    else:
        arena[base + _ATR] += reach
        if count < n:
            return
        arena[base + _ATR] /= n
    middle, half = (bar.high + bar.low) / 2.0, arena[base + _MULTIPLE] * arena[base + _ATR]
    if count == n:
        arena[base + _UPPER], arena[base + _LOWER] = middle + half, middle - half
        arena[base + _DIRECTION] = 1.0
    else:
        _follow(arena, base, middle + half, middle - half, close)
        _turn(arena, base, bar.close)
    arena[base + _VALUE] = arena[base + _LOWER] if arena[base + _DIRECTION] > 0.0 else arena[base + _UPPER]
