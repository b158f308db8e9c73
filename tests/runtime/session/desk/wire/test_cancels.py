"""Cancels are retried until a report confirms them, and never assumed."""

import pytest
from tests.runtime.session.desk.toy_venue import Session, submit

from tightloop.core.domain.enums import EventKind, OrderState, Reason, RowKind
from tightloop.ports.execution import (
    CancelOrder,
    FillReport,
    ListFills,
    LookUpOrder,
    NoSuchOrder,
    RefusalKind,
    RefusedByVenue,
    SubmitOrder,
)
from tightloop.ports.transport import NoAnswer
from tightloop.runtime.session.desk.records import NoteKind, Outputs


def _resting() -> Session:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    session.deliver()
    return session


def _cancel(session: Session) -> Outputs:
    return session.command(submit(65_536, session.now_ns, kind=RowKind.CANCEL, reason=Reason.O1_TRUE))


def test_a_confirmed_cancel_is_told_with_the_reason_of_the_core() -> None:
    session = _resting()
    _cancel(session)
    session.deliver()
    assert [(one.kind, one.reason) for one in session.answers[1:]] == [(EventKind.ORDER_CANCELED, Reason.O1_TRUE)]


def test_a_cancel_without_an_answer_is_sent_again_until_it_is_confirmed() -> None:
    session = _resting()
    _cancel(session)
    for _ in range(4):
        session.sleep(5)
        session.flights.clear()
    assert session.kinds() == [EventKind.ORDER_ACCEPTED]
    session.sleep(35, delivers=True)  # the breaker of the lane has opened, and is probed after 30 s
    assert session.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_CANCELED]
    assert len(session.requests(CancelOrder)) > 3


@pytest.mark.parametrize("reply", [NoSuchOrder(-2011, "unknown"), RefusedByVenue(RefusalKind.TOO_LATE, -1, "ended")])
def test_an_order_that_the_cancel_does_not_find_is_looked_up_for_it_may_be_filled(
    reply: NoSuchOrder | RefusedByVenue,
) -> None:
    session = _resting()
    session.venue.move(94.0)
    session.venue.reports.clear()  # the fill's reports are lost
    _cancel(session)
    session.flights.clear()
    session.reply(session.last_ask(CancelOrder), reply)
    session.sleep(0.01)
    assert isinstance(session.asks[-1].request, LookUpOrder)
    assert session.kinds() == [EventKind.ORDER_ACCEPTED]
    session.sleep(2, delivers=True)
    assert session.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_FILLED]


def test_any_other_refusal_is_told_and_the_order_goes_on() -> None:
    session = _resting()
    _cancel(session)
    session.flights.clear()
    session.reply(session.last_ask(CancelOrder), RefusedByVenue(RefusalKind.NOT_TRADING, -1, "halted"))
    session.sleep(30)
    assert [(one.kind, one.reason) for one in session.answers[1:]] == [(EventKind.CANCEL_REJECTED, Reason.DELISTED)]
    assert len(session.requests(CancelOrder)) == 1
    _cancel(session)
    session.deliver()
    assert session.kinds()[-1] == EventKind.ORDER_CANCELED


def test_what_has_not_left_is_canceled_without_a_request() -> None:
    session = Session()
    session.desk.state.lanes.paused_ns = session.now_ns + 10**12
    session.command(submit(65_536, session.now_ns))
    _cancel(session)
    assert session.kinds() == [EventKind.ORDER_CANCELED]
    assert session.asks == []


def test_a_cancel_of_an_order_on_its_way_is_sent_and_holds_when_the_order_arrives_later() -> None:
    session = Session()
    (ask,) = session.command(submit(65_536, session.now_ns)).asks
    _cancel(session)
    first, second = session.flights
    session.arrive(second)  # the cancel is faster, and finds nothing
    session.arrive(first)
    session.sleep(3, delivers=True)
    assert session.kinds()[-1] == EventKind.ORDER_CANCELED
    assert isinstance(ask.request, SubmitOrder)
    assert session.venue.orders[0].state == OrderState.CANCELED


def test_a_cancel_of_an_order_that_is_not_known_is_refused() -> None:
    session = Session()
    _cancel(session)
    assert [(one.kind, one.reason) for one in session.answers] == [(EventKind.CANCEL_REJECTED, Reason.TOO_LATE)]


def test_fills_that_arrive_after_the_cancel_come_before_its_end() -> None:
    session = _resting()
    session.venue.share = 0.4
    session.venue.move(94.0)
    _cancel(session)
    session.arrive(session.flights[0])
    session.arrive(session.flights[0])  # canceled with 0.4 filled, and no report of the fill yet
    assert session.kinds() == [EventKind.ORDER_ACCEPTED]
    session.deliver()
    assert session.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_FILLED, EventKind.ORDER_CANCELED]
    assert session.answers[-1].cum_qty == 0.4


def test_an_accepted_order_that_vanishes_ends_after_the_proof_and_a_list_of_its_fills() -> None:
    session = _resting()
    session.venue.orders.clear()
    _cancel(session)
    session.sleep(2, delivers=True)
    assert session.kinds() == [EventKind.ORDER_ACCEPTED]
    session.sleep(20, delivers=True)
    assert session.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_CANCELED]
    assert NoteKind.VANISHED in session.noted()


def test_the_list_that_the_end_of_a_vanished_order_waits_for_is_asked_until_it_is_answered() -> None:
    session = _resting()
    session.venue.share = 0.4
    session.venue.move(94.0)
    fill = next(one for one in session.venue.reports if isinstance(one, FillReport))
    session.venue.reports.clear()
    session.venue.orders.clear()
    _cancel(session)
    while NoteKind.VANISHED not in session.noted():
        session.sleep(0.05)
        for flight in list(session.flights):
            if not isinstance(flight.ask.request, ListFills):
                session.arrive(flight)
    session.flights.clear()  # the list is lost
    session.sleep(2.1)
    session.report(fill)  # and the trade it would have had arrives by itself
    session.sleep(40, delivers=True)
    assert session.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_FILLED, EventKind.ORDER_CANCELED]


def test_a_lost_answer_of_a_cancel_is_no_confirmation() -> None:
    session = _resting()
    _cancel(session)
    session.flights.clear()
    session.reply(session.last_ask(CancelOrder), NoAnswer("reset"))
    assert session.kinds() == [EventKind.ORDER_ACCEPTED]
