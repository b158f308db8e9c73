"""UNREALIZED_PNL_PCT: price move in favour of the open position since its entry, in percent; UNKNOWN when flat."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Values
from tightloop.core.signatures import EVALUATE

OUTPUTS = ("value",)
PARAMETERS = ()
FORMULA = "LONG 100 (mark - entry) / entry, SHORT 100 (entry - mark) / entry; price basis, leverage not counted"


def size(parameters: Values) -> int:
    return 0


def warmup(parameters: Values) -> int:
    return 1


@compiled(EVALUATE)
def evaluate(state: Record, arena: Floats, instance: int, base: int) -> None:
    position = state.positions[instance]
    if position.qty == 0.0:
        arena[base] = math.nan
        return
    assert position.entry_price > 0.0, "an open position has an entry price"
    mark = state.instruments[state.instances[instance].instrument].mark
    sign = 1.0 if position.qty > 0.0 else -1.0
    arena[base] = sign * 100.0 * (mark - position.entry_price) / position.entry_price
