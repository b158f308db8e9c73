"""The desk goes on from its saved state as if nothing had happened, and a new life takes what was out for unknown."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runtime.session.desk.styles.test_stops import holding
from tests.runtime.session.desk.toy_venue import Session, exit_at_market, stop, submit

from tightloop.core.domain.enums import EventKind, OrderKind, OrderState, Reason, RowKind
from tightloop.core.domain.types import LOG_ROW
from tightloop.ports.execution import CancelOrder, LookUpOrder, RefusalKind, RefusedByVenue, SubmitOrder
from tightloop.ports.transport import NoAnswer, NotSent
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.desk.desk import Desk
from tightloop.runtime.session.desk.records import NEVER_NS, Outputs, command_of


class Twice(Session):
    """A session with a second desk, which is restored from the first's state before some inputs and gets them too."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.draw = random.Random(seed)
        self.second = Desk.load(self.desk.save())
        first = self.desk
        for name in ("on_command", "on_reply", "on_report", "on_time", "on_prices", "on_restart"):
            setattr(self.desk, name, self._both(first, name))

    def _both(self, first: Desk, name: str) -> object:
        method = getattr(first, name)

        def take(*arguments: object, **named: object) -> Outputs:
            if self.draw.random() < 0.3:
                self.second = Desk.load(first.save())
            outputs: Outputs = method(*arguments, **named)
            assert repr(getattr(self.second, name)(*arguments, **named)) == repr(outputs)
            assert self.second.save() == first.save()
            return outputs

        return take


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32))
def test_a_desk_restored_at_any_point_goes_on_identically(seed: int) -> None:
    session, draw = Twice(seed), random.Random(seed)
    entered = 0
    for step in range(30):
        act = draw.randrange(6)
        if act == 0:
            session.command(submit(65_536 + step, session.now_ns, price=draw.choice((95.0, 101.0))))
            entered = 65_536 + step
        elif act == 1 and session.venue.position > 0:
            session.command(exit_at_market(65_536 + step, session.now_ns, qty=session.venue.position))
        elif act == 2 and entered:
            session.command(submit(entered, session.now_ns, kind=RowKind.CANCEL))
        elif act == 3:
            session.venue.move(draw.choice((90.0, 94.0, 100.0)))
        elif act == 4 and session.flights:
            session.flights.pop(draw.randrange(len(session.flights)))
        session.sleep(draw.choice((0.1, 2.0, 9.0)), delivers=draw.random() < 0.7)


def test_bytes_that_are_no_state_are_refused() -> None:
    for saved in (b"", b"{}", b'["0", []]'):
        with pytest.raises(ValueError, match="desk"):
            Desk.load(saved)


def test_a_new_life_looks_up_what_was_out_and_names_what_it_sends_apart() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    session.arrive(session.flights[0])
    session.flights.clear()
    session.venue.reports.clear()
    session.desk = Desk.load(session.desk.save())
    session.take(session.desk.on_restart(2, session.now_ns))
    assert session.kinds() == [EventKind.ORDER_UNKNOWN]
    session.command(exit_at_market(65_537, session.now_ns))
    sent = session.requests(SubmitOrder)[-1]
    assert isinstance(sent, SubmitOrder)
    assert ids.decode(sent.client_id) == ids.ClientId(ids.session_code("session-1"), 2, 65_537, 0)
    session.sleep(1, delivers=True)
    assert len(session.requests(LookUpOrder)) == 1
    assert EventKind.ORDER_ACCEPTED in session.kinds()


def test_a_new_life_sends_no_entry_that_may_have_left_with_the_end_of_the_journal_and_sends_exits_at_once() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    (flight,) = session.flights
    session.reply(flight.ask, NotSent("the process ended before it left"))
    session.command(exit_at_market(65_537, session.now_ns))
    session.reply(session.asks[-1], NotSent("the process ended before it left"))
    sent = len(session.requests(SubmitOrder))
    session.take(session.desk.on_restart(2, session.now_ns))
    session.sleep(1)
    assert session.answers[-1].order_id == 65_536
    assert (session.answers[-1].kind, session.answers[-1].reason) == (EventKind.ORDER_EXPIRED, Reason.TTL)
    later = [one.client_id for one in session.requests(SubmitOrder)[sent:] if isinstance(one, SubmitOrder)]
    assert later == [ids.ClientId(ids.session_code("session-1"), 2, 65_537, 0).text]


