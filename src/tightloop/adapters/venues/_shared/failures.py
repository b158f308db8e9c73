"""What an answer that is no success says: a venue's codes as a table, and one reading of it for all venues.

The order of questions is that of caution. A limit, a refused signature and a refused clock are known by their codes
alone; of a 5xx without a code that says otherwise, and of a time-out, it is unknown whether it was executed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tightloop.adapters.venues._shared.calls import retry_after_s
from tightloop.ports.execution import (
    ClockRefused,
    Failure,
    KeyFault,
    Malformed,
    NoSuchOrder,
    NotAuthorized,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    RefusalKind,
    RefusedByVenue,
)
from tightloop.ports.transport import HttpAnswer


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of a venue by what they mean. ``limits``: shortest wait in s that the venue's papers give.

    ``signature``: those of ``key`` that refuse the secret; ``unavailable``: words of a 503 that was not executed.
    """

    limits: Mapping[int, float]
    overloaded: frozenset[int]
    unknown: frozenset[int]
    absent: frozenset[int]
    clock: frozenset[int]
    key: frozenset[int]
    signature: frozenset[int]
    refusals: Mapping[int, RefusalKind]
    unavailable: str


LIMIT_WAIT_S = 60.0
BAN_WAIT_S = 120.0


def failure_of(codes: Codes, answer: HttpAnswer, code: int, text: str) -> Failure:
    """Return what an answer says; ``code`` is 0 where it has none."""
    if answer.status in (403, 418, 429) or code in codes.limits:
        is_banned = answer.status == 418
        shortest_s = codes.limits.get(code, BAN_WAIT_S if is_banned else LIMIT_WAIT_S)
        return RateLimited(retry_after_s(answer, max(shortest_s, BAN_WAIT_S * is_banned)), is_banned, text)
    if code in codes.overloaded or (answer.status == 503 and codes.unavailable in text):
        return Overloaded(code, text)
    if answer.status >= 500 or answer.status == 408 or code in codes.unknown:
        return OutcomeUnknown(code, text)
    if code in codes.absent:
        return NoSuchOrder(code, text)
    if code in codes.clock:
        return ClockRefused(code, text)
    if code in codes.key:
        return NotAuthorized(code, text, KeyFault.SIGNATURE if code in codes.signature else KeyFault.KEY)
    if code == 0:
        return Malformed(f"status {answer.status} without a code in {len(answer.body)} bytes")
    return RefusedByVenue(codes.refusals.get(code, RefusalKind.OTHER), code, text)
