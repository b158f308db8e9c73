"""DEAL_VS_MID_DEVIATION: how far the mean price of deals lies from the mean mid price, in percent."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._books import quote_mean
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, one_window
from tightloop.core.indicators._windows_of_time import mean_price, move_pct
from tightloop.core.indicators.contract import End, Values
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = WINDOW
FORMULA = "100 |TWPA - m| / m with m = mean over time of the mid, both over (T - t1, T - t2]"
TAPES = ("trades", "quotes")

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
refresh = grid
refuse = one_window


def ends(parameters: Values) -> tuple[End, ...]:
    return tuple((tape, parameters[name]) for tape in TAPES for name in ("t1", "t2"))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    deal = mean_price(state, arena, tapes.edge_of(arena, base + _ENDS), tapes.edge_of(arena, base + _ENDS + 1))
    arena[base] = abs(move_pct(deal, quote_mean(state, arena, base + _ENDS + 2, tapes.MID)))
