"""The times of a command line."""

from datetime import UTC, datetime

from tightloop.model.errors import InputError

TIME_REMEDY = "write 2024-01-31, 2024-01-31T12:00:00Z or nanoseconds since 1970"


def time_of(text: str | None, option: str) -> int | None:
    """``2024-01-01``, ``2024-01-01T00:00:00Z`` or nanoseconds as nanoseconds UTC."""
    if text is None:
        return None
    digits = text.lstrip("-")
    if digits.isdecimal() and len(digits) > 9:
        ts_ns = int(text) if len(digits) < 20 else 2**63
    else:
        try:
            parsed = datetime.fromisoformat(text.strip())
        except ValueError:
            raise InputError.one("command line", None, option, f"{text!r} is not a time", TIME_REMEDY) from None
        parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed
        since = parsed - datetime(1970, 1, 1, tzinfo=UTC)
        ts_ns = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
    if abs(ts_ns) >= 2**63 - 1:
        raise InputError.one("command line", None, option, f"{text} is not between 1678 and 2262", TIME_REMEDY)
    return ts_ns


def window_of(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """``--from`` and ``--to``; InputError when nothing lies between them."""
    window = time_of(start, "--from"), time_of(end, "--to")
    if window[0] is not None and window[1] is not None and window[0] >= window[1]:
        message = f"{start} is not before --to {end}"
        raise InputError.one("command line", None, "--from", message, "write the earlier time first")
    return window
