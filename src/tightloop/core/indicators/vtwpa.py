"""VTWPA: mean price weighted by time in force and volume; UNKNOWN when the prints in force had no volume."""

import math

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import (
    NEW,
    OLD,
    WINDOW,
    grid,
    is_known,
    no_memory,
    of_trades,
    one_window,
    volume_time_mean,
)
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = "sum of price x volume x seconds in force / sum of volume x seconds in force, over (T - t1, T - t2]"
TAPES = ("trades",)
NEEDS = ("moments",)

size = no_memory
ends = of_trades
refresh = grid
refuse = one_window


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    old, new = tapes.edge_of(arena, base + OLD), tapes.edge_of(arena, base + NEW)
    arena[base] = volume_time_mean(state, arena, old, new) if is_known(state, arena, base) else math.nan
