"""Each difference between our books and the venue, and what is made of it after two rounds."""

import math
from dataclasses import replace

import pytest

from tightloop.core.domain.enums import Correction, EventKind, OrderState, Origin, Side
from tightloop.ports.execution import (
    CancelOrder,
    FillOrigin,
    FillReport,
    IncomeKind,
    IncomeReport,
    ListFills,
    ListIncome,
    OrderReport,
    PositionReport,
    RefusalKind,
    WalletReport,
)
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.desk.records import SECOND_NS, Urgency
from tightloop.runtime.session.reconcile.records import (
    FindingKind,
    KnownOrder,
    OurPosition,
    OurView,
    Reconciled,
    Suspicions,
    VenueRound,
)
from tightloop.runtime.session.reconcile.rounds import reconcile

NAN = math.nan
START_NS = 1_700_000_000 * SECOND_NS
NOW_NS = START_NS + 1_000 * SECOND_NS
SESSION = ids.session_code("s")
BTC = "BTCUSDT"
FLAT = OurPosition(BTC, 0, 3, 0.0, NAN, 0.0, 0.001, NOW_NS - 900 * SECOND_NS, True)
LONG = replace(FLAT, qty=1.0, entry_price=100.0)


def name(order_id: int = 65_536, epoch: int = 2, session: str = SESSION) -> str:
    """Return a client id."""
    return ids.ClientId(session, epoch, order_id, 0).text


def known(client_id: str, *, is_open: bool) -> dict[str, KnownOrder]:
    """Return the orders of a desk that knows one."""
    return {client_id: KnownOrder(client_id, BTC, False, is_open, is_open)}


def view(position: OurPosition = FLAT, orders: dict[str, KnownOrder] | None = None, **fields: object) -> OurView:
    """Return what we believe: a wallet of 10,000 and one position."""
    orders = orders or {}
    one = OurView(
        NOW_NS, "v", "a", "USDT", SESSION, 2, START_NS, 10_000.0, 10_000.0, orders, (position,),
        lambda client_id, venue_id: client_id in orders or venue_id == "ours",
    )  # fmt: skip
    return replace(one, **fields)  # type: ignore[arg-type]  # the caller names fields of OurView


def order(client_id: str, ts_ns: int = NOW_NS, **fields: object) -> OrderReport:
    """Return an order that rests at the venue."""
    one = OrderReport(
        client_id, "v1", BTC, Side.BUY, OrderState.ACCEPTED, RefusalKind.NONE, 1.0, 0.0, NAN, 95.0, NAN, False, False,
        ts_ns,
    )  # fmt: skip
    return replace(one, **fields)  # type: ignore[arg-type]  # the caller names fields of OrderReport


def fill(trade_id: str, qty: float, seconds: float = 5.0, **fields: object) -> FillReport:
    """Return a fill of an order of others, signed, some seconds ago."""
    one = FillReport(
        "", "v9", trade_id, BTC, Side.BUY if qty > 0 else Side.SELL, abs(qty), 99.0, 0.05, "USDT", False, NAN, NAN,
        FillOrigin.ORDER, NOW_NS - int(seconds * SECOND_NS),
    )  # fmt: skip
    return replace(one, **fields)  # type: ignore[arg-type]  # the caller names fields of FillReport


def held(qty: float, entry: float = 100.0, liquidation: float = 50.0) -> tuple[PositionReport, ...]:
    """Return a position at the venue."""
    return (PositionReport(BTC, qty, entry, 99.0, liquidation, 5.0, True, NOW_NS),)


def venue(
    orders: tuple[OrderReport, ...] = (),
    positions: tuple[PositionReport, ...] = (),
    wallet: float = 10_000.0,
    **more: object,
) -> VenueRound:
    """Return the answers of a round."""
    one = VenueRound(orders, positions, (WalletReport("USDT", wallet, wallet, NOW_NS),))
    return replace(one, **more)  # type: ignore[arg-type]  # the caller names fields of VenueRound


