"""Parses times as other tools write them: exact to the nanosecond, or refused with what to write instead.

Numbers count s, ms, us or ns since 1970: between 1990 and 2100 each value fits only one of the four units. Numbers
whose digits form a calendar date (20240131) are that date, never a count.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tightloop.adapters.data._shared.arrays import Times
from tightloop.adapters.data._shared.parquet import YEARS, is_text
from tightloop.model.errors import InputError
from tightloop.model.times import DAY_NS, FRACTION, SECOND_NS, YEAR_END_NS, YEAR_MIN_NS, iso_ns

Refuse = Callable[[int | None, str, str], InputError]
"""Builds the error from a row (from 0; None: the whole column), what is wrong, and what to write."""

EXAMPLE = "write 2024-01-31T13:00:00Z, or a whole number of s, ms, us or ns since 1970"
UNITS = (("s", SECOND_NS, 9), ("ms", 1_000_000, 6), ("us", 1_000, 3), ("ns", 1, 0))
"""Name, nanoseconds, and the number of decimals that still fit into whole nanoseconds."""

_NUMBER = re.compile(r"[+-]?(\d+)(?:\.(\d*))?")
_ZONE = re.compile(r".*[T ]\d{2}.*?(Z|z|[+-]\d{2}(:?\d{2}){0,2})")
_LAYOUTS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_LAYOUT_NAMES = {8: "YYYYMMDD", 10: "YYYYMMDDHH", 12: "YYYYMMDDhhmm", 14: "YYYYMMDDhhmmss"}
_FRACTION_DIGITS = (0, 2, 3, 6, 9)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")


def moments(values: pa.ChunkedArray | pa.Array, refuse: Refuse) -> tuple[Times, str, bool]:
    """Convert a column of times to int64 ns UTC.

    Returns the times, a text on how they were read, and whether they have a time zone (counts since 1970 do).
    ``refuse`` builds the error that is raised for an invalid row.
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if values.null_count:
        row = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        raise refuse(row, f"has no time ({values.null_count} of {len(values)} rows)", "write it, or remove that row")
    if pa.types.is_timestamp(kind):
        found = _scaled(values.view(pa.int64()), {name: scale for name, scale, _ in UNITS}[kind.unit], refuse)
        how = f"time stamps of zone {kind.tz}" if kind.tz else "time stamps without a zone, as UTC"
        return _in_years(found, refuse), how, kind.tz is not None
    if pa.types.is_date(kind):
        unit = DAY_NS if pa.types.is_date32(kind) else 1_000_000
        whole = values.view(pa.int32() if pa.types.is_date32(kind) else pa.int64()).cast(pa.int64())
        return _in_years(_scaled(whole, unit, refuse), refuse), "dates, as 00:00 UTC of each", False
    if pa.types.is_floating(kind):
        return _of_floats(values, refuse)
    if pa.types.is_integer(kind):
        return _of_digits(_whole_or_text(values), refuse)
    if pa.types.is_decimal(kind):
        return _of_digits([format(value, "f") for value in values.to_pylist()], refuse)
    if is_text(kind):
        trimmed = pc.utf8_trim_whitespace(values)
        if len(trimmed) and is_number(trimmed[0].as_py()):
            return _of_digits(_whole_or_text(trimmed), refuse)
        return _of_dates(trimmed.to_pylist(), refuse)
    raise refuse(None, f"is of type {kind}, which is not a time", EXAMPLE)


def _whole_or_text(values: pa.Array) -> Times | list[str]:
    """Return integers as int64, or all values as text if one is no integer or too long for int64."""
    try:
        return np.asarray(values.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)
    except pa.ArrowInvalid:
        return [str(value) for value in values.to_pylist()]


