"""What a session tells the step is written as the core's own writers write it, so that a recording has its hash."""

import numpy as np
import pytest

from tightloop.core.domain import events, session_events
from tightloop.core.domain.enums import FeedState, Phase, SessionControl, TradingStatus
from tightloop.core.domain.ticks import Gap
from tightloop.core.domain.types import BAR, EVENT, INSTRUMENT
from tightloop.ports.market_data import ListedInstrument
from tightloop.runtime.session import told
from tightloop.runtime.session.desk.leaves import interpreted
from tightloop.runtime.session.driver.rules import changed_event
from tightloop.runtime.session.market.bars import closed_event, opened_event
from tightloop.runtime.session.market.intake import Intake
from tightloop.runtime.session.reconcile.rules import RulesChanged

NOW_NS = 1_700_000_000_000_000_000


def by_core(writer, *arguments, phase=Phase.RECORD):
    row = np.full(EVENT.itemsize, 255, np.uint8).view(EVENT).view(np.recarray)
    interpreted(writer)(row[0], *arguments)
    row["phase"] = int(phase)
    return row.tobytes()


def by_session(event):
    """Return an event as the step gets it: stamped by the intake."""
    intake = Intake(lambda: NOW_NS, 0, 8)
    intake.put_event(event)
    rows, _, first, _ = intake.batch()
    return rows[first : first + 1].tobytes()


@pytest.mark.parametrize("missing", list(Gap))
def test_a_gap(missing):
    assert by_session(told.gap(3, missing)) == by_core(events.write_gap, 3, NOW_NS, int(missing))


@pytest.mark.parametrize("what", list(FeedState))
@pytest.mark.parametrize("last_ns", [0, NOW_NS - 5_000_000_000])
def test_the_state_of_a_feed(what, last_ns):
    expected = by_core(session_events.write_feed_state, 3, last_ns or NOW_NS, NOW_NS, int(what))
    assert by_session(told.feed_state(3, what, last_ns)) == expected


@pytest.mark.parametrize("what", list(SessionControl))
def test_a_control_of_the_session(what):
    assert by_session(told.control(what)) == by_core(session_events.write_session_control, NOW_NS, int(what))


def test_a_funding_rate():
    assert by_session(told.funding_rate(3, 1e-4)) == by_core(events.write_funding_rate, 3, NOW_NS, 1e-4, 0.0)


def test_bars_that_a_session_made():
    assert by_session(opened_event(3, 5.0, NOW_NS)) == by_core(events.write_bar_opened, 3, NOW_NS, 5.0)
    bar = np.zeros(1, BAR).view(np.recarray)[0]
    bar.open, bar.high, bar.low, bar.close, bar.volume, bar.open_ns = 1.0, 4.0, 0.5, 2.0, 7.0, NOW_NS - 60
    made = closed_event(3, (1.0, 4.0, 0.5, 2.0, 7.0), NOW_NS - 60)
    assert by_session(made) == by_core(events.write_bar_closed, 3, NOW_NS, bar, phase=0)


def test_rules_that_a_venue_changed():
    now = ListedInstrument("X", "TRADING", True, "X", "Y", 0.1, 0.01, 1.0, 9.0, 8.0, 5.0, 1.05, 0.95)
    row = np.zeros(1, INSTRUMENT).view(np.recarray)[0]
    row.price_increment, row.lot_size, row.min_notional = now.price_increment, now.lot_size, now.min_notional
    row.multiplier, row.qty_max, row.market_qty_max = now.multiplier, now.qty_max, now.market_qty_max
    change = RulesChanged(3, now, now, TradingStatus.TRADING, ("min_notional",))
    expected = by_core(session_events.write_instrument_changed, 3, NOW_NS, row, int(TradingStatus.TRADING))
    assert by_session(changed_event(change, row)) == expected
