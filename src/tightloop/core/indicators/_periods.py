"""Consecutive periods of equal length back from now, and the direction of the price in each."""

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_length, is_point, length_s, written_ns
from tightloop.core.indicators.contract import REFRESH, SECONDS_MAX, End, Number, Values, refresh_of, seconds
from tightloop.core.market import tapes

PERIODS = (
    seconds("period", 60.0, minimum=0.1, meaning="length of a period in seconds"),
    Number("lookback", 10, 1, 100, whole=True, meaning="periods"),
    REFRESH,
)
PERIOD, LOOKBACK, _REFRESH, ENDS = 1, 2, 3, 4
"""Offsets from ``base``: parameters follow the one output, edge numbers follow the parameters."""


def ends_of_periods(parameters: Values) -> tuple[End, ...]:
    """Return the boundaries of all periods, latest first, on the trade tape."""
    return tuple(("trades", k * parameters["period"]) for k in range(int(parameters["lookback"]) + 1))


def grid_of_periods(parameters: Values) -> float:
    """Return the grid period in seconds: as written, else the finer the shorter the period."""
    return refresh_of(parameters, by_length(parameters["period"]))


def too_long(parameters: Values) -> tuple[str, str, str] | None:
    """Check that all periods fit into the longest window; return (parameter, message, remedy), or None if valid."""
    whole = parameters["period"] * parameters["lookback"]
    if whole <= SECONDS_MAX:
        return None
    message = f"{parameters['lookback']:g} periods take {whole:g} seconds, more than {SECONDS_MAX:g}"
    return "lookback", message, "write a shorter period, or a smaller lookback"


@leaf
def is_known(state: Record, arena: Floats, base: int) -> bool:
    """Tell whether all periods are warm: a print at or before the first one, and no data gap since."""
    return tapes.is_warm(state, tapes.edge_of(arena, base + ENDS + int(arena[base + LOOKBACK])))


@leaf
def is_due(state: Record, arena: Floats, base: int) -> bool:
    """Tell whether this evaluation is on a grid point."""
    return is_point(state, written_ns(arena[base + _REFRESH], length_s(arena[base + PERIOD])))


@leaf
def direction(state: Record, arena: Floats, base: int, age: int) -> float:
    """Return the sign of the price change over the period that ended ``age`` periods ago: 1, -1 or 0."""
    assert age >= 0, "a period has an age"
    now = tapes.value(state, arena, tapes.edge_of(arena, base + ENDS + age), tapes.PRICE)
    before = tapes.value(state, arena, tapes.edge_of(arena, base + ENDS + age + 1), tapes.PRICE)
    if now > before:
        return 1.0
    return -1.0 if now < before else 0.0