def twice(ours: OurView, there: VenueRound, seconds: float = 10.0) -> tuple[Reconciled, Reconciled]:
    """Return what follows from two rounds that show the same, some seconds apart."""
    first = reconcile(ours, there, Suspicions(NOW_NS - 30 * SECOND_NS))
    later = replace(ours, now_ns=ours.now_ns + int(seconds * SECOND_NS))
    return first, reconcile(later, there, first.suspicions)


def kinds(result: Reconciled) -> list[FindingKind]:
    """Return the kinds of the findings of a round."""
    return [finding.kind for finding in result.findings]


def events(result: Reconciled) -> list[int]:
    """Return the kinds of the events of a round, marks left out."""
    return [answer.kind for answer in result.answers if answer.kind != EventKind.MARK_REPORTED]


def test_where_nothing_differs_a_round_agrees() -> None:
    one = name()
    result = reconcile(view(LONG, known(one, is_open=True)), venue((order(one),), held(1.0)), Suspicions(1))
    assert result.is_agreed
    assert result.suspicions == Suspicions(NOW_NS)
    assert (events(result), result.requests, result.findings) == ([], (), ())


def test_a_difference_is_believed_after_two_rounds_ten_seconds_apart() -> None:
    there = venue(positions=held(0.4), fills={BTC: (fill("t1", -0.6),)})
    first, second = twice(view(LONG), there, 9.9)
    assert (events(first), events(second)) == ([], [])
    assert not second.is_agreed
    assert events(twice(view(LONG), there)[1]) == [EventKind.FILL_FOUND]


def test_a_difference_soon_after_a_fill_of_ours_is_not_believed() -> None:
    there = venue(positions=held(0.4), fills={BTC: (fill("t1", -0.6),)})
    recent = replace(LONG, last_fill_ns=NOW_NS - 4 * SECOND_NS)
    assert events(twice(view(recent), there)[1]) == []


def test_another_difference_begins_anew() -> None:
    first = reconcile(view(LONG), venue(positions=held(0.4), fills={BTC: (fill("t1", -0.6),)}), Suspicions(1))
    later = view(LONG, now_ns=NOW_NS + 10 * SECOND_NS)
    fills = {BTC: (fill("t1", -0.6), fill("t2", -0.1))}
    second = reconcile(later, venue(positions=held(0.3), fills=fills), first.suspicions)
    assert events(second) == []


def test_evidence_is_asked_for_from_a_minute_before_the_last_agreement() -> None:
    first, _ = twice(view(LONG), venue(positions=held(0.4), wallet=9_000.0))
    since_ns = NOW_NS - 90 * SECOND_NS
    assert ListFills(BTC, since_ns) in first.requests
    assert ListIncome(since_ns) in first.requests


def test_open_there_and_ended_here_is_a_stray_reported_to_the_desk_and_canceled() -> None:
    one = name()
    there = order(one, cum_qty=0.2)
    _, second = twice(view(LONG, known(one, is_open=False)), venue((there,), held(1.0)))
    assert second.reports == (there,)
    assert second.requests == (CancelOrder(one, BTC, False),)
    assert kinds(second) == [FindingKind.STRAY]


def test_an_order_of_an_earlier_life_is_canceled_once_every_position_has_its_stop() -> None:
    lost = order(name(epoch=1), START_NS - SECOND_NS)
    bare = replace(LONG, is_protected=False)
    assert twice(view(bare), venue((lost,), held(1.0)))[1].requests == ()
    _, second = twice(view(LONG), venue((lost,), held(1.0)))
    assert second.requests == (CancelOrder(lost.client_id, BTC, False),)
    assert [(one.kind, one.urgency) for one in second.findings] == [(FindingKind.LOST_TAIL, Urgency.WARNING)]


def test_a_fill_of_an_earlier_life_is_found_as_lost_and_critical() -> None:
    history = {BTC: (order(name(epoch=1), START_NS - SECOND_NS, venue_order_id="v9", state=OrderState.FILLED),)}
    there = venue(positions=held(1.0), fills={BTC: (fill("t1", 1.0),)}, history=history)
    first, second = twice(view(), there)
    (answer,) = [one for one in first.answers if one.kind == EventKind.FILL_FOUND]
    assert (answer.origin, answer.side, answer.qty, answer.instrument) == (Origin.LOST, Side.BUY, 1.0, 0)
    assert [(one.kind, one.urgency) for one in first.findings] == [(FindingKind.LOST_TAIL, Urgency.CRITICAL)]
    assert EventKind.FILL_FOUND not in events(second)


