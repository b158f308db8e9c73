"""What a session itself tells the step, as events: the one writer of each kind, for all who tell of it.

``core/domain/events.py`` and ``session_events.py`` say what each field means. Their writers are leaves, for compiled
code; here the same fields are set from Python, so that a run of a recording, which the core writes, has the same hash.
Events are not stamped: the intake does that, and a ``ts_event_ns`` of 0 is the stamp.
"""

import numpy as np

from tightloop.core.domain.enums import EventKind, FeedState, Phase, SessionControl
from tightloop.core.domain.events import ALL_INSTANCES, NONE
from tightloop.core.domain.ticks import Gap
from tightloop.core.domain.types import EVENT, Rows


def gap(instrument: int, missing: Gap) -> Rows:
    """Return a DATA_GAP: data of an instrument is missing before it."""
    event = _event(EventKind.DATA_GAP, instrument, ALL_INSTANCES)
    event["reason"] = int(missing)
    return event


def feed_state(instrument: int, what: FeedState, last_ns: int = 0) -> Rows:
    """Return a FEED_STATE of an instrument whose last fact was received at ``last_ns`` (0: now)."""
    event = _event(EventKind.FEED_STATE, instrument, NONE)
    event["reason"], event["ts_event_ns"] = int(what), last_ns
    return event


def control(what: SessionControl) -> Rows:
    """Return a SESSION_CONTROL."""
    event = _event(EventKind.SESSION_CONTROL, NONE, NONE)
    event["reason"] = int(what)
    return event


def funding_rate(instrument: int, rate: float) -> Rows:
    """Return a FUNDING_RATE that was settled at the last mark known."""
    event = _event(EventKind.FUNDING_RATE, instrument, ALL_INSTANCES)
    event["rate"] = rate
    return event


def _event(kind: EventKind, instrument: int, instance: int) -> Rows:
    event = np.zeros(1, EVENT)
    event["kind"], event["phase"] = int(kind), int(Phase.RECORD)
    event["instrument"], event["instance"] = instrument, instance
    return event
