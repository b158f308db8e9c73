"""The price move (t1, t3, d): mean price of the last ``t1`` seconds against the mean of a base (t3, t3 - d)."""

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._grids import by_window
from tightloop.core.indicators._windows_of_time import base_and_now, mean_price, move_pct
from tightloop.core.indicators.contract import REFRESH, End, Number, Values, refresh_of, seconds
from tightloop.core.market import tapes


def move(t1: float = 10.0, t3: float = 40.0, d: float = 10.0, number: str = "") -> tuple[Number, Number, Number]:
    """Declare the parameters of a move; ``number`` is a suffix that distinguishes several moves."""
    return (
        seconds(f"t1{number}", t1, minimum=1.0, meaning="length of the current window in seconds"),
        seconds(f"t3{number}", t3, minimum=1.0, meaning="seconds before now at which the base begins"),
        seconds(f"d{number}", d, minimum=0.001, meaning="length of the base in seconds"),
    )


MOVE = (*move(), REFRESH)


def ends_of_move(parameters: Values, number: str = "", ago: float = 0.0) -> tuple[End, End, End, End]:
    """Return the four boundaries, recent window then base, all shifted ``ago`` seconds into the past."""
    t1, t3, d = (parameters[f"{name}{number}"] for name in ("t1", "t3", "d"))
    return ("trades", ago + t1), ("trades", ago), ("trades", ago + t3), ("trades", ago + t3 - d)


def of_move(parameters: Values) -> tuple[End, ...]:
    """Return the boundaries of a single move that ends now."""
    return ends_of_move(parameters)


def grid(parameters: Values) -> float:
    """Return the grid period in seconds: as written, else the finer the shorter the recent window."""
    return refresh_of(parameters, by_window(parameters["t1"]))


def base_before_now(parameters: Values, number: str = "") -> tuple[str, str, str] | None:
    """Check that the base is centred before the recent window, so that the velocity's denominator is positive.

    Returns (parameter, message, remedy), or None if valid.
    """
    t1, t3, d = (parameters[f"{name}{number}"] for name in ("t1", "t3", "d"))
    wrong = base_and_now({"t3": t3, "d": d})
    if wrong is not None:
        return f"d{number}", wrong[1], wrong[2]
    if t3 - d / 2 > t1 / 2:
        return None
    message = f"the base of {d:g} seconds from {t3:g} on is centred no earlier than the last {t1:g} seconds"
    return f"t3{number}", message, "write a greater t3, or a shorter t1"


@leaf
def move_at(state: Record, arena: Floats, place: int) -> float:
    """Return the move in percent; NaN until warm. ``place``: arena index of its four edge numbers (``state.edges``)."""
    now = mean_price(state, arena, tapes.edge_of(arena, place), tapes.edge_of(arena, place + 1))
    return move_pct(now, mean_price(state, arena, tapes.edge_of(arena, place + 2), tapes.edge_of(arena, place + 3)))


@leaf
def speed_at(state: Record, arena: Floats, place: int, parameters: int) -> float:
    """Return the move divided by the time between the centres of its windows, percent per second; NaN until warm.

    ``place``: arena index of the four edge numbers (``state.edges``); ``parameters``: arena index of t1, t3, d.
    """
    apart_s = arena[parameters + 1] - 0.5 * (arena[parameters + 2] + arena[parameters])
    assert apart_s > 0.0, "the centre of a base lies before that of now"
    return move_at(state, arena, place) / apart_s
