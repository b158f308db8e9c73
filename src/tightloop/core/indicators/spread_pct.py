"""SPREAD_PCT: distance of the best ask from the best bid in percent of the mid price; UNKNOWN without a quote."""

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
    quoted = state.instruments[instrument]
    if quoted.bid > 0.0 and quoted.ask > 0.0:
        arena[base] = 100.0 * (quoted.ask - quoted.bid) / (0.5 * (quoted.ask + quoted.bid))
    else:
        arena[base] = math.nan
