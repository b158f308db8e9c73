"""SIGNAL_AGE_SECONDS: seconds since S1 fired for this instance; UNKNOWN without a signal."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import InstanceState
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Values
from tightloop.core.signatures import EVALUATE

OUTPUTS = ("value",)
PARAMETERS = ()
FORMULA = "T - time of S1, in seconds, from the signal until the instance is back in MONITORING"


def size(parameters: Values) -> int:
    return 0


def warmup(parameters: Values) -> int:
    return 1


@compiled(EVALUATE)
def evaluate(state: Record, arena: Floats, instance: int, base: int) -> None:
    strategy_instance = state.instances[instance]
    watching = (
        strategy_instance.state != InstanceState.MONITORING
        and strategy_instance.state != InstanceState.INACTIVE
        and strategy_instance.signal_ns > 0
    )
    arena[base] = (state.ts_ns - strategy_instance.signal_ns) / 1e9 if watching else math.nan
