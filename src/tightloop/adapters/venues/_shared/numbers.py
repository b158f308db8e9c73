"""Numbers of a venue's JSON: decimal strings in and out.

Coming in, a decimal becomes the float64 nearest to it. Going out, a float becomes the decimal of at most 15 significant
digits nearest to it, written in full. A price that is count * increment in float64 carries two roundings, a relative
error below 2.3e-16, while two decimals of 15 digits are at least 1e-15 apart. So the decimal that was meant comes out
exactly (0.1 + 0.2 as 0.3), as long as it has no more than 15 digits; prices and sizes of venues have fewer.
"""

import math
from decimal import Context, Decimal, InvalidOperation
from typing import Any

DIGITS_MAX = 15
MILLISECOND_NS = 1_000_000
_MILLISECONDS_MAX = (2**63 - 1) // MILLISECOND_NS
_EXACT = Context(prec=1_000, traps=[InvalidOperation])


def number(value: Any) -> float:
    """Return the float64 nearest to a decimal string or a JSON number. Raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{type(value).__name__} is not a number")
    if isinstance(value, str) and not value.isascii():
        raise ValueError("a number of other digits than 0 to 9")
    read = float(value)
    if not math.isfinite(read):
        raise ValueError("a number that is not finite")
    return read


def optional(value: Any) -> float:
    """Return as ``number``; NaN for None and an empty string."""
    return math.nan if value is None or value == "" else number(value)


def positive(value: Any) -> float:
    """Return as ``number``; NaN for None, an empty string and 0, which venues write for a price that there is not."""
    read = optional(value)
    return math.nan if read == 0.0 else read


def whole(value: Any) -> int:
    """Return an integer of at most 63 bits that is written as one. Raises ValueError for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise ValueError(f"{type(value).__name__} is not a whole number of 63 bits")
    return value


def ns(milliseconds: Any) -> int:
    """Return ns UTC of a time in ms. Raises ValueError for what is no time."""
    read = whole(milliseconds)
    if not 0 <= read <= _MILLISECONDS_MAX:
        raise ValueError("a time out of range")
    return read * MILLISECOND_NS


def written(value: float | Decimal) -> str:
    """Write a number as a decimal in full: never an exponent, no zeros at the end.

    A float is written with at most 15 digits; a Decimal with all it has. ValueError when it is not finite.
    """
    if not math.isfinite(value):
        raise ValueError("only a finite number can be written")
    exact = value if isinstance(value, Decimal) else Decimal(f"{value:.{DIGITS_MAX}g}")
    if exact == 0:
        return "0"
    text = format(exact.normalize(_EXACT), "f")
    return text


def string(value: Any) -> str:
    """Return a string as it is. Raises ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"{type(value).__name__} is not a text")
    return value


def flag(value: Any) -> bool:
    """Return True or False as it is. Raises ValueError for anything else."""
    if not isinstance(value, bool):
        raise ValueError(f"{type(value).__name__} is not true or false")
    return value


def levels(rows: Any) -> tuple[tuple[float, float], ...]:
    """Return levels of a book, pairs of price and quantity."""
    return tuple((number(price), number(qty)) for price, qty in rows)
