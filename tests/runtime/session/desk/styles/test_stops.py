"""Stops of a position: one is at the venue whenever that can be."""

import math
from dataclasses import replace

import pytest
from tests.runtime.session.desk.toy_venue import Session, stop, submit

from tightloop.core.domain.enums import EventKind, OrderKind, OrderState, Reason, RowKind
from tightloop.ports.execution import CancelOrder, FillReport, ListFills, RefusalKind, RefusedByVenue, SubmitOrder
from tightloop.ports.transport import NoAnswer
from tightloop.runtime.session.desk.desk import Desk
from tightloop.runtime.session.desk.records import NoteKind


def holding(qty: float = 1.0) -> Session:
    """Return a session that holds a long position, bought at market."""
    session = Session()
    session.command(submit(65_536, session.now_ns, order_kind=OrderKind.MARKET, price=float("nan"), qty=qty))
    session.deliver()
    session.answers.clear()
    session.asks.clear()
    return session


def _open_stops(session: Session) -> list[float]:
    return [order.request.stop_price for order in session.venue.orders if order.is_open and order.is_conditional]


def test_an_amended_stop_is_placed_before_the_old_one_is_canceled() -> None:
    session = holding()
    session.command(stop(65_537, session.now_ns))
    session.deliver()
    session.command(stop(65_537, session.now_ns, kind=RowKind.AMEND, stop_price=92.0))
    assert session.requests(CancelOrder) == []
    session.arrive(session.flights[0])
    assert sorted(_open_stops(session)) == [90.0, 92.0]
    session.deliver()
    assert _open_stops(session) == [92.0]
    told = session.answers[-1]
    assert (told.kind, told.reason, told.stop_price) == (EventKind.AMENDED, 0, 92.0)


def test_a_replacement_that_is_refused_leaves_the_old_stop() -> None:
    session = holding()
    session.command(stop(65_537, session.now_ns))
    session.deliver()
    session.command(stop(65_537, session.now_ns, kind=RowKind.AMEND, stop_price=99.95))
    session.flights.clear()
    session.reply(session.last_ask(SubmitOrder), RefusedByVenue(RefusalKind.WOULD_TRIGGER, -2021, "no"))
    session.sleep(5, delivers=True)
    told = session.answers[-1]
    assert (told.kind, told.reason, told.stop_price) == (EventKind.AMENDED, Reason.WOULD_TRIGGER, 90.0)
    assert _open_stops(session) == [90.0]
    assert session.requests(CancelOrder) == []


def test_an_unknown_stop_is_followed_by_another_after_a_second_and_one_of_them_stays() -> None:
    session = holding()
    session.command(stop(65_537, session.now_ns))
    session.arrive(session.flights[0])
    session.flights.clear()
    session.venue.reports.clear()
    session.reply(session.last_ask(SubmitOrder), NoAnswer("reset"))
    session.sleep(0.9)
    assert len(session.requests(SubmitOrder)) == 1
    session.sleep(0.2)
    assert len(session.requests(SubmitOrder)) == 2
    session.sleep(10, delivers=True)
    assert _open_stops(session) == [90.0]
    assert session.kinds() == [EventKind.ORDER_UNKNOWN, EventKind.ORDER_ACCEPTED]


def test_an_unknown_stop_of_a_part_waits_for_the_proof() -> None:
    session = holding(2.0)
    session.command(stop(65_537, session.now_ns, qty=1.0))
    session.reply(session.last_ask(SubmitOrder), NoAnswer("reset"))
    session.sleep(5)
    assert len(session.requests(SubmitOrder)) == 1


def test_a_triggered_stop_is_filled_by_another_order_of_the_venue() -> None:
    session = holding()
    session.command(stop(65_537, session.now_ns))
    session.deliver()
    session.venue.move(89.0)
    session.deliver()
    last = session.answers[-1]
    assert (last.kind, last.order_id, last.qty, last.cum_qty) == (EventKind.ORDER_FILLED, 65_537, 1.0, 1.0)
    attempt = session.desk.state.orders[65_537].attempts[0]
    assert attempt.is_triggered
    assert attempt.triggered_id != attempt.venue_order_id


def test_a_stop_whose_price_is_reached_while_another_is_unknown_goes_on_as_an_exit_at_market() -> None:
    session = holding()
    session.desk.on_holding(0, 1.0, 0.0, session.now_ns)
    session.command(stop(65_537, session.now_ns))
    session.flights.clear()  # it never arrives
    session.reply(session.last_ask(SubmitOrder), NoAnswer("cut"))
    session.sleep(1.1)
    assert len(session.requests(SubmitOrder)) == 2
    session.flights.clear()
    session.reply(session.last_ask(SubmitOrder), RefusedByVenue(RefusalKind.WOULD_TRIGGER, -2021, "no"))
    (_, _, exit_order) = session.requests(SubmitOrder)
    assert (exit_order.kind, exit_order.is_reduce_only, exit_order.qty) == (OrderKind.MARKET, True, 1.0)
    session.sleep(20, delivers=True)
    assert session.kinds()[-1] == EventKind.ORDER_FILLED
    assert session.answers[-1].cum_qty == 1.0
    assert _open_stops(session) == []


