"""VELOCITY_CASCADE: velocities of shorter windows against those of longer ones; -1 (slowing) to 1 (accelerating)."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._price_moves import base_before_now, ends_of_move, move, speed_at
from tightloop.core.indicators.contract import REFRESH, End, Number, Values, refresh_of
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (
    *move(5.0, 15.0, 5.0, "_1"),
    *move(10.0, 40.0, 10.0, "_2"),
    *move(20.0, 80.0, 20.0, "_3"),
    Number("min_velocity", 0.01, 0.0, 100.0, meaning="percent per second; the smallest divisor"),
    REFRESH,
)
FORMULA = (
    "tanh(R / 2), R the mean of r1 and r2 with weights 4 and 2, x 1.2 when both have one sign, r_i = "
    "(V_i - V_i+1) / max(|V_i+1|, `min_velocity`), V_i = PRICE_VELOCITY(t1_i, t3_i, d_i); UNKNOWN when a V is"
)
TAPES = ("trades",)

_NUMBERS = ("_1", "_2", "_3")
_PARAMETERS, _MIN_VELOCITY, _ENDS = 1, 10, 12
_AGREED = 1.2
_SIGN_MIN = 1e-9  # smaller values are float residue and have no sign

size = no_memory


def ends(parameters: Values) -> tuple[End, ...]:
    return tuple(end for number in _NUMBERS for end in ends_of_move(parameters, number))


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, 1.0)


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    for number in _NUMBERS:
        wrong = base_before_now(parameters, number)
        if wrong is not None:
            return wrong
    if parameters["t1_1"] < parameters["t1_2"] < parameters["t1_3"]:
        return None
    return "t1_1", "the windows of now do not grow from the first to the third", "write the shortest first"


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    least = arena[base + _MIN_VELOCITY]
    first = speed_at(state, arena, base + _ENDS, base + _PARAMETERS)
    second = speed_at(state, arena, base + _ENDS + 4, base + _PARAMETERS + 3)
    third = speed_at(state, arena, base + _ENDS + 8, base + _PARAMETERS + 6)
    arena[base] = math.nan
    if math.isnan(first + second + third):
        return
    under, over = max(abs(second), least), max(abs(third), least)
    assert not under < 0.0, "the size of a velocity is not negative"
    if under > 0.0 and over > 0.0:
        near, far = (first - second) / under, (second - third) / over
        mean = (4.0 * near + 2.0 * far) / 6.0
        arena[base] = math.tanh(
            0.5 * mean * (_AGREED if min(near, far) > _SIGN_MIN or max(near, far) < -_SIGN_MIN else 1.0)
        )
