"""Amends: by the venue where it can, else canceled and placed again; never twice at the venue."""

from dataclasses import replace

import pytest
from tests.runtime.session.desk.toy_venue import Session, submit

from tightloop.core.domain.enums import EventKind, OrderState, Reason, RowKind
from tightloop.ports.execution import AmendOrder, RefusalKind, RefusedByVenue, SubmitOrder
from tightloop.ports.transport import NoAnswer
from tightloop.runtime.session.desk.records import DeskTerms, Outputs


def _resting(*, can_amend: bool) -> Session:
    session = Session(DeskTerms("toy", "main", can_amend_limit=can_amend))
    session.command(submit(65_536, session.now_ns))
    session.deliver()
    return session


def _amend(session: Session, **fields: object) -> Outputs:
    return session.command(submit(65_536, session.now_ns, kind=RowKind.AMEND, **fields))


def test_a_venue_that_can_is_asked_to_amend() -> None:
    session = _resting(can_amend=True)
    _amend(session, price=96.0, qty=2.0)
    session.deliver()
    told = session.answers[-1]
    assert (told.kind, told.reason, told.qty, told.price) == (EventKind.AMENDED, 0, 2.0, 96.0)
    assert len(session.requests(SubmitOrder)) == 1
    session.venue.move(95.0)
    session.deliver()
    assert session.answers[-1].cum_qty == 2.0


def test_an_amend_without_an_answer_is_looked_up_and_asked_again_where_it_was_not_done() -> None:
    session = _resting(can_amend=True)
    _amend(session, price=96.0)
    session.flights.clear()
    session.reply(session.last_ask(AmendOrder), NoAnswer("reset"))
    session.sleep(1, delivers=True)
    assert len(session.requests(AmendOrder)) == 2
    assert session.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.AMENDED]
    assert session.venue.orders[0].request.price == 96.0


def test_an_amend_that_was_done_though_its_answer_was_lost_is_told_once() -> None:
    session = _resting(can_amend=True)
    _amend(session, price=96.0)
    session.arrive(session.flights[0])
    session.flights.clear()
    session.reply(session.last_ask(AmendOrder), NoAnswer("reset"))
    session.sleep(1, delivers=True)
    assert len(session.requests(AmendOrder)) == 1
    assert session.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.AMENDED]


def test_a_refused_amend_is_told_with_what_the_venue_has() -> None:
    session = _resting(can_amend=True)
    _amend(session, price=96.0, qty=2.0)
    session.flights.clear()
    session.reply(session.last_ask(AmendOrder), RefusedByVenue(RefusalKind.RULES, -4014, "tick"))
    told = session.answers[-1]
    assert (told.kind, told.reason, told.qty, told.price) == (EventKind.AMENDED, Reason.RULES_CHANGED, 1.0, 95.0)
    session.sleep(20, delivers=True)
    assert len(session.requests(AmendOrder)) == 1


def test_a_venue_that_cannot_amend_has_the_order_canceled_and_the_rest_placed() -> None:
    session = _resting(can_amend=False)
    session.venue.share = 0.25
    session.venue.move(94.0)
    session.deliver()
    session.venue.has_liquidity = False
    _amend(session, price=93.0)
    assert len(session.requests(SubmitOrder)) == 1, "first its end is awaited"
    session.deliver()
    first, second = session.requests(SubmitOrder)
    assert isinstance(first, SubmitOrder)
    assert isinstance(second, SubmitOrder)
    assert (second.qty, second.price) == (0.75, 93.0)
    assert second.client_id != first.client_id
    assert session.kinds()[-1] == EventKind.AMENDED
    assert [order.state for order in session.venue.orders] == [OrderState.CANCELED, OrderState.ACCEPTED]


def test_the_rest_is_placed_once_it_is_known_how_much_that_is() -> None:
    session = _resting(can_amend=False)
    session.venue.share = 0.25
    session.venue.move(94.0)
    session.venue.has_liquidity = False
    session.venue.reports.clear()  # the fill's report is lost
    _amend(session, price=93.0)
    session.arrive(session.flights[0])
    session.venue.reports.clear()
    session.arrive(session.flights[0])  # canceled, a quarter filled
    assert len(session.requests(SubmitOrder)) == 1
    session.sleep(0.5, delivers=True)
    rest = session.requests(SubmitOrder)[-1]
    assert isinstance(rest, SubmitOrder)
    assert rest.qty == 0.75
    assert sum(order.filled for order in session.venue.orders) == 0.25


def test_an_order_that_fills_before_its_amend_arrives_is_told_to_be_too_late() -> None:
    session = _resting(can_amend=False)
    session.venue.move(94.0)
    _amend(session, qty=2.0)
    session.deliver()
    last = session.answers[-1]
    assert (last.kind, last.reason, last.cum_qty) == (EventKind.ORDER_CANCELED, Reason.TOO_LATE, 1.0)


def test_an_order_that_has_not_left_leaves_as_amended() -> None:
    session = Session()
    session.desk.state.lanes.paused_ns = session.now_ns + 10**9
    session.command(submit(65_536, session.now_ns))
    _amend(session, price=96.0)
    assert session.kinds() == [EventKind.AMENDED]
    session.sleep(1.5, delivers=True)
    (sent,) = session.requests(SubmitOrder)
    assert isinstance(sent, SubmitOrder)
    assert sent.price == 96.0


@pytest.mark.parametrize("can_amend", [True, False])
def test_two_amends_in_a_row_end_at_the_last(can_amend: bool) -> None:
    session = _resting(can_amend=can_amend)
    _amend(session, price=96.0)
    _amend(session, price=97.0)
    session.sleep(5, delivers=True)
    (there,) = [order for order in session.venue.orders if order.is_open]
    assert there.request.price == 97.0
    assert session.answers[-1] == replace(session.answers[-1], kind=EventKind.AMENDED, reason=0, price=97.0)
