"""MARKET_STRESS_INDEX: product of the volatilities of price, deal size and spread; UNKNOWN when one of them is."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._books import quote_mean
from tightloop.core.indicators._moments import price_volatility, size_volatility, spread_volatility
from tightloop.core.indicators._one_window import WINDOW, grid, no_memory, one_window
from tightloop.core.indicators.contract import End, Values
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value", "relative")
PARAMETERS = WINDOW
FORMULA = (
    "PRICE_VOLATILITY x DEAL_SIZE_VOLATILITY x SPREAD_VOLATILITY over (T - t1, T - t2], the last in units of the "
    "price; relative: in percent, so that instruments of different prices compare"
)
TAPES = ("trades", "quotes")
NEEDS = ("moments",)

_ENDS = len(OUTPUTS) + len(PARAMETERS)

size = no_memory
refresh = grid
refuse = one_window


def ends(parameters: Values) -> tuple[End, ...]:
    return tuple((tape, parameters[name]) for tape in TAPES for name in ("t1", "t2"))


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    trades, quotes = base + _ENDS, base + _ENDS + 2
    spread = spread_volatility(state, arena, quotes)
    arena[base] = price_volatility(state, arena, trades) * size_volatility(state, arena, trades) * spread
    arena[base + 1] = 100.0 * arena[base] / quote_mean(state, arena, quotes, tapes.MID)
