"""Fills: each trade once, what is missing is found or implied, and told before an order's end."""

from dataclasses import replace

import pytest
from tests.runtime.session.desk.toy_venue import Session, submit

from tightloop.core.domain.enums import Correction, EventKind, OrderKind, OrderState, RowKind
from tightloop.ports.execution import FillReport, ListFills, OrderReport, Report
from tightloop.ports.transport import NoAnswer
from tightloop.runtime.session.desk.records import NoteKind


def _filled_in_parts() -> tuple[Session, list[FillReport], list[OrderReport]]:
    """Return a session whose entry was filled by two trades, of which no report has been delivered."""
    session = Session()
    session.command(submit(65_536, session.now_ns))
    session.deliver()
    session.venue.share = 0.4
    session.venue.move(94.0)
    session.venue.share = 1.0
    session.venue.move(93.0)
    reports, session.venue.reports = session.venue.reports, []
    fills = [one for one in reports if isinstance(one, FillReport)]
    return session, fills, [one for one in reports if isinstance(one, OrderReport)]


def _qty_told(session: Session) -> list[tuple[float, float]]:
    return [(round(one.qty, 9), round(one.cum_qty, 9)) for one in session.answers if one.kind == EventKind.ORDER_FILLED]


def test_a_repeated_fill_is_counted_and_ignored() -> None:
    session, fills, _ = _filled_in_parts()
    for fill in (fills[0], fills[0], fills[1], fills[0], fills[1]):
        session.report(fill)
    assert _qty_told(session) == [(0.4, 0.4), (0.6, 1.0)]
    assert session.desk.state.counts.repeated_fills == 3


def test_fills_in_the_wrong_order_are_both_told_with_their_prices() -> None:
    session, fills, orders = _filled_in_parts()
    reports: list[Report] = [fills[1], *orders, fills[0]]
    for report in reports:
        session.report(report)
    assert _qty_told(session) == [(0.6, 0.6), (0.4, 1.0)]
    assert [one.price for one in session.answers[1:]] == pytest.approx([93.1, 94.1])


def test_a_fill_before_the_acceptance_is_told() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns, order_kind=OrderKind.MARKET, price=float("nan")))
    session.arrive(session.flights[0])
    (fill,) = [one for one in session.venue.reports if isinstance(one, FillReport)]
    session.report(fill)
    session.deliver()
    assert session.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_FILLED]


def test_a_missing_trade_is_asked_for_and_told_with_its_price_and_fee() -> None:
    session, fills, _ = _filled_in_parts()
    session.report(fills[1])
    session.sleep(0.5, delivers=True)
    assert len(session.requests(ListFills)) == 1
    assert _qty_told(session) == [(0.6, 0.6), (0.4, 1.0)]
    assert session.answers[-1].fee == pytest.approx(fills[0].fee)


def test_what_is_not_found_in_time_is_implied_and_its_fee_corrected_when_it_is_found() -> None:
    session, fills, orders = _filled_in_parts()
    session.report(fills[0])
    session.report(orders[-1])  # filled, at an average of 93.5
    session.sleep(1.2)
    assert NoteKind.FILL_GUESSED not in session.noted(), "the question for it may still be answered"
    session.sleep(1.2)
    told = session.answers[-1]
    assert (told.qty, told.price, told.cum_qty) == pytest.approx((0.6, 93.1, 1.0))
    assert NoteKind.FILL_GUESSED in session.noted()
    expected = told.fee
    session.report(replace(fills[1], fee=1.0))
    corrected = session.answers[-1]
    assert (corrected.kind, corrected.reason) == (EventKind.BALANCE_CORRECTED, Correction.FEE)
    assert corrected.amount == pytest.approx(expected - 1.0)
    assert len({one.fill_key for one in session.answers if one.fill_key}) == 2
    assert _qty_told(session) == [(0.4, 0.4), (0.6, 1.0)]


def test_the_end_of_an_order_is_told_after_its_fills() -> None:
    session, fills, orders = _filled_in_parts()
    canceled = replace(orders[-1], state=OrderState.CANCELED, cum_qty=0.4, avg_price=94.1)
    session.report(canceled)
    assert session.kinds() == [EventKind.ORDER_ACCEPTED]
    session.report(fills[0])
    assert session.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_FILLED, EventKind.ORDER_CANCELED]


def test_a_fill_after_the_end_was_told_is_found_on_its_order() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    session.deliver()
    session.command(submit(65_536, session.now_ns, kind=RowKind.CANCEL))
    session.deliver()
    order = session.venue.orders[0]
    order.state = OrderState.ACCEPTED
    session.venue.move(94.0)
    session.deliver()
    found = session.answers[-1]
    assert (found.kind, found.order_id, found.qty, found.cum_qty, found.side) == (
        EventKind.FILL_FOUND, 65_536, 1.0, 1.0, 1,
    )  # fmt: skip
    assert session.desk.state.holdings[0].ours == 1.0


def test_a_fee_in_another_asset_is_estimated_and_noted() -> None:
    session, fills, _ = _filled_in_parts()
    session.report(replace(fills[0], fee=0.001, fee_asset="BNB"))
    assert session.answers[-1].fee == pytest.approx(0.4 * 94.1 * 0.0005)
    assert NoteKind.FEE_GUESSED in session.noted()


def test_questions_for_a_trade_go_on_while_the_venue_does_not_answer() -> None:
    session, fills, _ = _filled_in_parts()
    session.report(fills[1])
    for _ in range(3):
        session.sleep(3)
        for flight in list(session.flights):
            session.flights.remove(flight)
            session.reply(flight.ask, NoAnswer("lost"))
    session.sleep(35, delivers=True)
    assert _qty_told(session) == [(0.6, 0.6), (0.4, 1.0)]