def test_a_new_life_sends_the_cancels_again_that_were_out() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    session.deliver()
    session.command(submit(65_536, session.now_ns, kind=RowKind.CANCEL))
    session.flights.clear()
    session.take(session.desk.on_restart(2, session.now_ns))
    assert len(session.requests(CancelOrder)) == 2
    session.deliver()
    assert session.kinds()[-1] == EventKind.ORDER_CANCELED


def test_a_late_answer_counts_as_a_report() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    flight = session.flights.pop()
    reply = session.venue.execute(flight.ask.request, flight.ask.signed_ns)
    session.venue.reports.clear()
    session.sleep(10)
    assert session.kinds() == [EventKind.ORDER_UNKNOWN]
    session.reply(flight.ask, reply)
    assert session.kinds() == [EventKind.ORDER_UNKNOWN, EventKind.ORDER_ACCEPTED]
    session.reply(flight.ask, NoAnswer("twice"))
    assert session.kinds() == [EventKind.ORDER_UNKNOWN, EventKind.ORDER_ACCEPTED]


def test_a_row_of_the_log_becomes_a_command() -> None:
    row = np.zeros(1, LOG_ROW)[0]
    row["kind"], row["order_id"], row["slot"], row["side"], row["order_kind"] = 1, 65_536, 3, -1, 3
    row["tif"], row["role"], row["reduce_only"], row["qty"], row["stop_price"], row["value"] = 1, 2, 1, 2.5, 90.0, 95.0
    row["price"] = float("nan")
    command = command_of(row)
    assert (command.kind, command.order_id, command.order_slot) == (RowKind.SUBMIT, 65_536, 3)
    assert (command.order_kind, command.is_exit, command.qty) == (OrderKind.STOP, True, 2.5)
    assert (command.stop_price, command.reference_price, command.expires_ns) == (90.0, 95.0, NEVER_NS)


def test_an_order_in_doubt_is_looked_up_and_its_end_told() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    session.deliver()
    session.venue.end(session.venue.orders[0], OrderState.CANCELED)
    session.venue.reports.clear()
    session.take(session.desk.on_doubt((session.venue.orders[0].request.client_id, "not ours"), session.now_ns))
    session.deliver()
    assert session.kinds() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_CANCELED]
    assert len(session.requests(LookUpOrder)) == 1


def test_a_command_for_an_order_that_is_not_known_is_refused() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns, kind=RowKind.AMEND))
    assert [(one.kind, one.reason) for one in session.answers] == [(EventKind.AMENDED, Reason.TOO_LATE)]


def test_orders_that_are_over_are_kept_for_late_fills_and_then_forgotten() -> None:
    session = Session()
    for order_id in range(65_536, 65_536 + 1_030):
        session.desk.state.lanes.tokens = 300.0
        (ask,) = session.command(submit(order_id, session.now_ns)).asks
        session.reply(ask, RefusedByVenue(RefusalKind.MARGIN, -2019, "no"))
    state = session.desk.state
    assert len(state.orders) == len(state.ended) == len(state.attempts) == 1_024
    assert state.open_ids == []
    assert 65_536 not in state.orders


def test_a_position_is_protected_by_a_confirmed_stop_or_an_exit_under_way() -> None:
    session = holding()
    assert not session.desk.is_protected(0)
    session.command(stop(65_537, session.now_ns))
    assert not session.desk.is_protected(0), "it is not confirmed"
    session.deliver()
    assert session.desk.is_protected(0)
    assert not session.desk.is_protected(1)
    session.venue.end(session.venue.orders[-1], OrderState.EXPIRED)
    session.deliver()
    assert not session.desk.is_protected(0)
    (ask,) = session.command(exit_at_market(65_538, session.now_ns)).asks
    assert session.desk.is_protected(0)
    session.reply(ask, NoAnswer("reset"))
    assert session.desk.unknown_ids() == (ids.ClientId(ids.session_code("session-1"), 1, 65_538, 0).text,)