@pytest.mark.parametrize(
    "client_id",
    [name(session=ids.session_code("other")), name(epoch=3), name(epoch=2)],
    ids=["session", "epoch", "copy"],
)
def test_an_order_of_our_prefix_made_after_our_start_is_of_a_second_engine(client_id: str) -> None:
    _, second = twice(view(), venue((order(client_id),)))
    (finding,) = second.findings
    assert (finding.kind, finding.urgency, finding.is_not_ready) == (
        FindingKind.SECOND_ENGINE, Urgency.CRITICAL, True,
    )  # fmt: skip
    assert second.requests == ()
    assert not second.is_agreed


@pytest.mark.parametrize(
    "there", [order(name(session=ids.session_code("other")), START_NS - SECOND_NS), order("web_1"), order("")]
)
def test_older_orders_of_another_session_and_orders_of_others_are_left_alone(there: OrderReport) -> None:
    _, second = twice(view(), venue((there,)))
    assert second.is_agreed
    assert (second.requests, second.findings) == ((), ())


def test_open_here_and_not_there_is_looked_up_by_the_desk() -> None:
    one = name()
    first, second = twice(view(LONG, known(one, is_open=True)), venue(positions=held(1.0)))
    assert first.doubts == ()
    assert second.doubts == (one,)


def test_fills_of_ours_go_to_the_desk_and_explain_a_position_that_is_gone() -> None:
    of_stop = fill("t1", -1.0, venue_order_id="ours")
    first, second = twice(view(LONG), venue(fills={BTC: (of_stop,)}))
    assert first.reports == (of_stop,)
    assert second.reports == (), "once"


def test_a_fill_that_is_ours_by_its_order_s_name_alone_goes_to_the_desk_with_that_name() -> None:
    one, of_venue = name(), fill("t1", -1.0)
    listed = order(one, venue_order_id=of_venue.venue_order_id, state=OrderState.FILLED)
    there = venue(fills={BTC: (of_venue,)}, history={BTC: (listed,)})
    first, _ = twice(view(LONG, known(one, is_open=True)), there)
    assert first.reports == (replace(of_venue, client_id=one),)


@pytest.mark.parametrize(
    ("mark", "origin"),
    [
        (FillOrigin.LIQUIDATION, Origin.LIQUIDATION),
        (FillOrigin.ADL, Origin.ADL),
        (FillOrigin.DELISTING, Origin.DELISTING),
    ],
)
def test_a_forced_close_is_found_and_critical(mark: FillOrigin, origin: Origin) -> None:
    _, second = twice(view(LONG), venue(fills={BTC: (fill("t1", -1.0, origin=mark),)}))
    (answer,) = second.answers
    assert (answer.kind, answer.origin, answer.side, answer.qty, answer.price) == (
        EventKind.FILL_FOUND, origin, Side.SELL, 1.0, 99.0,
    )  # fmt: skip
    assert [(one.kind, one.urgency) for one in second.findings] == [(FindingKind.FORCED, Urgency.CRITICAL)]


def test_a_close_by_hand_is_found_by_the_newest_fills_that_add_up() -> None:
    fills = (fill("old", -0.6, 80.0), fill("t1", -0.4, 9.0), fill("t2", -0.2, 3.0))
    _, second = twice(view(LONG), venue(positions=held(0.4), fills={BTC: fills}))
    found = [(one.qty, one.origin, one.instance) for one in second.answers if one.kind == EventKind.FILL_FOUND]
    assert found == [(0.4, Origin.MANUAL, 3), (0.2, Origin.MANUAL, 3)]
    assert [(one.kind, one.urgency) for one in second.findings] == [(FindingKind.MANUAL, Urgency.WARNING)] * 2


