"""VELOCITY_STABILIZATION_INDEX: dispersion of successive velocities; near 0 the move is steady.

A steady fall is steady too: combine it with the velocity itself.
"""

import math

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_interval, interval_s, is_point, written_ns
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._price_moves import base_before_now, ends_of_move, move, speed_at
from tightloop.core.indicators.contract import REFRESH, End, Number, Values, refresh_of
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (
    *move(),
    Number("num_samples", 3, 2, 10, whole=True, meaning="velocities that are compared"),
    Number("sample_interval", 5.0, 1.0, 60.0, meaning="seconds between two of them"),
    Number(
        "min_velocity", 0.001, 0.0, 100.0, meaning="percent per second; UNKNOWN when their mean magnitude is below it"
    ),
    REFRESH,
)
FORMULA = (
    "sigma(V) / mean(|V|), population sigma, V = PRICE_VELOCITY(t1, t3, d) at T, T - sample_interval, ...: taken at "
    "the points of the grid, in force until the next; UNKNOWN when a V is"
)
TAPES = ("trades",)

_T1, _SAMPLES, _INTERVAL, _MIN_VELOCITY, _REFRESH, _ENDS = 1, 4, 5, 6, 7, 8

size = no_memory
refuse = base_before_now


def ends(parameters: Values) -> tuple[End, ...]:
    agos = (k * parameters["sample_interval"] for k in range(int(parameters["num_samples"])))
    return tuple(end for ago in agos for end in ends_of_move(parameters, "", ago))


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_interval(parameters["sample_interval"]))


@leaf
def _differ(state: Record, arena: Floats, base: int, count: int) -> float:
    """Return population sigma(V) / mean(|V|) of ``count`` velocities, two-pass; NaN if mean(|V|) is too small."""
    total = size_sum = squares = 0.0
    for k in range(count):
        velocity = speed_at(state, arena, base + _ENDS + 4 * k, base + _T1)
        total += velocity
        size_sum += abs(velocity)
    for k in range(count):
        apart = speed_at(state, arena, base + _ENDS + 4 * k, base + _T1) - total / count
        squares += apart * apart
    assert not squares < 0.0, "squares are not negative"
    if size_sum > 0.0 and size_sum >= count * arena[base + _MIN_VELOCITY]:
        return math.sqrt(squares / count) / (size_sum / count)
    return math.nan


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    count = int(arena[base + _SAMPLES])
    assert count >= 2, "one velocity does not differ"
    last = base + _ENDS + 4 * (count - 1)
    if not (tapes.is_warm(state, tapes.edge_of(arena, last)) and tapes.is_warm(state, tapes.edge_of(arena, last + 2))):
        arena[base] = math.nan
    elif is_point(state, written_ns(arena[base + _REFRESH], interval_s(arena[base + _INTERVAL]))):
        arena[base] = _differ(state, arena, base, count)
