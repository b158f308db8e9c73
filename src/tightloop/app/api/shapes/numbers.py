"""Numbers as texts: browsers keep 53 bits of an integer, and money is no floating point number to them."""

import math
from decimal import Decimal


def decimal_text(value: float | None) -> str | None:
    """Return the shortest decimal that reads back to a float, without an exponent; None where it is not known."""
    if value is None or not math.isfinite(value):
        return None
    text = format(Decimal(repr(float(value))), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def ns_text(value: int | None) -> str | None:
    """Return nanoseconds as a text; None where they are not known."""
    return None if value is None else str(int(value))
