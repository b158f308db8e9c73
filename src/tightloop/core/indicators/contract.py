"""What an indicator file declares, and the compiled signatures it is called by."""

from collections.abc import Mapping
from dataclasses import dataclass

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Record


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric parameter with inclusive bounds. ``default`` None means that it must be written.

    ``or_zero``: 0 may be written too, though it lies outside of the bounds.
    """

    name: str
    default: float | None
    minimum: float
    maximum: float
    whole: bool = False
    meaning: str = ""
    or_zero: bool = False

    def allows(self, value: float) -> bool:
        """Whether a value lies in the bounds."""
        return self.minimum <= value <= self.maximum or (self.or_zero and value == 0.0)

    def bounds(self) -> str:
        """The bounds as people read them."""
        return f"{self.minimum:g} to {self.maximum:g}{' or 0' if self.or_zero else ''}"


@dataclass(frozen=True, slots=True)
class Choice:
    """A parameter that is one of some words; the arena holds the position of the word in ``words``."""

    name: str
    default: str
    words: tuple[str, ...]
    meaning: str = ""


Parameter = Number | Choice
Values = Mapping[str, float]
"""Parameters by name; a ``Choice`` by the position of its word."""

PERIOD_MAX = 10_000

SOURCE = Choice("source", "close", ("close", "open", "high", "low", "volume"), "which number of the bar is read")

FLAT = Choice("flat", "zero", ("zero", "unknown"), "where nothing moved: zero, as TA-Lib answers, or unknown")


def period(default: int | None = 14, *, name: str = "period", minimum: int = 1) -> Number:
    """The usual ``period`` parameter, in bars."""
    return Number(name, default, minimum, PERIOD_MAX, whole=True, meaning="bars")


End = tuple[str, float]
"""One end of a window: the tape (``trades`` or ``quotes``) and seconds before now."""

SECONDS_MAX = 86_400.0


def seconds(name: str, default: float | None, *, minimum: float = 0.0, meaning: str = "") -> Number:
    """A distance in time before now."""
    return Number(name, default, minimum, SECONDS_MAX, meaning=meaning or "seconds before now")


REFRESH = Number(
    "refresh", 0.0, 0.5, 3_600.0, meaning="seconds between points of the grid, 0: the indicator's own", or_zero=True
)


def refresh_of(values: Values, own_s: float) -> float:
    """Seconds between two points of the grid: what a strategy wrote as ``refresh``, else the indicator's own."""
    return values["refresh"] if values["refresh"] > 0.0 else own_s


@leaf
def read_source(bar: Record, source: float) -> float:
    """The number of ``bar`` that ``SOURCE`` names; ``source`` is the position of the word."""
    if source == 0.0:
        return bar.close
    if source == 1.0:
        return bar.open
    if source == 2.0:
        return bar.high
    if source == 3.0:
        return bar.low
    return bar.volume
