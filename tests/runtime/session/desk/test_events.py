"""Answers become the events that the core's own writers would write."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from tightloop.core.domain import events, session_events
from tightloop.core.domain.enums import Correction, EventKind, Origin, Reason
from tightloop.core.domain.types import EVENT, Rows
from tightloop.runtime.session.desk.events import write
from tightloop.runtime.session.desk.leaves import interpreted
from tightloop.runtime.session.desk.records import VenueAnswer

NOW_NS = 1_700_000_000_000_000_000


def _by_core(*writers: tuple[Callable[..., None], tuple[object, ...]]) -> bytes:
    """Return an event that the core's writers wrote, one after the other."""
    row = np.zeros(1, EVENT).view(np.recarray)
    for writer, arguments in writers:
        interpreted(writer)(row[0], *arguments)
    return row.tobytes()


def _by_desk(answer: VenueAnswer) -> bytes:
    event: Rows = np.full(EVENT.itemsize, 255, np.uint8).view(EVENT)
    write(event, answer, NOW_NS)
    return event.tobytes()


def test_a_fill_of_an_order() -> None:
    answer = VenueAnswer(
        EventKind.ORDER_FILLED, 65_536, 3, 2, 1, 0, 99.5, 0.5, 1.5, 0.02, True, 77, 98.0, NOW_NS, 1, 0, 99.0
    )
    assert _by_desk(answer) == _by_core(
        (events.clear, (EventKind.ORDER_FILLED.value, 1, 2, NOW_NS, NOW_NS)),
        (events.set_order, (65_536, 3, 0)),
        (events.set_fill, (99.5, 0.5, 0.02, math.nan, True)),
        (events.set_cumulative, (1.5, 99.0, 77)),
        (events.set_trailing_stop, (98.0,)),
    )


@pytest.mark.parametrize("kind", [EventKind.ORDER_ACCEPTED, EventKind.ORDER_REJECTED, EventKind.CANCEL_REJECTED])
def test_what_became_of_an_order(kind: EventKind) -> None:
    answer = VenueAnswer(kind, 65_536, 3, 2, 1, Reason.WOULD_TRIGGER)
    assert _by_desk(answer) == _by_core(
        (events.clear, (kind.value, 1, 2, NOW_NS, NOW_NS)),
        (events.set_order, (65_536, 3, Reason.WOULD_TRIGGER.value)),
    )


def test_an_amend() -> None:
    answer = VenueAnswer(EventKind.AMENDED, 65_536, 3, 2, 1, 0, 96.0, 2.0, stop_price=90.0)
    assert _by_desk(answer) == _by_core(
        (events.clear, (EventKind.AMENDED.value, 1, 2, NOW_NS, NOW_NS)),
        (events.set_order, (65_536, 3, 0)),
        (session_events.set_amended, (2.0, 96.0, 90.0)),
    )


def test_an_execution_that_was_found() -> None:
    answer = VenueAnswer(
        EventKind.FILL_FOUND, 65_536, 3, 2, 1, 0, 99.5, 0.5, 1.5, 0.02, False, 77, side=-1, origin=Origin.MANUAL
    )
    assert _by_desk(answer) == _by_core(
        (session_events.write_fill_found, (1, NOW_NS, -1, Origin.MANUAL.value, 65_536)),
        (events.set_fill, (99.5, 0.5, 0.02, math.nan, False)),
        (events.set_cumulative, (1.5, 0.0, 77)),
    )


def test_corrections_and_marks() -> None:
    position = VenueAnswer(EventKind.POSITION_CORRECTED, instance=-1, instrument=1, qty=-2.0, price=100.0)
    assert _by_desk(position) == _by_core((session_events.write_position_corrected, (1, -1, NOW_NS, -2.0, 100.0)))
    balance = VenueAnswer(EventKind.BALANCE_CORRECTED, instance=2, reason=Correction.FEE, amount=-0.5)
    assert _by_desk(balance) == _by_core(
        (session_events.write_balance_corrected, (2, NOW_NS, -0.5, Correction.FEE.value))
    )
    mark = VenueAnswer(EventKind.MARK_REPORTED, instance=2, instrument=1, price=99.0, stop_price=50.0)
    assert _by_desk(mark) == _by_core((session_events.write_mark_reported, (1, NOW_NS, 99.0, 50.0)))