def test_a_fill_under_another_name_is_not_of_others_while_a_stop_of_ours_is_out_of_sight() -> None:
    """Its stop was triggered, and the report that names the order which fills it was lost."""
    stop = name()
    conditional = {stop: KnownOrder(stop, BTC, True, True, True)}
    closed = fill("7", -1.0, client_id="auto1000002")
    for there in (venue(fills={BTC: (closed,)}), venue(reported=(closed,))):
        first, second = twice(view(LONG, conditional), there)
        assert first.doubts == second.doubts == (stop,), "the desk looks it up at once"
        assert first.answers == second.answers == ()
        assert not second.is_agreed
        gone = {stop: replace(conditional[stop], is_open=False, is_acked=False)}
        results = twice(view(LONG, gone), there)
        assert [kind for one in results for kind in kinds(one)] == [FindingKind.MANUAL], "it was not the stop"
    forced = replace(closed, origin=FillOrigin.LIQUIDATION)
    first, _ = twice(view(LONG, conditional), venue(reported=(forced,)))
    assert kinds(first) == [FindingKind.FORCED]


def test_a_fill_is_found_once() -> None:
    there = venue(positions=held(0.4), fills={BTC: (fill("t1", -0.6),)})
    _, second = twice(view(LONG), there)
    third = reconcile(view(LONG, now_ns=NOW_NS + 60 * SECOND_NS), there, second.suspicions)
    assert EventKind.FILL_FOUND not in events(third)


def test_what_is_more_on_our_side_is_foreign_and_only_told() -> None:
    _, second = twice(view(LONG), venue(positions=held(1.5), fills={BTC: ()}))
    (answer,) = [one for one in second.answers if one.kind == EventKind.POSITION_CORRECTED]
    assert (answer.instance, answer.qty) == (-1, pytest.approx(0.5))
    assert [(one.kind, one.urgency, one.pauses) for one in second.findings] == [
        (FindingKind.FOREIGN, Urgency.INFO, False)
    ]


def test_a_position_where_we_hold_none_is_foreign() -> None:
    _, second = twice(view(), venue(positions=held(-2.0), fills={BTC: ()}))
    (answer,) = second.answers
    assert (answer.kind, answer.instance, answer.qty, answer.price) == (EventKind.POSITION_CORRECTED, -1, -2.0, 100.0)


def test_what_an_account_holds_at_the_first_start_is_foreign_at_once() -> None:
    fresh = replace(FLAT, last_fill_ns=0)
    result = reconcile(view(fresh, epoch=1), venue(positions=held(2.0)), Suspicions())
    assert events(result) == [EventKind.POSITION_CORRECTED]
    assert kinds(result) == [FindingKind.FOREIGN]


def test_a_position_that_no_fill_explains_is_corrected_and_pauses() -> None:
    _, second = twice(view(LONG), venue(positions=held(0.7, 101.0), fills={BTC: ()}))
    (answer,) = [one for one in second.answers if one.kind == EventKind.POSITION_CORRECTED]
    assert (answer.instance, answer.qty, answer.price) == (3, pytest.approx(0.7), 101.0)
    (finding,) = second.findings
    assert (finding.kind, finding.urgency, finding.pauses) == (FindingKind.POSITION, Urgency.WARNING, True)
    assert (finding.ours, finding.theirs) == (1.0, pytest.approx(0.7))


def test_an_entry_that_differs_is_corrected() -> None:
    _, second = twice(view(LONG), venue(positions=held(1.0, 101.0), fills={BTC: ()}))
    (answer,) = [one for one in second.answers if one.kind == EventKind.POSITION_CORRECTED]
    assert (answer.instance, answer.qty, answer.price) == (3, 1.0, 101.0)


def test_what_is_less_comes_off_a_foreign_holding_on_our_side_first() -> None:
    both = replace(LONG, foreign=0.5)
    _, second = twice(view(both), venue(positions=held(0.8), fills={BTC: ()}))
    told = [(one.instance, one.qty) for one in second.answers if one.kind == EventKind.POSITION_CORRECTED]
    assert told == [(-1, 0.0), (3, pytest.approx(0.8))]


