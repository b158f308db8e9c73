"""Events by kind: a writer leaves nothing of the event that was there before, and readers read what was written."""

import inspect
import math

import numpy as np
import pytest

from tightloop.core.domain import events
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.ticks import TICK
from tightloop.core.domain.types import BAR, EVENT

WRITERS = {name: found for name, found in vars(events).items() if name.startswith("write_")}
BASE = {"kind", "phase", "instrument", "instance", "ts_event_ns", "ts_init_ns"}
FIELDS = {
    "write_bar_opened": {"price"},
    "write_bar_closed": {"open", "high", "low", "price", "qty"},
    "write_funding_rate": {"rate", "price"},
    "write_timer": {"reason"},
    "write_trade": {"price", "qty", "order_id", "is_maker"},
    "write_quote": {"price", "qty", "rate", "amount"},
    "write_book_level": {"price", "qty", "order_id", "reason"},
    "write_gap": {"reason"},
    "write_series": {"price"},
    "write_snapshot": set(),
    "write_scheduled": {"order_id", "order_slot", "reason", "qty", "amount", "price", "rate"},
    "write_answer": {"order_id", "is_maker", "side", "stop_loss", "take_profit"},
}


def row(dtype, value):
    """Make one record with every field set to ``value``."""
    made = np.zeros(1, dtype).view(np.recarray)
    for name in dtype.names:
        made[name] = value
    return made[0]


def plain(function):
    """Return the Python function of a compiled part."""
    return getattr(function, "py_func", function)


def written(name):
    """Return an event full of 77 after a writer wrote over it with arguments of 5."""
    records = {"bar": row(BAR, 5), "tick": row(TICK, 5), "scheduled": row(EVENT, 5)}
    event = row(EVENT, 77)
    function = plain(WRITERS[name])
    given = [records.get(parameter, 5) for parameter in list(inspect.signature(function).parameters)[1:]]
    function(event, *given)
    return event


def test_every_writer_is_known_here():
    assert set(FIELDS) == set(WRITERS)


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_leaves_nothing_of_the_event_before(name):
    event = written(name)
    for field in EVENT.names:
        value = event[field]
        assert value != 77, f"{field} is left from the event before"
        if field not in BASE | FIELDS[name]:
            assert value == 0, f"{field} means nothing in this kind"


@pytest.mark.parametrize("kind", [EventKind.ORDER_FILLED, EventKind.FUNDING_PAID, EventKind.BUNDLE_ENDED])
def test_clearing_sets_every_field(kind):
    event = row(EVENT, 77)
    plain(events.clear)(event, int(kind), 3, 4, 10, 11)
    assert [event[name] for name in ("kind", "instrument", "instance", "ts_event_ns", "ts_init_ns")] == [
        kind,
        3,
        4,
        10,
        11,
    ]
    assert all(event[name] == 0 for name in EVENT.names if name not in BASE)


def test_a_quote_is_read_as_it_was_written():
    tick = row(TICK, 0)
    tick["price"], tick["qty"], tick["ask"], tick["ask_qty"] = 99.0, 2.0, 101.0, 3.0
    event = row(EVENT, 77)
    plain(events.write_quote)(event, 0, 7, tick)
    assert (event["price"], plain(events.ask)(event), plain(events.ask_qty)(event)) == (99.0, 101.0, 3.0)


def test_a_fill_and_an_execution_are_read_as_they_were_written():
    event = row(EVENT, 0)
    plain(events.set_fill)(event, 100.0, 2.0, 0.1, math.nan, True)
    assert plain(events.fee)(event) == 0.1
    assert math.isnan(plain(events.slippage)(event))
    plain(events.set_executed)(event, 4, 1, 2, 3, 5.0, 6.0)
    plain(events.set_executed_fee)(event, 0.25, 9)
    read = [plain(getattr(events, name))(event) for name in ("op", "leg", "source", "target", "given", "taken")]
    assert read == [4, 1, 2, 3, 5.0, 6.0]
    assert (plain(events.executed_fee)(event), plain(events.fee_balance)(event)) == (0.25, 9)
