"""Shared by indicators over a window (t1, t2) and a base (t3, t4): parameters, boundaries, validation."""

from tightloop.core.indicators._windows_of_time import ordered
from tightloop.core.indicators.contract import End, Number, Values, seconds

MIN_DENOMINATOR_REL = Number(
    "min_denominator_rel", 0.001, 0.0, 1.0, meaning="UNKNOWN when the base is below this share of the window's value"
)


def windows(t1: float, t2: float, t3: float, t4: float) -> tuple[Number, Number, Number, Number]:
    """Declare the parameters of a window (t1, t2) and its base (t3, t4)."""
    return (
        seconds("t1", t1, minimum=0.001),
        seconds("t2", t2),
        seconds("t3", t3, minimum=0.001, meaning="seconds before now at which the base begins"),
        seconds("t4", t4, meaning="seconds before now at which the base ends"),
    )


def two_of_trades(parameters: Values) -> tuple[End, ...]:
    """Return the boundaries of window and base on the trade tape."""
    return tuple(("trades", parameters[name]) for name in ("t1", "t2", "t3", "t4"))


def two_of_quotes(parameters: Values) -> tuple[End, ...]:
    """Return the boundaries of window and base on the quote tape."""
    return tuple(("quotes", parameters[name]) for name in ("t1", "t2", "t3", "t4"))


def two_windows(parameters: Values) -> tuple[str, str, str] | None:
    """Check that both windows begin before they end; return (parameter, message, remedy), or None if valid."""
    return ordered(parameters, "t1", "t2") or ordered(parameters, "t3", "t4")
