"""Conversion between ISO 8601 text and nanoseconds UTC since 1970, exact to the nanosecond."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from tightloop.core import limits

SECOND_NS, MINUTE_NS, HOUR_NS, DAY_NS = limits.SECOND_NS, limits.MINUTE_NS, limits.HOUR_NS, limits.DAY_NS
NS_PER_UNIT: Mapping[str, int] = MappingProxyType({"s": SECOND_NS, "ms": 1_000_000, "us": 1_000, "ns": 1})
"""Nanoseconds of each unit in which times are stored, longest first."""
YEAR_MIN_NS, YEAR_END_NS = 631_152_000_000_000_000, 4_133_980_800_000_000_000
"""1990-01-01 (inclusive) and 2101-01-01 (exclusive): a plain number in this range is taken for nanoseconds."""

FRACTION = re.compile(r"(.*\d{2}:?\d{2}:?\d{2})[.,](\d+)\s*(Z|z|[+-]\d{2}(?::?\d{2}){0,2})?")
"""An ISO time with a fraction of a second: groups are the time without it, the digits, and the zone (optional)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso_ns(text: str) -> int | None:
    """Parse an ISO 8601 time to ns UTC, UTC if it has no zone; None if it is no time or finer than a nanosecond."""
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
    return since.days * DAY_NS + since.seconds * SECOND_NS + since.microseconds * 1_000 + rest


def counted_ns(value: int) -> int | None:
    """Accept a number as ns since 1970; None outside 1990 to 2100 (another unit, or a date as digits)."""
    return value if YEAR_MIN_NS <= value < YEAR_END_NS else None


def parse_ns(value: Any) -> int | None:
    """Read a time from a file: ISO 8601 text (1970 to 2262) or ns since 1970 (1990 to 2100); None if invalid."""
    if isinstance(value, int) and not isinstance(value, bool):
        return counted_ns(value)
    ts_ns = iso_ns(value) if isinstance(value, str) else None
    return ts_ns if ts_ns is not None and 0 <= ts_ns < limits.NEVER_NS else None


def text_ns(text: str) -> int | None:
    """Read a time from text: ISO 8601, or nanoseconds since 1970 as more than eight digits; None if neither.

    Eight digits are a date (20240131). Digits are checked as in ``counted_ns``, ISO 8601 as in ``iso_ns``.
    """
    plain = text.strip()
    return counted_ns(int(plain)) if is_count(plain) else iso_ns(plain)


def is_count(text: str) -> bool:
    """Return whether text is read as a number of nanoseconds, not as ISO 8601."""
    return 8 < len(text) <= 20 and text.removeprefix("-").isdecimal()  # int64 has no more digits


def iso(ts_ns: int) -> str:
    """Format ns UTC as ISO 8601 with as many decimals as needed: 2024-01-01T00:00:00Z."""
    seconds, rest = divmod(int(ts_ns), SECOND_NS)
    # Not fromtimestamp: it fails for the absurd years that a wrong unit produces, and those must be shown.
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError:
        return f"{ts_ns} ns"
    return f"{text}{f'.{rest:09d}'.rstrip('0') if rest else ''}Z"
