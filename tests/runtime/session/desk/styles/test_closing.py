"""Market exits: attempt after attempt until the position is closed."""

import pytest
from tests.runtime.session.desk.styles.test_stops import holding
from tests.runtime.session.desk.toy_venue import Session, exit_at_market

from tightloop.core.domain.enums import EventKind, OrderKind, Role, TimeInForce
from tightloop.ports.execution import CancelOrder, ClockRefused, LookUpOrder, ReadServerTime, SubmitOrder
from tightloop.ports.transport import NoAnswer
from tightloop.runtime.session.desk.records import NoteKind


def _sent(session: Session) -> list[SubmitOrder]:
    return [one for one in session.requests(SubmitOrder) if isinstance(one, SubmitOrder)]


def _stuck(role: Role = Role.E1, qty: float = 1.0) -> Session:
    """Return a session whose exit is accepted and does not fill."""
    session = holding(qty)
    session.venue.has_liquidity = False
    session.take(session.desk.on_prices(0, session.now_ns, bid=99.9, ask=100.1))
    session.command(exit_at_market(65_537, session.now_ns, role=role))
    session.deliver()
    return session


@pytest.mark.parametrize(("role", "patience_s"), [(Role.E1, 5.0), (Role.ZE1, 60.0)])
def test_an_exit_that_stays_open_is_looked_up_and_then_canceled(role: Role, patience_s: float) -> None:
    session = _stuck(role)
    session.sleep(patience_s - 0.1)
    assert session.requests(LookUpOrder) == []
    session.sleep(0.2)
    assert len(session.requests(LookUpOrder) + session.requests(ReadServerTime)) == 1
    assert session.requests(CancelOrder) == []
    session.deliver()
    assert len(session.requests(LookUpOrder)) == 1
    assert len(session.requests(CancelOrder)) == 1


def test_attempts_take_ever_more_of_the_book_and_end_at_market() -> None:
    session = _stuck()
    for _ in range(400):
        session.take(session.desk.on_prices(0, session.now_ns, bid=99.9, ask=100.1))
        session.sleep(0.1, delivers=True)
    prices = [(one.kind, one.tif, one.price) for one in _sent(session)[1:5]]
    assert prices[:3] == [
        (OrderKind.LIMIT, TimeInForce.IOC, 99.8),  # 99.7002 on the grid, away from the market
        (OrderKind.LIMIT, TimeInForce.IOC, 99.5),
        (OrderKind.LIMIT, TimeInForce.IOC, 99.0),
    ]
    assert prices[3][0] == OrderKind.MARKET
    assert len({one.client_id for one in _sent(session)}) == len(_sent(session))
    assert session.kinds() == [EventKind.ORDER_ACCEPTED], "the core's order is one"
    session.venue.has_liquidity = True
    session.sleep(20, delivers=True)
    assert session.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_FILLED]


def test_a_limit_that_was_not_taken_leaves_again_at_its_price() -> None:
    session = _stuck()
    while len(_sent(session)) < 2:
        session.take(session.desk.on_prices(0, session.now_ns, bid=99.9, ask=100.1))
        session.sleep(0.1)
        for flight in list(session.flights):
            if not isinstance(flight.ask.request, SubmitOrder):
                session.arrive(flight)
    (refused,) = [one for one in session.flights if isinstance(one.ask.request, SubmitOrder)]
    session.flights.remove(refused)
    session.reply(refused.ask, ClockRefused(-1021, "the clock"))
    session.sleep(1.0)
    first, again = _sent(session)[1:]
    assert (again.client_id, again.price) == (first.client_id, 99.8)


def test_without_a_touch_every_attempt_is_at_market() -> None:
    session = holding()
    session.venue.has_liquidity = False
    session.command(exit_at_market(65_537, session.now_ns))
    session.sleep(30, delivers=True)
    assert {one.kind for one in _sent(session)} == {OrderKind.MARKET}
    assert len(_sent(session)) > 3