def test_a_deposit_is_outside_as_soon_as_the_venue_has_a_record_of_it_and_pauses_nothing() -> None:
    income = (IncomeReport(IncomeKind.TRANSFER, "TRANSFER", "", "USDT", 500.0, "i1", NOW_NS - SECOND_NS),)
    before = Suspicions(NOW_NS - 30 * SECOND_NS)
    unasked = reconcile(view(), venue(wallet=10_500.0), before)
    assert (unasked.answers, [type(one) for one in unasked.requests]) == ((), [ListIncome])
    first = reconcile(view(), venue(wallet=10_500.0, income=income), unasked.suspicions)
    (answer,) = first.answers
    assert (answer.kind, answer.reason, answer.amount) == (EventKind.BALANCE_CORRECTED, Correction.TRANSFER, 500.0)
    assert not any(finding.pauses for finding in first.findings)
    after = reconcile(view(wallet=10_500.0), venue(wallet=10_500.0, income=income), first.suspicions)
    assert (after.answers, after.is_agreed) == ((), True)


@pytest.mark.parametrize(("there", "pauses"), [(9_995.0, False), (9_980.0, True)])
def test_what_no_income_explains_is_corrected_and_pauses_above_a_thousandth(there: float, pauses: bool) -> None:
    _, second = twice(view(), venue(wallet=there, income=()))
    (answer,) = second.answers
    assert (answer.reason, answer.amount) == (Correction.UNEXPLAINED, there - 10_000.0)
    (finding,) = second.findings
    assert (finding.kind, finding.urgency, finding.pauses) == (FindingKind.WALLET, Urgency.WARNING, pauses)


def test_a_cent_of_the_wallet_is_no_difference() -> None:
    assert reconcile(view(), venue(wallet=10_000.009), Suspicions(1)).is_agreed


@pytest.mark.parametrize(
    ("liquidation", "urgency"), [(95.0, Urgency.CRITICAL), (85.0, Urgency.WARNING), (72.0, Urgency.INFO), (50.0, None)]
)
def test_the_mark_and_the_liquidation_price_are_told_each_round(liquidation: float, urgency: Urgency | None) -> None:
    result = reconcile(view(LONG), venue(positions=held(1.0, liquidation=liquidation)), Suspicions(1))
    (answer,) = result.answers
    assert (answer.kind, answer.price, answer.stop_price) == (EventKind.MARK_REPORTED, 99.0, liquidation)
    assert [one.urgency for one in result.findings] == ([urgency] if urgency is not None else [])


def test_nearness_to_liquidation_is_found_once() -> None:
    near = venue(positions=held(1.0, liquidation=95.0))
    first = reconcile(view(LONG), near, Suspicions(1))
    again = reconcile(view(LONG), near, first.suspicions)
    assert [[one.kind for one in found.findings] for found in (first, again)] == [[FindingKind.LIQUIDATION_NEAR], []]


def test_a_reported_fill_is_believed_at_once_and_its_loss_is_not_missing_from_the_wallet() -> None:
    reported = fill("t1", -1.0, 0.5, origin=FillOrigin.LIQUIDATION)
    result = reconcile(view(LONG), venue(wallet=9_990.0, reported=(reported,)), Suspicions(1))
    (answer,) = result.answers
    assert (answer.kind, answer.origin, answer.qty) == (EventKind.FILL_FOUND, Origin.LIQUIDATION, 1.0)
    assert [(one.kind, one.urgency) for one in result.findings] == [(FindingKind.FORCED, Urgency.CRITICAL)]
    assert [one for one in result.suspicions.since_ns if one.startswith("wallet")] == []


def test_who_asked_for_a_listed_fill_is_found_in_the_list_of_orders() -> None:
    of_venue = order("autoclose-1", venue_order_id="v9", origin=FillOrigin.LIQUIDATION)
    there = venue(fills={BTC: (fill("t1", -1.0, 20.0),)}, history={BTC: (of_venue,)})
    (answer,) = twice(view(LONG), there)[1].answers
    assert answer.origin == Origin.LIQUIDATION
