"""ADX: Wilder's directional movement, three numbers from 0 to 100.

``plus_di`` and ``minus_di`` are known after ``period + 1`` bars, ``adx``, an average of them, after ``2 * period``.
"""

import numpy as np

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._smoothing import true_range
from tightloop.core.indicators.contract import Values, period
from tightloop.core.signatures import UPDATE

OUTPUTS = ("adx", "plus_di", "minus_di")
PARAMETERS = (period(14, minimum=2),)
FORMULA = (
    "plus_di, minus_di = 100 * Wilder sum of the rises (falls) of the range / Wilder sum of the true range, 0 without "
    "range; adx = Wilder average of 100 * |plus_di - minus_di| / (plus_di + minus_di), unchanged when both are 0 "
    "(TA-Lib ADX, PLUS_DI, MINUS_DI)"
)

_ADX, _PLUS_DI, _MINUS_DI, _PERIOD = 0, 1, 2, 3
_COUNT, _HIGH, _LOW, _CLOSE, _PLUS, _MINUS, _REACH, _DX_SUM = 4, 5, 6, 7, 8, 9, 10, 11

_NO_MOVEMENT = 1e-14  # a smaller plus_di + minus_di counts as no movement, as in TA-Lib


def size(parameters: Values) -> int:
    return 8


def warmup(parameters: Values) -> int:
    return 2 * int(parameters["period"])


@leaf
def _accumulate(arena: Floats, at: int, n: float, x: float) -> None:
    """Update Wilder's running sum: drop an ``n``-th of it, add ``x``."""
    assert x >= 0.0
    arena[at] = arena[at] - arena[at] / n + x


@leaf
def _index(arena: Floats, base: int, n: float, count: float) -> None:
    """Write +DI, -DI and ADX, the Wilder average of DX; ``count`` is the number of bars before this one."""
    reach = arena[base + _REACH]
    plus_di = 100.0 * (arena[base + _PLUS] / reach) if reach > 0.0 else 0.0
    minus_di = 100.0 * (arena[base + _MINUS] / reach) if reach > 0.0 else 0.0
    arena[base + _PLUS_DI], arena[base + _MINUS_DI] = plus_di, minus_di
    both = plus_di + minus_di
    moving = both >= _NO_MOVEMENT
    dx = 100.0 * (abs(minus_di - plus_di) / both) if moving else 0.0
    if count < 2.0 * n:
        arena[base + _DX_SUM] += dx
        if count == 2.0 * n - 1.0:
            arena[base + _ADX] = arena[base + _DX_SUM] / n
    elif moving:
        arena[base + _ADX] = (arena[base + _ADX] * (n - 1.0) + dx) / n


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    n = arena[base + _PERIOD]
    count = arena[base + _COUNT]
    rise, fall = bar.high - arena[base + _HIGH], arena[base + _LOW] - bar.low
    close = arena[base + _CLOSE]
    arena[base + _HIGH], arena[base + _LOW], arena[base + _CLOSE] = bar.high, bar.low, bar.close
    if count < 2.0 * n:
        arena[base + _COUNT] = count + 1.0
    if count == 0.0:
        return
    # Seeding as in TA-Lib: the first period - 1 movements are summed without decay.
    n_th = n if count >= n else np.inf
    _accumulate(arena, base + _PLUS, n_th, rise if rise > 0.0 and rise > fall else 0.0)
    _accumulate(arena, base + _MINUS, n_th, fall if fall > 0.0 and fall > rise else 0.0)
    _accumulate(arena, base + _REACH, n_th, true_range(bar.high, bar.low, close))
    if count >= n:
        _index(arena, base, n, count)