def test_the_next_attempt_is_for_what_is_left_and_cum_qty_is_of_the_order() -> None:
    session = _stuck(Role.E1)
    session.venue.has_liquidity, session.venue.share = True, 0.4
    session.venue.match()
    session.venue.has_liquidity = False
    session.sleep(7, delivers=True)
    assert _sent(session)[1].qty == pytest.approx(0.6)
    session.venue.has_liquidity, session.venue.share = True, 1.0
    session.sleep(10, delivers=True)
    fills = [one for one in session.answers if one.kind == EventKind.ORDER_FILLED]
    assert [one.cum_qty for one in fills] == pytest.approx([0.4, 1.0])
    assert session.venue.position == pytest.approx(0.0)


def test_an_unknown_exit_is_followed_by_another_after_one_second() -> None:
    session = holding()
    session.command(exit_at_market(65_537, session.now_ns))
    session.flights.clear()
    session.reply(session.last_ask(SubmitOrder), NoAnswer("reset"))
    session.sleep(0.9)
    assert len(_sent(session)) == 1
    session.sleep(0.2)
    assert len(_sent(session)) == 2
    session.sleep(20, delivers=True)
    assert session.kinds() == [EventKind.ORDER_UNKNOWN, EventKind.ORDER_FILLED]
    assert session.venue.position == 0.0


def test_both_of_two_that_arrive_do_not_pass_flat() -> None:
    session = holding()
    session.command(exit_at_market(65_537, session.now_ns))
    first = session.flights.pop()
    session.reply(first.ask, NoAnswer("reset"))
    session.sleep(1.1)
    session.venue.execute(first.ask.request, first.ask.signed_ns)
    session.sleep(20, delivers=True)
    assert session.venue.position == 0.0
    assert [one.qty for one in session.answers if one.kind == EventKind.ORDER_FILLED] == [1.0]
    assert EventKind.FILL_FOUND not in session.kinds()


@pytest.mark.parametrize(("ours", "foreign"), [(1.0, 0.5), (2.0, 0.0)])
def test_an_unknown_exit_waits_for_the_proof_where_two_could_close_too_much(ours: float, foreign: float) -> None:
    session = holding()
    session.take(session.desk.on_holding(0, ours, foreign, session.now_ns))
    session.command(exit_at_market(65_537, session.now_ns))
    session.flights.clear()
    session.reply(session.last_ask(SubmitOrder), NoAnswer("reset"))
    session.sleep(5, delivers=True)
    assert len(_sent(session)) == 1
    session.sleep(5, delivers=True)
    assert len(_sent(session)) == 2, "proven absent, the next one leaves"
    assert session.kinds() == [EventKind.ORDER_UNKNOWN, EventKind.ORDER_ACCEPTED, EventKind.ORDER_FILLED]


def test_a_foreign_quantity_on_the_other_side_does_not_hold_an_exit() -> None:
    session = holding()
    session.take(session.desk.on_holding(0, 1.0, -0.5, session.now_ns))
    session.command(exit_at_market(65_537, session.now_ns))
    session.flights.clear()
    session.reply(session.last_ask(SubmitOrder), NoAnswer("reset"))
    session.sleep(1.1)
    assert len(_sent(session)) == 2


def test_an_operator_is_told_each_minute_and_the_exit_goes_on_for_ever() -> None:
    session = _stuck()
    session.sleep(150, delivers=True)
    assert session.noted().count(NoteKind.EXIT_STUCK) in (2, 3)
    attempts = len(_sent(session))
    session.sleep(30, delivers=True)
    assert len(_sent(session)) > attempts


def test_after_36_attempts_the_order_ends_and_the_core_sends_another() -> None:
    session = _stuck()
    session.sleep(400, delivers=True)
    assert len(_sent(session)) == 36
    assert session.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_EXPIRED]
    assert NoteKind.ATTEMPTS_USED in session.noted()
    session.venue.has_liquidity = True
    session.command(exit_at_market(65_538, session.now_ns))
    session.deliver()
    assert session.kinds()[-1] == EventKind.ORDER_FILLED
