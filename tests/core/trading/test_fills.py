"""Executions as a real venue tells them: twice, late, out of order, and some not at all."""

import pytest
from tests.core.driven import of_kind
from tests.core.lying_world import WITH_STOPS, close, entered, held, position, report, sent, wallet, warnings

from tightloop.core.domain.enums import EventKind, OrderState, Role, RowKind, WarningCode


@pytest.mark.parametrize("by", ["cum", "key"])
def test_a_part_that_is_told_twice_is_booked_once(by):
    own, entry, qty = entered()
    told = {"cum": 0.4 * qty} if by == "cum" else {"key": 77}
    report(own, entry, 0.4 * qty, **told)
    after = position(own), wallet(own)
    rows = report(own, entry, 0.4 * qty, **told)
    assert (position(own), wallet(own)) == after == (pytest.approx(0.4 * qty), pytest.approx(10_000 - 1.0))
    assert warnings(rows) == [WarningCode.REPEATED_FILL]


def test_an_older_report_that_comes_late_adds_nothing():
    own, entry, qty = entered()
    report(own, entry, 0.5 * qty, cum=0.5 * qty)
    rows = report(own, entry, 0.3 * qty, cum=0.3 * qty)
    assert position(own) == pytest.approx(0.5 * qty)
    assert warnings(rows) == [WarningCode.REPEATED_FILL]


def test_what_no_report_told_of_is_booked_at_the_price_the_average_implies():
    own, entry, qty = entered()
    report(own, entry, 0.2 * qty, 100.0, cum=0.2 * qty, average=100.0)
    rows = report(own, entry, 0.3 * qty, 102.0, cum=0.9 * qty, average=101.0)
    fills = of_kind(rows, RowKind.FILL)
    missing = (0.9 * 101.0 - 0.2 * 100.0 - 0.3 * 102.0) / 0.4
    assert fills["qty"] == pytest.approx([0.4 * qty, 0.3 * qty])
    assert fills["price"] == pytest.approx([missing, 102.0])
    taker = float(own.state["instances"][0]["costs"]["taker_rate"])
    assert fills["fee"] == pytest.approx([0.4 * qty * missing * taker, 1.0]), "the fee is estimated until it is known"
    assert warnings(rows) == [WarningCode.MISSING_FILL]
    assert own.state["positions"][0]["entry_price"] == pytest.approx(101.0)
    assert own.order(entry)["filled_qty"] == pytest.approx(0.9 * qty)


@pytest.mark.parametrize("average", [0.0, 1.0, 9e9, float("nan")])
def test_an_average_that_is_not_said_or_can_not_be_right_is_not_used(average):
    own, entry, qty = entered()
    rows = report(own, entry, 0.5 * qty, 102.0, cum=qty, average=average)
    assert of_kind(rows, RowKind.FILL)["price"].tolist() == [102.0, 102.0]


def test_a_report_that_overlaps_with_what_was_booked_adds_the_rest_of_it():
    own, entry, qty = entered()
    report(own, entry, 0.5 * qty, cum=0.5 * qty)
    rows = report(own, entry, 0.4 * qty, cum=0.6 * qty, fee=2.0)
    fills = of_kind(rows, RowKind.FILL)
    assert fills["qty"] == pytest.approx([0.1 * qty])
    assert fills["fee"] == pytest.approx([0.5])


def test_quantities_are_compared_in_lots():
    own, entry, _ = entered()
    own.states[0]["instruments"][0]["lot_size"] = 0.01
    report(own, entry, 1.0, cum=1.0)
    assert warnings(report(own, entry, 1.0, cum=1.000_000_1)) == [WarningCode.REPEATED_FILL]
    rows = report(own, entry, 1.0, cum=2.000_000_1)
    assert warnings(rows) == []
    assert position(own) == 2.0


def test_a_fill_that_comes_after_the_cancel_is_booked_and_closed():
    """Signal: nothing is planned any more for what it brings."""
    own, entry, qty = entered()
    own.answer(EventKind.ORDER_CANCELED, entry)
    money = wallet(own)
    rows = report(own, entry, 0.25 * qty, 100.0)
    assert position(own) == pytest.approx(0.25 * qty)
    assert wallet(own) == pytest.approx(money - 1.0)
    (closing,) = sent(rows)
    assert (closing["role"], closing["qty"]) == (Role.MANUAL, pytest.approx(0.25 * qty))
    (told,) = of_kind(rows, RowKind.ORDER)
    assert (told["order_id"], told["code"]) == (entry, OrderState.CANCELED)
    assert told["threshold"] == pytest.approx(0.25 * qty)
    own.fill(int(closing["order_id"]), float(closing["qty"]), 100.0)
    assert position(own) == 0.0
    assert own.state["strategies"][0]["slots_used"] == 0
    assert own.state["instruments"][0]["lock"] == 0
    assert len(sent(close(own))) == 1, "and the strategy goes on"


def test_a_fill_after_the_end_is_booked_once_and_never_beyond_the_order():
    own, entry, qty = entered()
    report(own, entry, 0.4 * qty, cum=0.4 * qty)
    own.answer(EventKind.ORDER_CANCELED, entry)
    report(own, entry, 0.2 * qty, cum=0.6 * qty, key=5)
    assert position(own) == pytest.approx(0.6 * qty)
    assert warnings(report(own, entry, 0.2 * qty, cum=0.6 * qty)) == [WarningCode.REPEATED_FILL]
    assert warnings(report(own, entry, 0.2 * qty, key=5)) == [WarningCode.REPEATED_FILL]
    assert warnings(report(own, entry, 0.5 * qty)) == [WarningCode.UNKNOWN_ORDER]
    assert position(own) == pytest.approx(0.6 * qty)