def _scaled(whole: pa.Array, scale: int, refuse: Refuse) -> Times:
    counts = np.asarray(whole.to_numpy(zero_copy_only=False), np.int64)
    far = YEAR_END_NS // scale
    outside = np.flatnonzero((counts < YEAR_MIN_NS // scale) | (counts > far))
    if len(outside):
        raise _outside(int(outside[0]), refuse)
    return counts * scale


def _in_years(times: Times, refuse: Refuse) -> Times:
    outside = np.flatnonzero((times < YEAR_MIN_NS) | (times >= YEAR_END_NS))
    if len(outside):
        raise _outside(int(outside[0]), refuse)
    return times


def _outside(row: int, refuse: Refuse) -> InputError:
    return refuse(row, f"is not in the years {YEARS}", EXAMPLE)


def _of_floats(values: pa.Array, refuse: Refuse) -> tuple[Times, str, bool]:
    """Convert float64 times. Values with more digits than a float keeps are refused: they were rounded.

    A float64 has 15 to 16 digits: enough for microseconds when counting s or ms, whole us, or whole ms when counting
    ns.
    """
    if not pa.types.is_float64(values.type):
        message = f"is of type {values.type}, which resolves times to minutes at best"
        raise refuse(None, message, "write int64, or text")
    numbers = np.asarray(values.to_numpy(zero_copy_only=False), np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise refuse(int(bad[0]), "is not a time", "write it, or remove that row")
    whole = numbers == np.rint(numbers)
    if bool(whole.all()) and bool((np.abs(numbers) < 2**53).all()):
        return _of_digits(numbers.astype(np.int64), refuse)
    out = np.empty(len(numbers), np.int64)
    done = np.zeros(len(numbers), bool)
    names = []
    for name, scale, _ in UNITS:
        mine = (numbers >= YEAR_MIN_NS / scale) & (numbers < YEAR_END_NS / scale)
        step_ns = 1_000_000 if name == "ns" else 1_000
        steps = np.rint(numbers[mine] * (scale / step_ns) if scale >= step_ns else numbers[mine] / step_ns)
        restored = steps / (scale / step_ns) if scale >= step_ns else steps * step_ns
        lost = np.flatnonzero(restored != numbers[mine])
        if len(lost):
            row = int(np.flatnonzero(mine)[lost[0]])
            message = f"is a float, which loses the last digits of a time in {name}"
            raise refuse(row, message, "write whole numbers of ns, or text")
        out[mine] = steps.astype(np.int64) * step_ns
        done |= mine
        names += [name] * bool(mine.any())
    if not done.all():
        raise _outside(int(np.flatnonzero(~done)[0]), refuse)
    return out, f"numbers, read as {' and '.join(names)} since 1970 in UTC", True


def _of_digits(values: Times | list[str], refuse: Refuse) -> tuple[Times, str, bool]:
    """Convert integers, or texts of digits with an optional fraction: calendar dates, or counts since 1970."""
    if isinstance(values, np.ndarray):
        whole, fraction = values, np.zeros(1, np.int64)
        digits = 1
    else:
        whole, fraction, digits = _parted(values, refuse)
    calendar = _of_calendar(whole, fraction, digits, refuse)
    if calendar is not None:
        return calendar
    out = np.empty(len(whole), np.int64)
    done = np.zeros(len(whole), bool)
    names = []
    for name, scale, room in UNITS:
        mine = (whole >= YEAR_MIN_NS // scale) & (whole < YEAR_END_NS // scale)
        if not mine.any():
            continue
        names.append((name, int(mine.sum())))
        done |= mine
        out[mine] = whole[mine] * scale
        if len(fraction) == len(whole):
            unit = 10 ** (9 - room)
            rest = np.flatnonzero(mine & (fraction % unit != 0))
            if len(rest):
                message = f"is finer than nanoseconds when read in {name}"
                raise refuse(int(rest[0]), message, "round it to whole nanoseconds")
            out[mine] += fraction[mine] // unit
    if not done.all():
        raise _outside(int(np.flatnonzero(~done)[0]), refuse)
    units = " and as ".join(f"{name} ({count} rows)" if len(names) > 1 else name for name, count in names)
    return out, f"numbers, read as {units} since 1970 in UTC", True


def _parted(texts: list[str], refuse: Refuse) -> tuple[Times, Times, int]:
    """Split texts into the integer part and the fraction in billionths.

    The third value is 0 if the numbers are calendar dates too long for int64, which are then returned as ns UTC; else
    1.
    """
    whole, fraction = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    for row, text in enumerate(texts):
        match = _NUMBER.fullmatch(text)
        if match is None:
            wrong = "is not a time like the numbers before it" if row else "is not a time"
            if "e" in text.lower() and is_number(text):
                wrong = "is written with an exponent, which has lost its last digits"
            raise refuse(row, wrong, EXAMPLE)
        before, behind = match.group(1), (match.group(2) or "").rstrip("0")
        if len(behind) > 9:
            raise refuse(row, "has more than nine digits after the decimal point", "round it to whole nanoseconds")
        if text.startswith("-") or len(before) > 18 + (int(before) < 2**63):
            found = _calendar_ns(before, behind)
            if found is None:
                raise _outside(row, refuse)
            return _long_calendar(texts, refuse)
        whole[row], fraction[row] = int(before), int(behind.ljust(9, "0"))
    return whole, fraction if fraction.any() else np.zeros(1, np.int64), 1


def _long_calendar(texts: list[str], refuse: Refuse) -> tuple[Times, Times, int]:
    """Convert calendar dates with more digits than int64 holds to ns UTC, marked by 0."""
    times = np.zeros(len(texts), np.int64)
    for row, text in enumerate(texts):
        date_ns = _calendar_ns(text, "")
        if date_ns is None:
            raise refuse(row, "is not a calendar date like the numbers around it", EXAMPLE)
        times[row] = date_ns
    return times, np.zeros(1, np.int64), 0


def _calendar_ns(whole: str, behind: str) -> int | None:
    """Return ns UTC of digits that form a calendar date, such as 202401010800; None if they form none."""
    if len(whole) not in _LAYOUTS:
        whole, behind = whole[:14], whole[14:] + behind
        if len(whole) < 14 or len(behind) not in _FRACTION_DIGITS:
            return None
    elif behind and len(whole) != 14:
        return None
    if not 1990 <= int(whole[:4]) <= 2100:
        return None
    try:
        moment = datetime.strptime(whole, _LAYOUTS[len(whole)]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * SECOND_NS + int(behind.ljust(9, "0") or 0)


def _of_calendar(whole: Times, fraction: Times, digits: int, refuse: Refuse) -> tuple[Times, str, bool] | None:
    """Convert a column of calendar dates; None if no value is one. Mixed columns are refused."""
    how = "numbers, read as calendar dates {} in UTC"
    if not digits:
        return _in_years(whole, refuse), how.format("YYYYMMDDhhmmss with a fraction"), False
    years = np.zeros(len(whole), np.int64)
    for size in (8, 10, 12, 14, 16, 17):
        mine = (whole >= 10 ** (size - 1)) & (whole < 10**size)
        years[mine] = whole[mine] // 10 ** (size - 4)
    like = np.flatnonzero((years >= 1990) & (years <= 2100))
    fractions = fraction if len(fraction) == len(whole) else np.zeros(len(whole), np.int64)
    found = {row: _calendar_ns(str(whole[row]), _behind(int(fractions[row]))) for row in like.tolist()}
    dates = [row for row, date_ns in found.items() if date_ns is not None]
    if not dates:
        return None
    if len(dates) < len(whole):
        is_date = np.zeros(len(whole), bool)
        is_date[dates] = True
        if 2 * len(dates) >= len(whole):
            raise refuse(
                int((~is_date).argmax()), "does not read as a calendar date, as most of the column does", EXAMPLE
            )
        raise refuse(dates[0], "reads as a calendar date, and most of the column does not", EXAMPLE)
    sizes = sorted({len(str(whole[row])) for row in dates})
    names = [_LAYOUT_NAMES.get(size, f"YYYYMMDDhhmmss and {size - 14} digits of its fraction") for size in sizes]
    return np.array([found[row] for row in range(len(whole))], np.int64), how.format(" and ".join(names)), False


def _behind(billionths: int) -> str:
    return f"{billionths:09d}".rstrip("0") if billionths else ""


def is_number(text: str) -> bool:
    """Return whether a text parses as a float, inf and nan included."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _of_dates(texts: list[str], refuse: Refuse) -> tuple[Times, str, bool]:
    """Convert ISO 8601 texts, with up to nine decimals of a second, with or without a zone."""
    times = np.empty(len(texts), np.int64)
    zones = 0
    for row, text in enumerate(texts):
        plain = text.removesuffix(" UTC")
        time_ns = iso_ns(plain)
        if time_ns is None:
            raise _no_date(row, text, refuse)
        if not YEAR_MIN_NS <= time_ns < YEAR_END_NS:
            raise _outside(row, refuse)
        zones += plain != text or _ZONE.fullmatch(plain) is not None
        times[row] = time_ns
    how = "with a zone" if zones == len(texts) else "without a zone, as UTC"
    if 0 < zones < len(texts):
        how = f"with a zone in {zones} rows and without one in {len(texts) - zones}, which are read as UTC"
    return times, f"dates {how}", zones == len(texts)


def _no_date(row: int, text: str, refuse: Refuse) -> InputError:
    if not text:
        return refuse(row, "is not a time", "write it, or remove that row")
    if _CLOCK.fullmatch(text):
        return refuse(row, "is a time of day without its date", "write date and time into one column")
    match = FRACTION.fullmatch(text)
    if match is not None and len(match.group(2).rstrip("0")) > 9:
        return refuse(row, "has more than nine decimals of a second", "round it to whole nanoseconds")
    return refuse(row, "is not a time", EXAMPLE)
