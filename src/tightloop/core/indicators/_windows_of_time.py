"""What indicators over windows of time share: how windows are written, and means of prices over two of them."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Values
from tightloop.core.market import tapes


def ordered(parameters: Values, begin: str, end: str) -> tuple[str, str, str] | None:
    """A window begins further back than it ends."""
    if parameters[begin] > parameters[end]:
        return None
    message = f"{parameters[begin]:g} is not before {end} {parameters[end]:g}: the window would be empty"
    return begin, message, f"write {begin} greater than {end}, both in seconds before now"


def base_and_now(parameters: Values) -> tuple[str, str, str] | None:
    """The base (t3, t3 - d) of a move lies before now."""
    if parameters["t3"] >= parameters["d"]:
        return None
    message = f"{parameters['d']:g} is longer than t3 {parameters['t3']:g}: the base would reach beyond now"
    return "d", message, "write d no greater than t3"


@leaf
def mean_price(state: Record, arena: Floats, old: int, new: int) -> float:
    """TWPA between two ends; NaN until a print lies at or before the first."""
    if not tapes.is_warm(state, old):
        return math.nan
    return tapes.price_mean(state, old, new)


@leaf
def move_pct(now: float, base: float) -> float:
    """The move from one price to another in percent; NaN when one is not known."""
    return 100.0 * (now - base) / base if base > 0.0 else math.nan
