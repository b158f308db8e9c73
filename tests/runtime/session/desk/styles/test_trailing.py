"""Trailing stops follow the market here and rest at the venue."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runtime.session.desk.styles.test_stops import holding
from tests.runtime.session.desk.toy_venue import NAN, Session, stop

from tightloop.core.domain.enums import EventKind, OrderKind, RowKind, Trigger
from tightloop.ports.execution import RefusalKind, RefusedByVenue, SubmitOrder
from tightloop.runtime.session.desk.records import Command


def trailing(session: Session, **fields: object) -> Command:
    """Return a SUBMIT of a stop that trails 2 % below the last print."""
    wanted: dict[str, object] = {"order_kind": OrderKind.TRAILING, "stop_price": NAN, "trail_pct": 2.0}
    return stop(65_537, session.now_ns, **(wanted | fields))


def _there(session: Session) -> list[float]:
    return [order.request.stop_price for order in session.venue.orders if order.is_open and order.is_conditional]


def _print(session: Session, last: float) -> None:
    session.venue.move(last)
    session.take(session.desk.on_prices(0, session.now_ns, last=last))
    session.sleep(1.1, delivers=True)


def test_it_rests_at_the_venue_as_a_stop_and_follows_the_market_up_alone() -> None:
    session = holding()
    session.command(trailing(session))
    session.deliver()
    assert _there(session) == [98.0]
    assert session.answers[-1].kind == EventKind.ORDER_ACCEPTED
    _print(session, 101.0)
    assert _there(session) == pytest.approx([98.9])  # 98.98 on the grid, on the side that triggers later
    _print(session, 100.5)
    assert _there(session) == pytest.approx([98.9])
    assert (session.answers[-1].kind, session.answers[-1].stop_price) == (EventKind.AMENDED, pytest.approx(98.9))


def test_steps_are_a_tenth_of_a_percent_and_a_second_apart_at_least() -> None:
    session = holding()
    session.command(trailing(session))
    session.sleep(2, delivers=True)
    sent = len(session.requests(SubmitOrder))
    _print(session, 100.05)
    assert len(session.requests(SubmitOrder)) == sent, "less than 0.1 % is not worth a request"
    session.venue.move(103.0)
    for last in (101.0, 102.0, 103.0):
        session.take(session.desk.on_prices(0, session.now_ns, last=last))
        session.sleep(0.2, delivers=True)
    assert len(session.requests(SubmitOrder)) == sent + 1
    session.sleep(1, delivers=True)
    assert len(session.requests(SubmitOrder)) == sent + 2
    assert _there(session) == pytest.approx([100.9])


def test_it_follows_the_price_that_its_trigger_names() -> None:
    session = holding()
    session.command(trailing(session, trigger=Trigger.MARK))
    session.sleep(2, delivers=True)
    _print(session, 110.0)
    assert _there(session) == [98.0]
    session.take(session.desk.on_prices(0, session.now_ns, mark=105.0))
    session.sleep(1, delivers=True)
    assert _there(session) == pytest.approx([102.9])


def test_before_it_is_armed_nothing_rests_at_the_venue() -> None:
    session = holding()
    session.command(trailing(session, arm_price=103.0))
    session.deliver()
    assert _there(session) == []
    assert session.kinds() == [EventKind.ORDER_ACCEPTED]
    _print(session, 104.0)
    assert _there(session) == pytest.approx([101.9])


def test_a_new_distance_tightens_the_stop() -> None:
    session = holding()
    session.command(trailing(session, trail_pct=NAN, trail_distance=5.0))
    session.sleep(2, delivers=True)
    assert _there(session) == [95.0]
    session.command(trailing(session, kind=RowKind.AMEND, trail_pct=NAN, trail_distance=3.0))
    session.sleep(2, delivers=True)
    assert _there(session) == [97.0]
    assert session.answers[-1].kind == EventKind.AMENDED


def test_a_stop_that_the_market_has_passed_goes_on_as_a_market_exit() -> None:
    session = holding()
    session.command(trailing(session))
    session.sleep(2, delivers=True)
    session.take(session.desk.on_prices(0, session.now_ns, last=101.0))
    session.flights.clear()
    session.reply(session.last_ask(SubmitOrder), RefusedByVenue(RefusalKind.WOULD_TRIGGER, -2021, "no"))
    session.sleep(2, delivers=True)
    assert session.answers[-1].kind == EventKind.ORDER_FILLED
    assert session.venue.position == 0.0
    assert _there(session) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(970, 1_100), min_size=1, max_size=12))
def test_the_stop_is_never_looser_than_two_percent_and_a_step_below_the_best_price(prices: list[int]) -> None:
    session = holding()
    session.venue.has_liquidity = False
    session.command(trailing(session))
    session.sleep(2, delivers=True)
    best = 100.0
    for price in prices:
        best = max(best, price / 10)
        _print(session, price / 10)
        session.sleep(1.1, delivers=True)
        if price / 10 <= best * 0.98 + 0.2:
            return  # it has been reached
        assert max(_there(session)) >= best * 0.98 - 0.1 - best * 0.001
