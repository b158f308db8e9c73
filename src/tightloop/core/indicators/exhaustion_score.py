"""EXHAUSTION_SCORE: joint decline of liquidity, velocity and volume, 0 to 1; UNKNOWN when a part is."""

import math

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._books import quote_mean
from tightloop.core.indicators._flows import surge
from tightloop.core.indicators._grid_samples import lookback, too_many
from tightloop.core.indicators._grids import written_ns
from tightloop.core.indicators._one_window import share_of
from tightloop.core.indicators._peaks import SMALLEST_MOVE, death, peak, peak_floats
from tightloop.core.indicators._price_moves import base_before_now, ends_of_move, move, move_at
from tightloop.core.indicators._windows_of_time import ordered
from tightloop.core.indicators.contract import REFRESH, End, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value", "drain", "death", "deceleration")
PARAMETERS = (
    *move(),
    seconds("cur", 30.0, minimum=0.5, meaning="length of the current window of liquidity and volume in seconds"),
    seconds("base", 600.0, minimum=0.5, meaning="seconds before now at which their base begins; it ends at cur"),
    lookback(600.0),
    SMALLEST_MOVE,
    REFRESH,
)
FORMULA = (
    "drain x death x deceleration, each held within 0 to 1: drain = 1 - LIQUIDITY_RATIO(cur, 0, base, cur), death = "
    "MOMENTUM_DEATH_INDEX(t1, t3, d, lookback), deceleration = 1 - VOLUME_SURGE(cur, 0, base, cur)"
)
TAPES = ("trades", "quotes")

_GRID_S = 5
_LOOKBACK, _MIN_DENOMINATOR_REL, _REFRESH = 9, 10, 11
_ENDS = len(OUTPUTS) + len(PARAMETERS)
_CUR, _BASE, _QUOTES, _QUOTES_BASE, _MEMORY = _ENDS + 4, _ENDS + 6, _ENDS + 8, _ENDS + 10, _ENDS + 12


def size(parameters: Values) -> int:
    return peak_floats(parameters, refresh(parameters))


def ends(parameters: Values) -> tuple[End, ...]:
    pair = (parameters["cur"], 0.0, parameters["base"], parameters["cur"])
    return ends_of_move(parameters) + tuple((tape, end) for tape in TAPES for end in pair)


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, _GRID_S)


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    wrong = base_before_now(parameters) or ordered(parameters, "base", "cur")
    return wrong or too_many(parameters, refresh(parameters))


@leaf
def _held(share: float) -> float:
    """Clamp to 0 .. 1; NaN stays NaN."""
    return share if math.isnan(share) else min(max(share, 0.0), 1.0)


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    velocity = move_at(state, arena, base + _ENDS)
    refresh_ns = written_ns(arena[base + _REFRESH], _GRID_S)
    highest = peak(state, arena, base + _MEMORY, arena[base + _LOOKBACK], refresh_ns, velocity)
    liquidity = quote_mean(state, arena, base + _QUOTES, tapes.LIQUIDITY)
    before = quote_mean(state, arena, base + _QUOTES_BASE, tapes.LIQUIDITY)
    arena[base + 1] = _held(1.0 - share_of(liquidity, before))
    arena[base + 2] = _held(death(velocity, highest, arena[base + _MIN_DENOMINATOR_REL]))
    arena[base + 3] = _held(1.0 - surge(state, arena, base + _CUR, base + _BASE))
    arena[base] = arena[base + 1] * arena[base + 2] * arena[base + 3]
