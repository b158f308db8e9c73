"""VELOCITY_PCT: how far the price of the last ``t1`` seconds lies above that of a base, in percent."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._price_moves import MOVE, base_before_now, grid, move_at, of_move
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = MOVE
FORMULA = "100 (TWPA(t1, 0) - base) / base with base = TWPA(t3, t3 - d)"
TAPES = ("trades",)

_ENDS = 5

size = no_memory
ends = of_move
refresh = grid
refuse = base_before_now


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = move_at(state, arena, base + _ENDS)
