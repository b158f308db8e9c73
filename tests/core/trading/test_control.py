"""What a session says of itself and of an instrument: entries wait, exits never."""

import pytest
from tests.core.driven import Driven, of_kind, submitted
from tests.core.lying_world import FAMILIES, WITH_STOPS, ask, close, entered, held, position, priced, report, sent
from tests.parity import runs

from tightloop.core.domain.enums import EventKind, OrderState, Reason, Role, RowKind, SessionControl, TradingStatus


def control(own, what):
    return own.send(EventKind.SESSION_CONTROL, instrument=-1, instance=-1, reason=int(what))


def rules(own, **changed):
    stated = {"price": 0.0, "qty": 0.0, "amount": 0.0, "rate": 1.0, "high": 0.0, "low": 0.0}
    return own.send(EventKind.INSTRUMENT_CHANGED, instrument=0, instance=-1, **(stated | changed))


def tried(own, family):
    """An entry is wanted: the rows it wrote."""
    return ask(own) if family == "python" else close(own)


def denied(rows):
    return of_kind(rows, RowKind.ORDER)["reason"].tolist()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("off", "on", "reason"),
    [
        (SessionControl.NOT_READY, SessionControl.READY, Reason.NOT_READY),
        (SessionControl.PAUSED, SessionControl.RESUMED, Reason.PAUSED),
    ],
)
def test_entries_wait_until_the_session_says_so(family, off, on, reason):
    own = Driven(FAMILIES[family])
    close(own)
    for order_id in list(own.orders):
        own.answer(EventKind.ORDER_CANCELED, order_id)
    control(own, off)
    assert denied(tried(own, family)) == [reason]
    control(own, on)
    assert len(submitted(tried(own, family))) == 1


def test_what_is_not_ready_is_said_before_a_pause_and_both_before_a_limit():
    own = Driven(FAMILIES["hold"])
    for what in (SessionControl.PAUSED, SessionControl.NOT_READY):
        control(own, what)
    own.states[0]["killed"] = 1
    assert denied(close(own)) == [Reason.NOT_READY]
    control(own, SessionControl.READY)
    assert own.state["paused"] == 1


@pytest.mark.parametrize("family", WITH_STOPS)
def test_a_pause_holds_back_no_stop_and_no_exit(family):
    own, entry, qty = entered(family)
    control(own, SessionControl.PAUSED)
    control(own, SessionControl.NOT_READY)
    (stop,) = sent(own.fill(entry, qty, 100.0))
    assert stop["role"] == Role.STOP_LOSS
    rows = own.send(EventKind.KILL_SWITCH, order_id=1, instrument=-1, instance=-1, order_slot=-1)
    assert sent(rows)["qty"].tolist() == [qty]


@pytest.mark.parametrize("family", WITH_STOPS)
def test_stop_and_keep_cancels_entries_and_leaves_positions_with_their_stops(family):
    own, stop, _ = held(family)
    rows = control(own, SessionControl.STOP_KEEP)
    assert len(of_kind(rows, RowKind.CANCEL, RowKind.SUBMIT)) == 0
    assert own.order(stop)["state"] == OrderState.SUBMITTED
    control(own, SessionControl.RESUMED)
    assert own.state["paused"] == 2, "to stop is final"
    own, entry, _ = entered(family)
    assert of_kind(control(own, SessionControl.STOP_KEEP), RowKind.CANCEL)["order_id"].tolist() == [entry]


@pytest.mark.parametrize("family", FAMILIES)
def test_stop_and_flatten_closes_positions_and_what_fills_afterwards(family):
    own, entry, qty = entered(family)
    report(own, entry, 0.5 * qty, cum=0.5 * qty)
    rows = control(own, SessionControl.STOP_FLATTEN)
    closing = sent(rows)
    assert closing["qty"] == pytest.approx([0.5 * qty])
    assert of_kind(rows, RowKind.CANCEL)["order_id"].tolist()[:1] == [entry]
    own.fill(int(closing["order_id"][0]), 0.5 * qty, 100.0)
    again = sent(report(own, entry, 0.5 * qty, cum=qty))
    again = again[(again["role"] != Role.STOP_LOSS) & (again["role"] != Role.TAKE_PROFIT)]
    assert again["qty"] == pytest.approx([0.5 * qty])
    own.fill(int(again["order_id"][0]), 0.5 * qty, 100.0)
    assert position(own) == 0.0
    assert len(sent(close(own))) == 0


def test_increments_apply_to_orders_made_from_now_on():
    own, _, _ = held("python")
    rules(own, price=0.5, qty=0.25, amount=10.0)
    own.send(EventKind.PROTECTION_REQUESTED, instrument=0, instance=0, stop_loss=97.3, take_profit=float("nan"))
    assert own.state["orders"][0]["stop_price"] == 97.0
    assert sent(ask(own, 1.6))["qty"].tolist() == [1.5]
    assert denied(ask(own, 0.05)) == [Reason.QTY_ROUNDS_TO_ZERO]


@pytest.mark.parametrize("status", [TradingStatus.HALTED, TradingStatus.DELISTED])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_halted_or_delisted_is_not_entered_and_may_be_left(family, status):
    own = Driven(FAMILIES[family])
    priced(own)
    rules(own, reason=int(status))
    assert denied(tried(own, family)) == [Reason.DELISTED]
    own, _, qty = held(family)
    rules(own, reason=int(status))
    rows = own.send(EventKind.KILL_SWITCH, order_id=1, instrument=-1, instance=-1, order_slot=-1)
    assert sent(rows)["qty"].tolist() == [qty]


@pytest.mark.parametrize(
    ("largest", "reason"), [({"high": 4.0}, 75), ({"low": 4.0}, 75), ({"low": 5.0, "high": 5.0}, 0)]
)
def test_an_entry_that_one_order_can_not_close_is_denied(largest, reason):
    own = Driven(FAMILIES["python"])
    priced(own)
    rules(own, **largest)
    assert denied(ask(own, 5.0)) == [reason] * (reason != 0)


def test_a_position_may_not_grow_beyond_what_one_order_closes():
    own, _, qty = held("python")
    rules(own, low=qty + 1.0)
    assert denied(ask(own, 2.0)) == [Reason.ABOVE_QTY_MAX]
    assert len(sent(ask(own, 1.0))) == 1


def test_positions_are_valued_and_liquidated_by_the_marks_of_the_venue():
    own, _, qty = held()
    own.send(EventKind.MARK_REPORTED, instrument=0, price=101.0, stop_price=55.5)
    assert own.state["unrealized"] == pytest.approx(qty)
    assert own.state["positions"][0]["liquidation_price"] == 55.5
    own.bar(0, 100.0, 108.0, 99.0, 107.0)
    assert own.state["instruments"][0]["mark"] == 101.0, "prices of the market move it no more"
    assert own.state["unrealized"] == pytest.approx(qty)
    assert own.state["instances"][0]["high_since_signal"] == 108.0, "but are what rules look at"
    own.send(EventKind.MARK_REPORTED, instrument=0, price=102.0)
    assert own.state["positions"][0]["liquidation_price"] == 55.5, "what is not said does not change"
    own.send(EventKind.MARK_REPORTED, instrument=0, price=float("nan"))
    own.bar(0, 107.0, 108.0, 106.0, 107.0)
    assert own.state["unrealized"] == pytest.approx(7.0 * qty)


def test_a_run_that_no_session_drives_is_ready():
    own = Driven(runs.strategy("plain"))
    assert (own.state["not_ready"], own.state["paused"]) == (0, 0)
