"""LIQUIDITY_DRAIN_INDEX: loss of liquidity at the best prices against a base, in percent of the base."""

import math

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_age
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators._two_windows import MIN_DENOMINATOR_REL, two_of_quotes, two_windows, windows
from tightloop.core.indicators.contract import REFRESH, Values, refresh_of
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (*windows(30.0, 0.0, 600.0, 30.0), MIN_DENOMINATOR_REL, REFRESH)
FORMULA = (
    "100 (L(t3, t4) - L(t1, t2)) / L(t3, t4) with L the mean over quotes of bid quantity x bid + ask quantity x ask; "
    "UNKNOWN without a quote in a window, or with a base of 0 or below `min_denominator_rel` x L(t1, t2)"
)
TAPES = ("quotes",)

_MIN_DENOMINATOR_REL, _OLD, _NEW, _BASE_OLD, _BASE = 5, 7, 8, 9, 10

size = no_memory
ends = two_of_quotes
refuse = two_windows


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_age(parameters["t2"]))


@leaf
def _liquidity(state: Record, arena: Floats, old: int, new: int) -> float:
    """Return the mean liquidity per quote, in the quote asset; NaN without quotes or until warm."""
    count = tapes.rows_between(state, old, new)
    if count == 0 or not tapes.is_warm(state, old):
        return math.nan
    mean = tapes.total(state, arena, old, new, tapes.SUM_LIQUIDITY) / count
    assert mean > -1e-6, "quantities are not negative"
    return mean


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    now = _liquidity(state, arena, tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW))
    before = _liquidity(state, arena, tapes.edge_of(arena, base + _BASE_OLD), tapes.edge_of(arena, base + _BASE))
    arena[base] = math.nan
    if before > 0.0 and before >= arena[base + _MIN_DENOMINATOR_REL] * now:
        arena[base] = 100.0 * (before - now) / before