def test_a_fill_that_comes_before_its_trigger_under_another_name_waits_for_the_mapping() -> None:
    session = holding()
    session.command(stop(65_537, session.now_ns))
    session.deliver()
    session.venue.move(89.0)
    trigger, *_ = session.venue.reports
    (fill,) = [one for one in session.venue.reports if hasattr(one, "trade_id")]
    session.report(replace(fill, client_id="x"))  # type: ignore[arg-type]  # a FillReport
    assert EventKind.ORDER_FILLED not in session.kinds()
    session.report(trigger)
    assert session.kinds()[-1] == EventKind.ORDER_FILLED
    assert session.strange == []


@pytest.mark.parametrize("found_qty", [1.0, 0.4])
def test_what_a_comparison_has_booked_of_a_stop_is_not_booked_again_and_the_stop_ends(found_qty: float) -> None:
    session = holding()
    session.command(stop(65_537, session.now_ns))
    session.deliver()
    session.venue.move(89.0)
    (fill,) = [one for one in session.venue.reports if isinstance(one, FillReport)]
    parts = [replace(fill, qty=found_qty, cum_qty=math.nan, client_id="")]
    if found_qty < 1.0:
        parts.append(replace(fill, trade_id="rest", qty=1.0 - found_qty, cum_qty=math.nan, client_id=""))
    for order in session.venue.orders:
        order.fills = list(parts) if fill in order.fills else order.fills
    session.venue.reports.clear()  # nothing was told
    session.take(session.desk.on_found((parts[0],), session.now_ns))
    saved = session.desk.save()
    assert Desk.load(saved).save() == saved
    if found_qty == 1.0:
        session.command(stop(65_537, session.now_ns, kind=RowKind.CANCEL))
    else:
        session.command(stop(65_537, session.now_ns, kind=RowKind.AMEND, qty=0.6))
    session.sleep(5, delivers=True)
    for order in session.venue.orders[1:3]:  # the trigger, and the order that it sent
        session.report(session.venue.report_of(order))
    session.sleep(5, delivers=True)
    booked = [one.qty for one in session.answers if one.kind in (EventKind.ORDER_FILLED, EventKind.FILL_FOUND)]
    assert booked == pytest.approx([1.0 - found_qty] if found_qty < 1.0 else [])
    last = session.answers[-1]
    assert last.kind == (EventKind.ORDER_FILLED if found_qty < 1.0 else EventKind.ORDER_CANCELED)
    assert session.desk.state.open_ids == []
    assert session.desk.state.found == []


def test_a_triggered_stop_that_has_ended_without_saying_how_much_is_filled_ends_once_its_fills_are_listed() -> None:
    session = holding()
    session.command(stop(65_537, session.now_ns))
    session.deliver()
    session.venue.move(89.0)
    (fill,) = [one for one in session.venue.reports if isinstance(one, FillReport)]
    for order in session.venue.orders:
        order.fills = [replace(one, qty=0.4, cum_qty=math.nan) if one == fill else one for one in order.fills]
    session.venue.reports.clear()  # nothing was told
    resting = session.venue.orders[1]
    ended = replace(
        session.venue.report_of(resting), state=OrderState.CANCELED, cum_qty=math.nan, triggered_id=fill.venue_order_id
    )
    session.report(ended)
    assert session.kinds() == [EventKind.ORDER_ACCEPTED]
    assert len(session.requests(ListFills)) == 1
    session.deliver()
    assert session.kinds()[1:] == [EventKind.ORDER_FILLED, EventKind.ORDER_EXPIRED]
    assert session.answers[-1].reason == Reason.WOULD_TRIGGER, "the rest is closed at market"


def test_a_fill_that_is_not_mapped_in_two_seconds_goes_to_reconciliation() -> None:
    session = holding()
    session.command(stop(65_537, session.now_ns))
    session.deliver()
    (fill,) = session.venue.orders[0].fills
    stranger = replace(fill, client_id="by-hand", venue_order_id="v999", trade_id="t999")
    session.report(stranger)
    session.sleep(1.9, delivers=True)
    assert session.strange == []
    session.sleep(0.2, delivers=True)
    assert session.strange == [stranger]


def test_a_stop_that_is_refused_at_its_trigger_or_knocked_out_is_like_one_that_would_trigger() -> None:
    for state in (OrderState.REJECTED, OrderState.EXPIRED):
        session = holding()
        session.command(stop(65_537, session.now_ns))
        session.deliver()
        session.venue.end(session.venue.orders[-1], state, RefusalKind.MARGIN)
        session.deliver()
        told = session.answers[-1]
        assert (told.kind, told.reason) == (EventKind.ORDER_REJECTED, Reason.WOULD_TRIGGER)


def test_a_fill_of_one_of_a_group_cancels_the_others() -> None:
    session = holding()
    session.command(stop(65_537, session.now_ns, oco=7))
    session.command(
        stop(65_538, session.now_ns, oco=7, order_kind=OrderKind.LIMIT, price=105.0, stop_price=float("nan"))
    )
    session.deliver()
    session.venue.move(106.0)
    session.deliver()
    told = [(one.order_id, one.kind, one.reason) for one in session.answers[2:]]
    assert told == [(65_538, EventKind.ORDER_FILLED, 0), (65_537, EventKind.ORDER_CANCELED, Reason.OCO)]
    assert NoteKind.FOUND_LATE not in session.noted()
