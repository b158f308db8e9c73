"""A stop whose trigger the market has passed without a word of the venue is looked up."""

import numpy as np
import pytest
from tests.runtime.session.desk.styles.test_stops import holding
from tests.runtime.session.desk.toy_venue import Session, stop

from tightloop.core.domain.enums import EventKind, OrderState, Reason, Side
from tightloop.core.domain.types import INSTRUMENT
from tightloop.ports.execution import LookUpOrder, RefusalKind
from tightloop.runtime.session.account.passed_stops import PassedStops
from tightloop.runtime.session.desk.records import SECOND_NS


def market(last):
    rows = np.zeros(1, INSTRUMENT)
    rows["last"], rows["bid"], rows["ask"] = last, last - 0.1, last + 0.1
    return rows


@pytest.fixture
def session():
    """A position of 1 with a stop at 90 at the venue."""
    found = holding()
    found.command(stop(65_537, found.now_ns))
    found.deliver()
    return found


def look(stops, session, last):
    return stops.look(session.desk.state, market(last), session.now_ns)


def test_a_stop_that_was_passed_in_silence_is_looked_up_after_1_s_and_then_more_and_more_rarely(session):
    stops, (name,) = PassedStops(), [one.request.client_id for one in session.venue.orders if one.is_conditional]
    assert look(stops, session, 90.1) == ()
    seen, begun_ns = [], session.now_ns
    for _ in range(80):
        seen += [((session.now_ns - begun_ns) / SECOND_NS, found) for found in look(stops, session, 90.0)]
        session.venue.now_ns += SECOND_NS // 4
    assert seen == [(1.0, name), (3.0, name), (7.0, name), (15.0, name)]


def test_a_price_that_goes_back_at_once_may_have_triggered_it(session):
    stops = PassedStops()
    assert look(stops, session, 89.9) == ()
    session.venue.now_ns += SECOND_NS
    assert len(look(stops, session, 95.0)) == 1
    session.venue.now_ns += 60 * SECOND_NS
    assert look(stops, session, 95.0) == (), "the venue has answered, and the price is not there any more"


def test_a_stop_of_which_the_venue_has_told_is_left_alone(session):
    stops = PassedStops()
    look(stops, session, 89.9)
    session.venue.move(89.9)
    session.deliver()
    session.venue.now_ns += 10 * SECOND_NS
    assert look(stops, session, 89.9) == ()


def test_a_stop_that_was_refused_at_its_trigger_while_reports_are_lost_ends_within_2_s(session):
    stops = PassedStops()
    (rested,) = [one for one in session.venue.orders if one.is_conditional]
    session.venue.end(rested, OrderState.REJECTED, RefusalKind.WOULD_TRIGGER)
    session.venue.reports.clear()
    begun_ns = session.now_ns
    while session.kinds()[-1] == EventKind.ORDER_ACCEPTED and session.now_ns < begun_ns + 5 * SECOND_NS:
        found = look(stops, session, 89.9)
        if found:
            session.take(session.desk.on_doubt(found, session.now_ns))
        session.sleep(0.25, delivers=True)
    assert session.now_ns - begun_ns <= 2 * SECOND_NS
    assert session.answers[-1].reason == Reason.WOULD_TRIGGER
    assert isinstance(session.last_ask(LookUpOrder).request, LookUpOrder)


def test_a_stop_that_buys_is_passed_from_below():
    session = Session()
    session.venue.position = -1.0
    session.desk.on_holding(0, -1.0, 0.0, session.now_ns)
    session.command(stop(65_537, session.now_ns, side=Side.BUY, stop_price=110.0))
    session.deliver()
    stops = PassedStops()
    look(stops, session, 109.9)
    look(stops, session, 110.0)
    session.venue.now_ns += SECOND_NS
    assert len(look(stops, session, 110.0)) == 1


def test_the_mark_tells_of_a_stop_where_quotes_and_prints_have_stopped(session):
    stops, rows = PassedStops(), market(95.0)
    rows["mark"] = 89.0
    assert stops.look(session.desk.state, rows, session.now_ns) == ()
    session.venue.now_ns += SECOND_NS
    assert len(stops.look(session.desk.state, rows, session.now_ns)) == 1
