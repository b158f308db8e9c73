"""Time options of the command line."""

from tightloop.model.errors import InputError
from tightloop.model.times import is_count, text_ns

TIME_REMEDY = "write 2024-01-31, 2024-01-31T12:00:00Z or nanoseconds since 1970"


def time_of(text: str | None, option: str) -> int | None:
    """Parse a time option (ISO 8601 or nanoseconds since 1970) to ns UTC; raises InputError that names ``option``."""
    if text is None:
        return None
    plain = text.strip()
    ts_ns = text_ns(plain)
    if ts_ns is None and is_count(plain):
        message = f"{text} is not a time of 1990 to 2100 in nanoseconds since 1970"
        raise InputError.one("command line", None, option, message, TIME_REMEDY)
    if ts_ns is None:
        raise InputError.one("command line", None, option, f"{text!r} is not a time", TIME_REMEDY)
    if abs(ts_ns) >= 2**63 - 1:
        raise InputError.one("command line", None, option, f"{text} is not between 1678 and 2262", TIME_REMEDY)
    return ts_ns


def window_of(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """Parse ``--from`` and ``--to`` to ns UTC; raises InputError when --from is not before --to."""
    window = time_of(start, "--from"), time_of(end, "--to")
    if window[0] is not None and window[1] is not None and window[0] >= window[1]:
        message = f"{start} is not before --to {end}"
        raise InputError.one("command line", None, "--from", message, "write the earlier time first")
    return window
