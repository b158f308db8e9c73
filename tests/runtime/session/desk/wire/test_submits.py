"""How an order leaves, and what is made of the answer."""

import math

import pytest
from tests.runtime.session.desk.toy_venue import Session, exit_at_market, stop, submit

from tightloop.core.domain.enums import EventKind, Reason, TimeInForce
from tightloop.ports.execution import (
    ClockRefused,
    Malformed,
    NotAuthorized,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    RefusalKind,
    RefusedByVenue,
    SubmitOrder,
)
from tightloop.ports.transport import Lane, NoAnswer, NotSent
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.desk.records import SECOND_NS, DeskTerms, NoteKind, Reply

NOT_EXECUTED = [
    Overloaded(-1008, "busy"),
    ClockRefused(-1021, "clock"),
    NotSent("no socket"),
    RateLimited(1, False, ""),
]


def _sent(session: Session) -> list[SubmitOrder]:
    return [one for one in session.requests(SubmitOrder) if isinstance(one, SubmitOrder)]


def test_an_order_leaves_at_once_under_an_id_that_names_it() -> None:
    session = Session()
    outputs = session.command(submit(65_536, session.now_ns))
    (ask,) = outputs.asks
    assert isinstance(ask.request, SubmitOrder)
    assert ids.decode(ask.request.client_id) == ids.ClientId(ids.session_code("session-1"), 1, 65_536, 0)
    assert (ask.lane, ask.timeout_ns, ask.signed_ns) == (Lane.ENTRY, 10 * SECOND_NS, session.now_ns)


def test_exits_are_awaited_for_two_seconds_and_signed_with_the_clock_of_the_venue() -> None:
    session = Session()
    session.take(session.desk.on_offset(-400_000_000, session.now_ns))
    (ask,) = session.command(exit_at_market(65_536, session.now_ns)).asks
    assert (ask.lane, ask.timeout_ns, ask.signed_ns) == (Lane.EXIT, 2 * SECOND_NS, session.now_ns - 400_000_000)


def test_an_answer_that_it_is_there_is_told_as_accepted_once() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    session.deliver()
    assert session.kinds() == [EventKind.ORDER_ACCEPTED]


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (RefusalKind.MARGIN, Reason.INSUFFICIENT_CASH),
        (RefusalKind.RULES, Reason.RULES_CHANGED),
        (RefusalKind.WOULD_TAKE, Reason.POST_ONLY_WOULD_TAKE),
    ],
)
def test_a_typed_refusal_is_told_with_its_reason(refusal: RefusalKind, reason: Reason) -> None:
    session = Session()
    (ask,) = session.command(submit(65_536, session.now_ns)).asks
    session.reply(ask, RefusedByVenue(refusal, -1, "no"))
    assert [(one.kind, one.reason) for one in session.answers] == [(EventKind.ORDER_REJECTED, reason)]
    assert session.desk.state.open_ids == []


def test_an_exit_with_nothing_to_reduce_asks_for_reconciliation_and_is_not_sent_again() -> None:
    session = Session()
    (ask,) = session.command(exit_at_market(65_536, session.now_ns)).asks
    session.reply(ask, RefusedByVenue(RefusalKind.NOTHING_TO_REDUCE, -2022, "no"))
    session.sleep(60)
    assert [(one.kind, one.reason) for one in session.answers] == [(EventKind.ORDER_REJECTED, Reason.NOTHING_TO_REDUCE)]
    assert NoteKind.RECONCILE in session.noted()
    assert len(_sent(session)) == 1


def test_a_stop_that_would_trigger_is_told_so() -> None:
    session = Session()
    (ask,) = session.command(stop(65_536, session.now_ns)).asks
    session.reply(ask, RefusedByVenue(RefusalKind.WOULD_TRIGGER, -2021, "no"))
    assert [(one.kind, one.reason) for one in session.answers] == [(EventKind.ORDER_REJECTED, Reason.WOULD_TRIGGER)]


@pytest.mark.parametrize(
    "reply",
    [
        NoAnswer("reset"),
        OutcomeUnknown(-1007, "504"),
        Malformed("half"),
        RefusedByVenue(RefusalKind.ID_REPEATED, -4116, ""),
    ],
)
def test_no_whole_answer_makes_the_outcome_unknown_and_nothing_is_sent_again(reply: Reply) -> None:
    session = Session()
    (ask,) = session.command(submit(65_536, session.now_ns)).asks
    session.reply(ask, reply)
    assert session.kinds() == [EventKind.ORDER_UNKNOWN]
    session.sleep(5)
    assert len(_sent(session)) == 1


def test_an_entry_without_an_answer_is_unknown_after_ten_seconds() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    session.sleep(9.9)
    assert session.kinds() == []
    session.sleep(0.2)
    assert session.kinds() == [EventKind.ORDER_UNKNOWN]


@pytest.mark.parametrize("reply", NOT_EXECUTED)
def test_what_was_surely_not_executed_leaves_again_under_the_same_id(reply: Reply) -> None:
    session = Session()
    (ask,) = session.command(submit(65_536, session.now_ns)).asks
    session.flights.clear()
    session.reply(ask, reply)
    session.sleep(1.1, delivers=True)
    assert [one.client_id for one in _sent(session)] == [ask.request.client_id] * 2  # type: ignore[union-attr]  # a SubmitOrder
    assert session.kinds() == [EventKind.ORDER_ACCEPTED]


