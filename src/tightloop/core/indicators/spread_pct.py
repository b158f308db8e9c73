"""SPREAD_PCT: distance of the best ask from the best bid in percent of their middle; UNKNOWN without a quote."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import REFRESH, End, Values, refresh_of
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (REFRESH,)
FORMULA = "100 (ask - bid) / ((ask + bid) / 2) of the last quote"
TAPES = ("quotes",)


def size(parameters: Values) -> int:
    return 0


def ends(parameters: Values) -> tuple[End, ...]:
    return ()


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, 1.0)


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    own = state.instruments[instrument]
    if own.bid > 0.0 and own.ask > 0.0:
        arena[base] = 100.0 * (own.ask - own.bid) / (0.5 * (own.ask + own.bid))
    else:
        arena[base] = math.nan
