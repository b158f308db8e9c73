"""Events of a session: a writer leaves nothing of the event before, and what was written is read."""

import inspect

import pytest
from tests.core.domain.test_events import BASE, plain, row

from tightloop.core.domain import session_events
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT, INSTRUMENT

WRITERS = {name: found for name, found in vars(session_events).items() if name.startswith("write_")}
FIELDS = {
    "write_fill_found": {"side", "order_kind", "order_id", "order_slot"},
    "write_position_corrected": {"qty", "price"},
    "write_balance_corrected": {"amount", "reason"},
    "write_instrument_changed": {"price", "qty", "amount", "rate", "high", "low", "reason"},
    "write_session_control": {"reason"},
    "write_feed_state": {"reason"},
    "write_mark_reported": {"price", "stop_price"},
}


def written(name):
    event, rules = row(EVENT, 77), row(INSTRUMENT, 5)
    function = plain(WRITERS[name])
    parameters = list(inspect.signature(function).parameters)[1:]
    function(event, *(rules if parameter == "rules" else 5 for parameter in parameters))
    return event


def test_every_writer_is_known_here():
    assert set(FIELDS) == set(WRITERS)


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_leaves_nothing_of_the_event_before(name):
    event = written(name)
    assert EventKind(int(event["kind"])).name.lower() == name.removeprefix("write_")
    for field in EVENT.names:
        assert event[field] != 77, f"{field} is left from the event before"
        if field not in BASE | FIELDS[name]:
            assert event[field] == 0, f"{field} means nothing in this kind"


def test_what_was_written_is_read():
    event = row(EVENT, 77)
    plain(session_events.write_mark_reported)(event, 0, 9, 100.0, 55.0)
    assert plain(session_events.liquidation_price)(event) == 55.0
    plain(session_events.write_fill_found)(event, 0, 9, -1, 3, 8)
    assert plain(session_events.origin)(event) == 3
    plain(session_events.set_amended)(event, 1.0, 2.0, 3.0)
    assert (event["qty"], event["price"], event["stop_price"]) == (1.0, 2.0, 3.0)
