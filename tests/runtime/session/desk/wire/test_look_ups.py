"""Orders whose outcome is not known: look-ups, and the proof of absence."""

from tests.runtime.session.desk.toy_venue import SYMBOL, Session, stop, submit

from tightloop.core.domain.enums import EventKind, Reason, RowKind
from tightloop.ports.execution import CancelOrder, LookUpOrder, NoSuchOrder, ReadServerTime, ServerTime
from tightloop.ports.transport import Lane, NoAnswer
from tightloop.runtime.session.desk.records import SECOND_NS, Ask, DeskTerms, NoteKind

ABSENT = NoSuchOrder(-2013, "no such order")


def _unknown(session: Session, seconds: float = 0.0) -> Ask:
    """Submit an order whose answer is lost after ``seconds``, and return the request, which has not arrived."""
    (ask,) = session.command(submit(65_536, session.now_ns)).asks
    session.flights.clear()
    session.sleep(seconds)
    session.reply(ask, NoAnswer("reset"))
    return ask


def _answer_absent(session: Session, seconds: float) -> list[tuple[float, str]]:
    """Let time pass with every look-up answered "not there" at once; return what was asked, with its time."""
    asked, begin_ns, seen = [], session.now_ns, len(session.asks)
    for _ in range(round(seconds * 20)):
        session.sleep(0.05)
        while seen < len(session.asks):
            ask = session.asks[seen]
            seen += 1
            asked.append((round((session.now_ns - begin_ns) / SECOND_NS, 2), type(ask.request).__name__))
            assert ask.lane in (Lane.EXIT, Lane.CANCEL)
            session.reply(ask, (ServerTime(session.now_ns),) if isinstance(ask.request, ReadServerTime) else ABSENT)
    return asked


def test_an_unknown_order_is_looked_up_after_waits_that_double() -> None:
    session = Session(DeskTerms("toy", "main", receive_window_ms=60_000))
    _unknown(session)
    times = [at for at, _ in _answer_absent(session, 40)]
    assert times == [0.25, 0.75, 1.75, 3.75, 7.75, 15.75, 23.75, 31.75, 39.75]


def test_absence_is_proven_by_two_rounds_after_the_window_two_seconds_apart_by_the_time_of_the_venue() -> None:
    session = Session()
    _unknown(session)
    asked = _answer_absent(session, 9)
    assert asked == [
        (0.25, "LookUpOrder"), (0.75, "LookUpOrder"), (1.75, "LookUpOrder"), (3.75, "LookUpOrder"),
        (6.0, "ReadServerTime"), (6.0, "LookUpOrder"), (8.0, "ReadServerTime"), (8.0, "LookUpOrder"),
    ]  # fmt: skip
    assert [(one.kind, one.reason) for one in session.answers[1:]] == [(EventKind.ORDER_REJECTED, Reason.NOT_AT_VENUE)]
    assert NoteKind.PROVEN_ABSENT in session.noted()


def test_the_time_of_the_venue_counts_and_not_ours() -> None:
    session = Session()
    _unknown(session)
    for _ in range(400):  # 20 s of ours, while the venue's clock stays within the window
        session.sleep(0.05)
        for flight in list(session.flights):
            session.flights.remove(flight)
            is_time = isinstance(flight.ask.request, ReadServerTime)
            session.reply(flight.ask, (ServerTime(session.asks[0].signed_ns + 5 * SECOND_NS),) if is_time else ABSENT)
    assert session.kinds() == [EventKind.ORDER_UNKNOWN]


def test_a_look_up_without_the_time_of_the_venue_proves_nothing() -> None:
    session = Session()
    _unknown(session)
    for _ in range(800):
        session.sleep(0.05)
        for flight in list(session.flights):
            session.flights.remove(flight)
            is_time = isinstance(flight.ask.request, ReadServerTime)
            session.reply(flight.ask, NoAnswer("lost") if is_time else ABSENT)
    assert EventKind.ORDER_REJECTED not in session.kinds()


def test_a_request_that_arrives_within_the_window_is_found_though_it_was_absent_before() -> None:
    session = Session()
    ask = _unknown(session)
    _answer_absent(session, 4.5)
    session.venue.execute(ask.request, ask.signed_ns)  # 4.5 s on its way
    session.venue.reports.clear()  # and its reports are lost
    session.sleep(60, delivers=True)
    assert session.kinds() == [EventKind.ORDER_UNKNOWN, EventKind.ORDER_ACCEPTED]


def test_a_venue_whose_window_is_not_proven_is_given_more_time() -> None:
    session = Session(DeskTerms("toy", "main", absence_min_s=30.0))
    _unknown(session)
    _answer_absent(session, 31)
    assert session.kinds() == [EventKind.ORDER_UNKNOWN]
    _answer_absent(session, 10)
    assert session.kinds()[1:] == [EventKind.ORDER_REJECTED]


def test_a_report_of_the_private_stream_ends_it_at_once_whatever_look_ups_say() -> None:
    session = Session()
    ask = _unknown(session)
    session.venue.execute(ask.request, ask.signed_ns)
    session.report(session.venue.reports.pop(0))
    session.reply(session.asks[-1], ABSENT) if isinstance(session.asks[-1].request, LookUpOrder) else None
    assert session.kinds() == [EventKind.ORDER_UNKNOWN, EventKind.ORDER_ACCEPTED]
    session.sleep(30)
    assert not session.desk.state.orders[65_536].attempts[0].look_up.is_on


def test_an_unknown_stop_is_absent_only_where_it_is_neither_conditional_nor_plain() -> None:
    session = Session()
    (ask,) = session.command(stop(65_536, session.now_ns)).asks
    session.flights.clear()
    session.reply(ask, NoAnswer("reset"))
    _answer_absent(session, 9)
    pairs = [one.is_conditional for one in session.requests(LookUpOrder) if isinstance(one, LookUpOrder)]
    assert pairs == [True, False] * (len(pairs) // 2)
    assert session.kinds() == [EventKind.ORDER_UNKNOWN, EventKind.ORDER_REJECTED]


def test_a_cancel_of_an_unknown_order_leaves_at_once_and_after_each_look_up_and_proves_nothing() -> None:
    session = Session()
    _unknown(session)
    session.command(submit(65_536, session.now_ns, kind=RowKind.CANCEL))
    assert isinstance(session.asks[-1].request, CancelOrder)
    session.reply(session.asks[-1], ABSENT)
    asked = [name for _, name in _answer_absent(session, 4)]
    assert asked.count("CancelOrder") >= asked.count("LookUpOrder")
    assert session.kinds() == [EventKind.ORDER_UNKNOWN]
    _answer_absent(session, 5)
    assert session.kinds() == [EventKind.ORDER_UNKNOWN, EventKind.ORDER_REJECTED]


def test_what_is_reported_open_after_the_proof_is_canceled_and_its_fills_are_found() -> None:
    session = Session()
    ask = _unknown(session)
    _answer_absent(session, 9)
    session.venue.execute(ask.request, session.now_ns)  # a venue that breaks its word
    session.venue.move(90.0)
    session.deliver()
    found = [one for one in session.answers if one.kind == EventKind.FILL_FOUND]
    assert [(one.order_id, one.qty, one.side) for one in found] == [(65_536, 1.0, 1)]
    assert NoteKind.FOUND_LATE in session.noted()
    assert all(order.request.symbol == SYMBOL and not order.is_open for order in session.venue.orders)
