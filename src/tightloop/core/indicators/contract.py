"""Parameter declarations of indicator modules, and reading a bar's source field in compiled code."""

from collections.abc import Mapping
from dataclasses import dataclass

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Record


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric parameter with inclusive bounds; ``default`` None means it must be written.

    ``or_zero``: 0 is valid even though it lies outside the bounds.
    """

    name: str
    default: float | None
    minimum: float
    maximum: float
    whole: bool = False
    meaning: str = ""
    or_zero: bool = False

    def allows(self, value: float) -> bool:
        """Tell whether a value is within bounds."""
        return self.minimum <= value <= self.maximum or (self.or_zero and value == 0.0)

    def bounds(self) -> str:
        """Format the bounds for messages, e.g. ``1 to 100 or 0``."""
        return f"{self.minimum:g} to {self.maximum:g}{' or 0' if self.or_zero else ''}"


@dataclass(frozen=True, slots=True)
class Choice:
    """A parameter that takes one of several words; the arena stores the index of the word in ``words``."""

    name: str
    default: str
    words: tuple[str, ...]
    meaning: str = ""


Parameter = Number | Choice
Values = Mapping[str, float]
"""Parameter values by name; a ``Choice`` as the index of its word."""

PERIOD_MAX = 10_000

SOURCE = Choice("source", "close", ("close", "open", "high", "low", "volume"), "which field of the bar is read")

FLAT = Choice("flat", "zero", ("zero", "unknown"), "value where nothing moved: zero, as in TA-Lib, or unknown")


def period(default: int | None = 14, *, name: str = "period", minimum: int = 1) -> Number:
    """Declare a whole-number period in bars."""
    return Number(name, default, minimum, PERIOD_MAX, whole=True, meaning="bars")


End = tuple[str, float]
"""A window boundary: the tape (``trades`` or ``quotes``) and seconds before now."""

SECONDS_MAX = 86_400.0


def seconds(name: str, default: float | None, *, minimum: float = 0.0, meaning: str = "") -> Number:
    """Declare a parameter in seconds before now, at most one day."""
    return Number(name, default, minimum, SECONDS_MAX, meaning=meaning or "seconds before now")


REFRESH = Number(
    "refresh", 0.0, 0.5, 3_600.0, meaning="seconds between points of the grid; 0: the indicator's default", or_zero=True
)


def refresh_of(values: Values, default_s: float) -> float:
    """Return the grid period in seconds: the ``refresh`` a strategy wrote, else the indicator's default."""
    return values["refresh"] if values["refresh"] > 0.0 else default_s


@leaf
def read_source(bar: Record, source: float) -> float:
    """Read the bar field that a ``SOURCE`` parameter names; ``source`` is the index of its word."""
    if source == 0.0:
        return bar.close
    if source == 1.0:
        return bar.open
    if source == 2.0:
        return bar.high
    if source == 3.0:
        return bar.low
    return bar.volume