def test_an_entry_that_cannot_leave_expires_after_its_time_and_is_never_sent() -> None:
    session = Session()
    session.desk.state.lanes.paused_ns = session.now_ns + 100 * SECOND_NS
    session.command(submit(65_536, session.now_ns, expires_ns=session.now_ns + 5 * SECOND_NS))
    session.command(submit(65_537, session.now_ns))
    session.sleep(5)
    assert [(one.order_id, one.kind, one.reason) for one in session.answers] == [
        (65_536, EventKind.ORDER_EXPIRED, Reason.TTL)
    ]
    session.sleep(55)
    assert [one.order_id for one in session.answers] == [65_536, 65_537]
    session.sleep(100)
    assert _sent(session) == []


def test_an_exit_waits_as_long_as_it_takes_with_an_alert_each_ten_seconds() -> None:
    session = Session()
    session.venue.position = 1.0
    session.desk.state.lanes.paused_ns = session.now_ns + 100 * SECOND_NS
    session.command(exit_at_market(65_536, session.now_ns))
    session.sleep(99)
    assert session.noted().count(NoteKind.EXIT_WAITS) == 9
    session.sleep(2, delivers=True)
    assert session.kinds()[-1] == EventKind.ORDER_FILLED


def test_an_entry_with_a_refused_key_ends_and_an_exit_goes_on_trying() -> None:
    session = Session()
    (entry,) = session.command(submit(65_536, session.now_ns)).asks
    session.reply(entry, NotAuthorized(-2015, "key"))
    assert session.kinds() == [EventKind.ORDER_REJECTED]
    (out,) = session.command(exit_at_market(65_537, session.now_ns)).asks
    session.reply(out, NotAuthorized(-2015, "key"))
    session.sleep(1)
    assert len(_sent(session)) == 3
    assert session.noted().count(NoteKind.NOT_AUTHORIZED) == 2


def test_an_entry_with_an_end_gets_a_date_where_the_venue_takes_one() -> None:
    session = Session(DeskTerms("toy", "main", gtd_min_s=610.0))
    near, far = session.now_ns + 60 * SECOND_NS, session.now_ns + 3_600 * SECOND_NS
    session.command(submit(65_536, session.now_ns, expires_ns=near))
    session.command(submit(65_537, session.now_ns, expires_ns=far))
    session.command(submit(65_538, session.now_ns))
    assert [(one.tif, one.expires_ns) for one in _sent(session)] == [
        (TimeInForce.GTT, session.now_ns + 610 * SECOND_NS),
        (TimeInForce.GTT, far),
        (TimeInForce.GTC, 0),
    ]


def test_an_order_whose_time_is_over_is_canceled_and_told_to_have_expired() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns, expires_ns=session.now_ns + 30 * SECOND_NS))
    session.deliver()
    session.sleep(31, delivers=True)
    assert [(one.kind, one.reason) for one in session.answers[1:]] == [(EventKind.ORDER_EXPIRED, Reason.TTL)]
    assert math.isclose(session.venue.orders[0].filled, 0.0)
    assert not session.venue.orders[0].is_open


def test_an_entry_that_has_not_left_is_withdrawn_when_the_step_would_deny_it() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    session.command(exit_at_market(65_537, session.now_ns))
    for flight in list(session.flights):
        session.flights.remove(flight)
        session.reply(flight.ask, RateLimited(3, False, ""))
    asks = len(session.asks)
    session.take(session.desk.on_gate(0, int(Reason.PAUSED), session.now_ns))
    assert [(one.order_id, one.kind, one.reason) for one in session.answers] == [
        (65_536, EventKind.ORDER_CANCELED, Reason.PAUSED)
    ]
    session.sleep(4.0)
    left = [ask.request for ask in session.asks[asks:] if isinstance(ask.request, SubmitOrder)]
    assert [one.is_reduce_only for one in left] == [True], "exits are never held"
    session.sleep(70.0, delivers=True)
    assert EventKind.ORDER_UNKNOWN not in session.kinds()
    assert session.desk.state.open_ids == []


def test_an_entry_that_the_venue_turns_away_after_the_gate_has_closed_does_not_leave_again() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    (flight,) = session.flights
    session.take(session.desk.on_gate(0, int(Reason.KILLED), session.now_ns))
    assert session.answers == [], "it is out, and what becomes of it is the venue's word"
    assert session.desk.is_denied(flight.ask.ask_id)
    session.flights.clear()
    session.reply(flight.ask, NotSent("entries were switched off before it left"))
    session.sleep(70.0)
    assert len(_sent(session)) == 1
    assert [(one.kind, one.reason) for one in session.answers] == [(EventKind.ORDER_CANCELED, Reason.KILLED)]


def test_a_gate_is_of_one_instance_and_opens_again() -> None:
    session = Session()
    session.take(session.desk.on_gate(0, int(Reason.NOT_READY), session.now_ns))
    session.command(submit(65_536, session.now_ns))
    assert _sent(session) == []
    assert session.kinds() == [EventKind.ORDER_CANCELED]
    session.command(submit(65_537, session.now_ns, instance=1))
    session.take(session.desk.on_gate(0, 0, session.now_ns))
    session.command(submit(65_538, session.now_ns))
    names = [ids.decode(one.client_id) for one in _sent(session)]
    assert [name.order_id for name in names if name is not None] == [65_537, 65_538]


def test_a_resting_entry_stays_when_the_gate_closes() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    session.deliver()
    session.take(session.desk.on_gate(0, int(Reason.PAUSED), session.now_ns))
    session.sleep(5.0, delivers=True)
    assert session.kinds() == [EventKind.ORDER_ACCEPTED]
    assert len(session.asks) == 1
