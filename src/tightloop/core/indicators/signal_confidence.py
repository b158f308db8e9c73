"""SIGNAL_CONFIDENCE: consistency, magnitude and duration of a move in one figure, 0 to 1.

UNKNOWN until every period and both windows of the magnitude are warm.
"""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_length
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._periods import ENDS, PERIODS, direction, ends_of_periods, too_long
from tightloop.core.indicators._price_moves import base_before_now, ends_of_move, move, move_at
from tightloop.core.indicators.contract import REFRESH, SECONDS_MAX, End, Number, Values, refresh_of
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

PERIOD, LOOKBACK, _ = PERIODS
OUTPUTS = ("value", "consistency", "magnitude", "duration")
PARAMETERS = (
    *move(10.0, 60.0, 30.0),
    PERIOD,
    LOOKBACK,
    Number("magnitude_full", 10.0, 1e-6, 1_000.0, meaning="percent at which the magnitude counts in full"),
    Number("duration_full", 120.0, 0.001, SECONDS_MAX, meaning="seconds at which the duration counts in full"),
    REFRESH,
)
FORMULA = (
    "consistency x min(1, magnitude / magnitude_full) x min(1, duration / duration_full): consistency = max(periods "
    "that rose, that fell) / lookback by the price in force at their ends; "
    "magnitude = |PUMP_MAGNITUDE_PCT(t1, t3, d)|; "
    "duration = seconds of the last periods in a row that all rose, or all fell"
)
TAPES = ("trades",)

_PERIOD, _LOOKBACK, _MAGNITUDE_FULL, _DURATION_FULL = 7, 8, 9, 10
_ENDS = len(OUTPUTS) + len(PARAMETERS)
_PERIODS = _ENDS + 4

size = no_memory


def ends(parameters: Values) -> tuple[End, ...]:
    return ends_of_move(parameters) + ends_of_periods(parameters)


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_length(parameters["t1"]))


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    return base_before_now(parameters) or too_long(parameters)


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    lookback, periods = int(arena[base + _LOOKBACK]), base + _PERIODS - ENDS
    arena[base + 2] = abs(move_at(state, arena, base + _ENDS))
    if math.isnan(arena[base + 2]) or not tapes.is_warm(state, tapes.edge_of(arena, periods + ENDS + lookback)):
        arena[base] = arena[base + 1] = arena[base + 3] = math.nan
        return
    rises, falls, streak = 0, 0, 0
    latest = direction(state, arena, periods, 0)
    for age in range(lookback):
        went = direction(state, arena, periods, age)
        rises += 1 if went > 0.0 else 0
        falls += 1 if went < 0.0 else 0
        if streak == age and went == latest and went != 0.0:
            streak += 1
    assert streak <= max(rises, falls) <= lookback, "a period has one direction"
    arena[base + 1] = max(rises, falls) / lookback
    arena[base + 3] = streak * arena[base + _PERIOD]
    shares = min(1.0, arena[base + 2] / arena[base + _MAGNITUDE_FULL])
    arena[base] = arena[base + 1] * shares * min(1.0, arena[base + 3] / arena[base + _DURATION_FULL])
