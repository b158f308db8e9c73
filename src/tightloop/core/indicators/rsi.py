"""RSI: Wilder's relative strength index, 0 to 100; 0 where there was neither a gain nor a loss, as in TA-Lib.

With ``flat: unknown`` it is UNKNOWN there: on a market that never moved "below 30" is then not TRUE. Its averages are
Wilder's, which never forget a move.
"""

import numpy as np

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import FLAT, SOURCE, Values, period, read_source
from tightloop.core.signatures import UPDATE

OUTPUTS = ("value",)
PARAMETERS = (period(14, minimum=2), SOURCE, FLAT)
FORMULA = (
    "rsi = 100 * gain / (gain + loss), Wilder averages of the rises and falls, each seeded with the mean of the first "
    "`period`; 0 when both are 0 (TA-Lib RSI), unknown with `flat: unknown`"
)

_PERIOD, _SOURCE, _FLAT, _COUNT, _PREVIOUS, _GAIN, _LOSS = 1, 2, 3, 4, 5, 6, 7


def size(parameters: Values) -> int:
    return 4


def warmup(parameters: Values) -> int:
    return int(parameters["period"]) + 1


@compiled(UPDATE)
def update(arena: Floats, base: int, bar: Record) -> None:
    x = read_source(bar, arena[base + _SOURCE])
    n = arena[base + _PERIOD]
    count = arena[base + _COUNT]
    change = x - arena[base + _PREVIOUS]
    arena[base + _PREVIOUS] = x
    if count <= n:
        arena[base + _COUNT] = count + 1.0
    if count == 0.0:
        return
    rise = max(change, 0.0)
    gain, loss = arena[base + _GAIN], arena[base + _LOSS]
    if count > n:
        gain *= n - 1.0
        loss *= n - 1.0
    gain += rise
    loss += rise - change
    if count >= n:
        gain *= 1.0 / n
        loss *= 1.0 / n
        total = gain + loss
        assert gain >= 0.0
        assert loss >= 0.0
        if total > 0.0:
            arena[base] = 100.0 * (gain / total)
        else:
            arena[base] = 0.0 if arena[base + _FLAT] == 0.0 else np.nan
    arena[base + _GAIN], arena[base + _LOSS] = gain, loss
