"""Validation of time windows, and time-weighted mean prices over them."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Values
from tightloop.core.market import tapes


def ordered(parameters: Values, begin: str, end: str) -> tuple[str, str, str] | None:
    """Check that a window begins before it ends; return (parameter, message, remedy), or None if valid."""
    if parameters[begin] > parameters[end]:
        return None
    message = f"{parameters[begin]:g} is not before {end} {parameters[end]:g}: the window would be empty"
    return begin, message, f"write {begin} greater than {end}, both in seconds before now"


def base_and_now(parameters: Values) -> tuple[str, str, str] | None:
    """Check that a move's base (t3, t3 - d) ends by now; return (parameter, message, remedy), or None if valid."""
    if parameters["t3"] >= parameters["d"]:
        return None
    message = f"{parameters['d']:g} is longer than t3 {parameters['t3']:g}: the base would reach beyond now"
    return "d", message, "write d no greater than t3"


@leaf
def mean_price(state: Record, arena: Floats, old: int, new: int) -> float:
    """Return the time-weighted price (TWPA) between two boundaries; NaN until warm (a print at or before ``old``)."""
    if not tapes.is_warm(state, old):
        return math.nan
    return tapes.price_mean(state, old, new)


@leaf
def move_pct(now: float, base: float) -> float:
    """Return the change from ``base`` to ``now`` in percent; NaN if either price is unknown."""
    return 100.0 * (now - base) / base if base > 0.0 else math.nan