def test_what_a_canceled_order_missed_and_a_later_part_of_it_are_both_booked():
    own, entry, qty = entered()
    report(own, entry, 0.2 * qty, cum=0.2 * qty, average=100.0)
    own.answer(EventKind.ORDER_CANCELED, entry)
    rows = report(own, entry, 0.1 * qty, 100.0, cum=0.7 * qty, average=100.0)
    assert WarningCode.MISSING_FILL in warnings(rows)
    assert position(own) == pytest.approx(0.7 * qty)


def test_a_fill_of_an_open_position_after_its_order_ended_moves_the_stop():
    own, entry, qty = entered()
    report(own, entry, 0.5 * qty, cum=0.5 * qty)
    own.answer(EventKind.ORDER_CANCELED, entry)
    rows = report(own, entry, 0.5 * qty, cum=qty)
    amended = of_kind(rows, RowKind.AMEND)
    assert amended["qty"] == pytest.approx([qty])
    assert len(sent(rows)) == 0


@pytest.mark.parametrize("family", WITH_STOPS)
def test_an_acceptance_after_the_end_is_no_news(family):
    own, entry, qty = entered(family)
    report(own, entry, qty, cum=qty)
    assert len(own.answer(EventKind.ORDER_ACCEPTED, entry)) == 0


def test_a_late_fill_of_a_stop_ends_the_trade():
    own, stop, qty = held()
    own.answer(EventKind.ORDER_CANCELED, stop)
    rows = report(own, stop, qty, 98.0, cum=qty)
    assert position(own) == 0.0
    assert of_kind(rows, RowKind.TRADE)["role"].tolist() == [Role.STOP_LOSS]


def test_an_entry_larger_than_we_asked_for_last_is_booked_if_the_amend_had_not_arrived():
    own, stop, qty = held()
    own.fill(stop, 0.25 * qty, 98.0)
    order = own.order(stop)
    order["qty"] = 0.5 * qty  # an amend that is on its way
    report(own, stop, 0.75 * qty, 98.0, cum=qty)
    assert position(own) == 0.0


def test_funding_of_one_key_is_paid_once():
    own, _, _ = held()
    money = wallet(own)
    paid = {"instrument": 0, "instance": 0, "amount": -3.0, "rate": 0.0001, "fill_key": 12}
    own.send(EventKind.FUNDING_PAID, **paid)
    rows = own.send(EventKind.FUNDING_PAID, **paid)
    assert wallet(own) == pytest.approx(money - 3.0)
    assert warnings(rows) == [WarningCode.REPEATED_FILL]


def test_a_sum_without_an_execution_is_booked_at_its_average():
    """What a look-up of an order says."""
    own, entry, qty = entered()
    report(own, entry, 0.2 * qty, 100.0, cum=0.2 * qty)
    rows = report(own, entry, 0.0, 0.0, cum=0.6 * qty, average=102.0)
    assert of_kind(rows, RowKind.FILL)["price"] == pytest.approx([(0.6 * 102.0 - 0.2 * 100.0) / 0.4])
    assert position(own) == pytest.approx(0.6 * qty)


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("told", [{"qty": 0.0, "price": 0.0}, {"qty": float("nan"), "price": 5.0}])
def test_a_sum_without_any_price_is_not_booked(told, is_open):
    own, entry, qty = entered()
    if not is_open:
        own.answer(EventKind.ORDER_CANCELED, entry)
    rows = report(own, entry, told["qty"], told["price"], cum=0.5 * qty)
    assert warnings(rows) == [WarningCode.ILLEGAL_EVENT if is_open else WarningCode.UNKNOWN_ORDER]
    assert position(own) == 0.0


def test_a_report_that_repeats_what_we_have_still_ends_that_nothing_is_known():
    own, entry, qty = entered()
    report(own, entry, 0.5 * qty, cum=0.5 * qty)
    own.answer(EventKind.ORDER_UNKNOWN, entry)
    assert own.order(entry)["venue_state"] == 1
    report(own, entry, 0.5 * qty, cum=0.5 * qty)
    assert own.order(entry)["venue_state"] == 0


def test_a_liquidation_of_one_key_is_booked_once():
    own, _, qty = held()
    forced = {"instrument": 0, "instance": 0, "qty": 0.5 * qty, "price": 60.0, "reason": 56, "fill_key": 9}
    own.send(EventKind.ORDER_FILLED, **forced)
    rows = own.send(EventKind.ORDER_FILLED, **forced)
    assert position(own) == pytest.approx(0.5 * qty)
    assert warnings(rows) == [WarningCode.UNKNOWN_ORDER]


def test_a_fee_that_is_not_said_is_estimated():
    own, entry, qty = entered()
    rows = report(own, entry, qty, 100.0, cum=qty, fee=float("nan"))
    taker = float(own.state["instances"][0]["costs"]["taker_rate"])
    assert of_kind(rows, RowKind.FILL)["fee"] == pytest.approx([qty * 100.0 * taker])
