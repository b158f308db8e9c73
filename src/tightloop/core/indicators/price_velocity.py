"""PRICE_VELOCITY: move of the price from a base to the last ``t1`` seconds, in percent per second."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._price_moves import MOVE, base_before_now, grid, of_move, speed_at
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = MOVE
FORMULA = "100 (TWPA(t1, 0) - base) / base / (t3 - d / 2 - t1 / 2) with base = TWPA(t3, t3 - d), in % per second"
TAPES = ("trades",)

_ENDS = 5

size = no_memory
ends = of_move
refresh = grid
refuse = base_before_now


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = speed_at(state, arena, base + _ENDS, base + 1)
