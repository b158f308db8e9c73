"""Consecutive periods of one length back from now, and the direction that the price took in each."""

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_length, is_point, length_s, written_ns
from tightloop.core.indicators.contract import REFRESH, SECONDS_MAX, End, Number, Values, refresh_of, seconds
from tightloop.core.market import tapes

PERIODS = (
    seconds("period", 60.0, minimum=0.1, meaning="seconds of a period"),
    Number("lookback", 10, 1, 100, whole=True, meaning="periods"),
    REFRESH,
)
PERIOD, LOOKBACK, _REFRESH, ENDS = 1, 2, 3, 4
"""Where they stand, counted from the one output."""


def ends_of_periods(parameters: Values) -> tuple[End, ...]:
    """The ends of all periods, from now back."""
    return tuple(("trades", k * parameters["period"]) for k in range(int(parameters["lookback"]) + 1))


def grid_of_periods(parameters: Values) -> float:
    """The shorter the period, the finer."""
    return refresh_of(parameters, by_length(parameters["period"]))


def too_long(parameters: Values) -> tuple[str, str, str] | None:
    """All periods together are no longer than a window may be."""
    whole = parameters["period"] * parameters["lookback"]
    if whole <= SECONDS_MAX:
        return None
    message = f"{parameters['lookback']:g} periods take {whole:g} seconds, more than {SECONDS_MAX:g}"
    return "lookback", message, "write a shorter period, or a smaller lookback"


@leaf
def is_known(state: Record, arena: Floats, base: int) -> bool:
    """Whether a print lies at or before the first period, and no gap since."""
    return tapes.is_warm(state, tapes.edge_of(arena, base + ENDS + int(arena[base + LOOKBACK])))


@leaf
def is_due(state: Record, arena: Floats, base: int) -> bool:
    """Whether now is a point of the grid."""
    return is_point(state, written_ns(arena[base + _REFRESH], length_s(arena[base + PERIOD])))


@leaf
def direction(state: Record, arena: Floats, base: int, age: int) -> float:
    """1 when the price rose over the period that ended ``age`` periods ago, -1 when it fell, 0 when it did neither."""
    assert age >= 0, "a period has an age"
    now = tapes.value(state, arena, tapes.edge_of(arena, base + ENDS + age), tapes.PRICE)
    before = tapes.value(state, arena, tapes.edge_of(arena, base + ENDS + age + 1), tapes.PRICE)
    if now > before:
        return 1.0
    return -1.0 if now < before else 0.0
