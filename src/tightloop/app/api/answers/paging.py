"""Pages of lists: an opaque cursor names the last row that was given."""

import base64
import binascii
import json
from dataclasses import dataclass

from tightloop.app.api.answers.problems import HttpProblem

LIMIT_MAX = 200
LIMIT = 50
Key = int | float | str
CURSOR_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class PagePlace:
    """Where a page begins: after the row with these values of its sort keys."""

    values: tuple[Key, ...]


def packed(values: tuple[Key, ...]) -> str:
    """Return a cursor of the values of sort keys."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def unpacked(cursor: str | None, count: int) -> PagePlace | None:
    """Return the place that a cursor names, of ``count`` keys; None for none. Raises HttpProblem."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        values = None
    if not isinstance(values, list) or len(values) != count or not all(_is_key(one) for one in values):
        raise HttpProblem("invalid", "the cursor is none of this list; ask without one for its beginning")
    return PagePlace(tuple(values))


def _is_key(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 1 << 63)
