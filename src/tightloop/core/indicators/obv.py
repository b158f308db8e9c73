"""OBV: on-balance volume, in units of volume, from the volume of the first bar on. Only its changes mean something.

A running sum that never forgets: after 10^6 bars of one size it is within 1e-9 of the exact sum of magnitudes.
"""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Parameter, Values
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS: tuple[Parameter, ...] = ()
FORMULA = (
    "obv = obv + volume when the close rises, - volume when it falls; the first bar's volume at the start (TA-Lib OBV)"
)

_CLOSE, _STARTED = 1, 2


def size(parameters: Values) -> int:
    return 2


def warmup(parameters: Values) -> int:
    return 1


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    assert bar.volume >= 0.0
    close = arena[base + _CLOSE]
    if arena[base + _STARTED] == 0.0:
        arena[base + _STARTED] = 1.0
        arena[base] = bar.volume
    elif bar.close > close:
        arena[base] += bar.volume
    elif bar.close < close:
        arena[base] -= bar.volume
    arena[base + _CLOSE] = bar.close
