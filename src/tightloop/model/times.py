"""Times in ISO 8601 as people write and read them, exact to the nanosecond."""

import re
from datetime import UTC, datetime

import numpy as np

YEAR_MIN_NS, YEAR_END_NS = 631_152_000_000_000_000, 4_133_980_800_000_000_000
"""1990-01-01, and 2101-01-01, which is the first that is too late."""

FRACTION = re.compile(r"(.*\d{2}:?\d{2}:?\d{2})[.,](\d+)\s*(Z|z|[+-]\d{2}(?::?\d{2}){0,2})?")
"""A time of day with a fraction of the second, and a zone perhaps."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso_ns(text: str) -> int | None:
    """Nanoseconds UTC of a time in ISO 8601, UTC where no zone is told; None for what is none or is finer than that."""
    plain, rest = text.strip(), 0
    match = FRACTION.fullmatch(plain)
    if match is not None:
        digits = match.group(2).rstrip("0")
        if len(digits) > 9:
            return None
        rest, plain = int(digits.ljust(9, "0") or 0), match.group(1) + (match.group(3) or "")
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        return None
    since = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000 + rest


def counted_ns(value: int) -> int | None:
    """Nanoseconds since 1970 as they are; None for a number that is a time of another unit, or a calendar date."""
    return value if YEAR_MIN_NS <= value < YEAR_END_NS else None


def iso(ts_ns: int) -> str:
    """A time as text: seconds, or as many digits as it has."""
    text = str(np.datetime64(int(ts_ns), "ns")).rstrip("0")
    return (text.removesuffix(".")) + "Z"
