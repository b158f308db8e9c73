"""When a request may leave: budget, breaker, and the venue's order to wait."""

from dataclasses import replace

from tests.runtime.session.desk.styles.test_stops import holding
from tests.runtime.session.desk.toy_venue import Session, exit_at_market, submit

from tightloop.core.domain.enums import EventKind
from tightloop.ports.execution import LookUpOrder, Overloaded, RateLimited, ReadServerTime, ServerTime, SubmitOrder
from tightloop.ports.transport import Lane, NoAnswer, NotSent
from tightloop.runtime.session.desk import lanes
from tightloop.runtime.session.desk.records import SECOND_NS, Ask, DeskTerms, NoteKind, Reply
from tightloop.runtime.session.desk.state import DeskOrder, Style

BUSY = Overloaded(-1008, "busy")


def _fail_until_open(session: Session, reply: Reply = BUSY) -> None:
    """Answer every request with a failure until the breaker has opened."""
    for _ in range(200):
        for flight in list(session.flights):
            session.flights.remove(flight)
            session.reply(flight.ask, reply)
        if NoteKind.BREAKER_OPENED in session.noted():
            return
        session.sleep(0.1)
    raise AssertionError("it did not open")


def _left(session: Session) -> list[Ask]:
    return [ask for ask in session.asks if isinstance(ask.request, SubmitOrder)]


def test_five_failures_in_a_minute_open_the_lane_and_a_probe_after_30_s_closes_it() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    _fail_until_open(session)
    opened_ns, sent = session.now_ns, len(session.asks)
    assert len(_left(session)) == 5
    session.sleep(29.9)
    assert len(session.asks) == sent, "nothing leaves"
    session.sleep(0.2)
    assert isinstance(session.asks[-1].request, ReadServerTime)
    assert session.now_ns - opened_ns < 31 * SECOND_NS
    session.deliver()
    assert session.kinds() == [EventKind.ORDER_ACCEPTED]
    assert NoteKind.BREAKER_CLOSED in session.noted()


def test_one_more_failure_after_the_probe_opens_it_again() -> None:
    session = Session()
    session.command(submit(65_536, session.now_ns))
    _fail_until_open(session)
    session.sleep(30.1)
    session.arrive(session.flights[0])
    session.arrive(session.flights[0])
    (flight,) = session.flights
    session.flights.clear()
    session.reply(flight.ask, BUSY)
    assert session.noted().count(NoteKind.BREAKER_OPENED) == 2


def test_other_lanes_stay_open() -> None:
    session = holding()
    session.command(submit(65_537, session.now_ns))
    _fail_until_open(session)
    session.command(exit_at_market(65_538, session.now_ns))
    session.deliver()
    assert session.kinds()[-1] == EventKind.ORDER_FILLED


def test_an_exit_in_an_open_lane_leaves_within_a_second_of_the_venue_being_reachable() -> None:
    session = holding()
    session.command(exit_at_market(65_537, session.now_ns))
    _fail_until_open(session, NotSent("no connection"))
    for _ in range(25):
        session.sleep(1)
        session.flights.clear()  # the venue is away
    assert session.noted().count(NoteKind.EXIT_WAITS) >= 2
    away_ns = session.now_ns
    while session.kinds()[-1:] != [EventKind.ORDER_FILLED]:
        session.sleep(0.05, delivers=True)
    assert session.now_ns - away_ns <= SECOND_NS


def test_retry_after_holds_every_lane_and_shortens_no_wait_of_an_exit() -> None:
    session = holding()
    (ask,) = session.command(exit_at_market(65_537, session.now_ns)).asks
    session.flights.clear()
    session.reply(ask, RateLimited(7.0, True, "418"))
    session.command(submit(65_538, session.now_ns))
    sent = len(session.asks)
    session.sleep(6.9)
    assert len(session.asks) == sent
    session.sleep(0.2)
    assert len(session.asks) == sent + 2
    assert session.asks[sent].lane == Lane.EXIT, "the most urgent first"


def test_the_last_fifth_of_the_budget_is_kept_for_exits() -> None:
    session = Session(DeskTerms("toy", "main", requests_max=10, requests_window_s=10.0))
    for order_id in range(65_536, 65_556):
        session.command(submit(order_id, session.now_ns))
    assert len(_left(session)) == 8
    session.command(exit_at_market(65_600, session.now_ns))
    session.command(exit_at_market(65_601, session.now_ns))
    assert [ask.lane for ask in _left(session)[8:]] == [Lane.EXIT, Lane.EXIT]
    session.deliver()
    session.sleep(4.1)
    assert len(_left(session)) == 12, "it fills again with time"


def test_a_probe_that_is_answered_late_closes_the_lane_too() -> None:
    session = holding()
    session.command(exit_at_market(65_537, session.now_ns))
    _fail_until_open(session)
    while not session.flights:
        session.sleep(0.1)  # until its next try is due
    probe = session.flights[-1]
    assert isinstance(probe.ask.request, ReadServerTime)
    session.flights.clear()
    session.sleep(1.0)
    session.reply(probe.ask, (ServerTime(session.now_ns),))
    assert isinstance(session.asks[-1].request, SubmitOrder)


def test_a_question_that_was_one_too_many_holds_entries_and_no_exit() -> None:
    session = holding()
    session.take(session.desk.on_limited(session.now_ns + 7 * SECOND_NS, session.now_ns))
    session.command(exit_at_market(65_537, session.now_ns))
    session.command(submit(65_538, session.now_ns))
    assert [ask.lane for ask in _left(session)] == [Lane.EXIT]
    session.sleep(6.9, delivers=True)
    assert [ask.lane for ask in _left(session)] == [Lane.EXIT]
    session.sleep(0.2)
    assert [ask.lane for ask in _left(session)] == [Lane.EXIT, Lane.ENTRY]


def test_a_next_life_holds_entries_for_as_long_as_the_venue_has_said() -> None:
    session = Session()
    session.take(session.desk.on_limited(session.now_ns + 7 * SECOND_NS, session.now_ns))
    session.take(session.desk.on_restart(2, session.now_ns))
    session.command(submit(65_538, session.now_ns))
    session.sleep(6.9)
    assert _left(session) == []
    session.sleep(0.2)
    assert len(_left(session)) == 1


def test_a_process_that_is_held_before_it_has_asked_anything_waits_until_then() -> None:
    session = Session()
    state = session.desk.state
    until_ns = state.now_ns + 5 * SECOND_NS
    lanes.hold(state, until_ns)
    entry, out = (DeskOrder(one(65_538, state.now_ns), Style.CLOSING) for one in (submit, exit_at_market))
    assert lanes.asked_ns(state, entry) == until_ns
    assert lanes.asked_ns(state, out) < until_ns, "a question about an exit waits no longer than an exit"
    assert [lanes.free_ns(state, lane) for lane in (Lane.ENTRY, Lane.QUERY)] == [until_ns, until_ns]


def test_an_exit_without_an_answer_is_looked_up_while_questions_are_held() -> None:
    for command, asked in ((exit_at_market(65_536, 0), 1), (submit(65_536, 0), 0)):
        session = Session()
        session.command(replace(command, ts_ns=session.now_ns))
        session.reply(session.last_ask(SubmitOrder), NoAnswer("no answer"))
        session.take(session.desk.on_limited(session.now_ns + 600 * SECOND_NS, session.now_ns))
        session.sleep(5.0)
        found = [one for one in session.asks if isinstance(one.request, LookUpOrder)]
        assert (len(found) > 0) is bool(asked), command.role
