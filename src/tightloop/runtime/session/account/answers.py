"""What the step is told of the account, as events: one writer for all that desk and comparison answer."""

import numpy as np

from tightloop.core.domain.enums import EventKind, Phase
from tightloop.core.domain.types import EVENT, Rows
from tightloop.runtime.session.desk import events
from tightloop.runtime.session.desk.records import VenueAnswer

ACCOUNT_KINDS = frozenset(
    int(kind)
    for kind in (
        EventKind.ORDER_ACCEPTED,
        EventKind.ORDER_REJECTED,
        EventKind.ORDER_FILLED,
        EventKind.ORDER_CANCELED,
        EventKind.ORDER_EXPIRED,
        EventKind.ORDER_UNKNOWN,
        EventKind.CANCEL_REJECTED,
        EventKind.AMENDED,
        EventKind.FILL_FOUND,
        EventKind.POSITION_CORRECTED,
        EventKind.BALANCE_CORRECTED,
        EventKind.FUNDING_PAID,
    )
)
"""Kinds of facts that only desk and comparison answer; a session on a real venue has them from nowhere else.

Marks come from the venue's stream too: one that a process did not come to take is followed by the next.
"""


def event_of(answer: VenueAnswer, now_ns: int) -> Rows:
    """Return an answer as one row of EVENT, dated ``now_ns`` at the latest, whatever the venue's clock says."""
    event = np.zeros(1, EVENT)
    events.write(event, answer, now_ns)
    event["phase"] = int(Phase.RECORD)
    event["ts_event_ns"] = min(int(event[0]["ts_event_ns"]), now_ns)
    return event
