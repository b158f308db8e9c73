"""What a venue refuses of an open position: tries with growing waits, and then the market."""

import pytest
from tests.core.driven import Driven, of_kind, submitted
from tests.core.lying_world import (
    SECOND_NS,
    WITH_STOPS,
    close,
    held,
    held_with_target,
    position,
    refuse,
    report,
    sent,
    wait,
    warnings,
)
from tests.parity import runs

from tightloop.core.domain.enums import EventKind, Reason, Role, RowKind, WarningCode


@pytest.mark.parametrize("family", WITH_STOPS)
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (EventKind.ORDER_REJECTED, Reason.WOULD_TRIGGER),
        (EventKind.ORDER_EXPIRED, Reason.NONE),
    ],
)
def test_a_stop_whose_price_has_been_passed_becomes_an_exit_at_market_at_once(family, kind, reason):
    own, stop, qty = held(family)
    (exit_,) = sent(refuse(own, stop, reason, kind))
    assert (exit_["role"], exit_["qty"], exit_["reduce_only"]) == (Role.E1, qty, 1)
    assert len(sent(close(own))) == 0, "one exit is open, and is all"
    own.fill(int(exit_["order_id"]), qty, 97.0)
    assert position(own) == 0.0
    assert own.state["instances"][0]["exit_due"] == 0


@pytest.mark.parametrize("family", WITH_STOPS)
def test_a_stop_that_is_refused_is_tried_three_times_with_waits_and_then_the_position_is_closed(family):
    own, stop, qty = held(family)
    assert len(sent(refuse(own, stop))) == 0
    for seconds in (0.5, 1.5):
        assert len(sent(wait(own, seconds - 0.1))) == 0, "not before its time"
        (again,) = sent(wait(own, 0.1), Role.STOP_LOSS)
        assert again["qty"] == qty
        rows = refuse(own, int(again["order_id"]))
    assert warnings(rows) == [WarningCode.NOT_PROTECTED]
    (exit_,) = sent(rows)
    assert (exit_["role"], exit_["qty"]) == (Role.E1, qty)


@pytest.mark.parametrize("family", WITH_STOPS)
def test_no_bar_in_between_sends_more_of_a_refused_stop(family):
    own, stop, _ = held(family)
    refuse(own, stop)
    for _ in range(5):
        own.send(EventKind.BAR_CLOSED, instrument=0, open=100.0, high=101.0, low=99.0, price=100.0, phase=1)
    assert len(sent(own.rows[-1])) == 0
    assert len(sent(wait(own, 0.5), Role.STOP_LOSS)) == 1


@pytest.mark.parametrize("family", WITH_STOPS)
def test_refusals_far_apart_are_each_the_first(family):
    own, stop, _ = held(family)
    for _ in range(5):
        refuse(own, stop)
        (again,) = sent(wait(own, 0.5), Role.STOP_LOSS)
        stop = int(again["order_id"])
        own.answer(EventKind.ORDER_ACCEPTED, stop)
        wait(own, 61)
    assert own.state["instances"][0]["exit_due"] == 0


def test_a_stop_of_which_a_part_filled_before_it_ended_leaves_the_rest_to_the_market():
    own, stop, qty = held()
    report(own, stop, 0.5 * qty, 98.0, cum=0.5 * qty)
    (exit_,) = sent(refuse(own, stop, kind=EventKind.ORDER_EXPIRED))
    assert exit_["qty"] == pytest.approx(0.5 * qty)


@pytest.mark.parametrize("family", WITH_STOPS)
def test_a_stop_that_we_cancel_ends_as_it_was_meant_to(family):
    own, stop, _ = held(family)
    own.order(stop)["state"] = 8  # PENDING_CANCEL
    assert len(sent(refuse(own, stop, kind=EventKind.ORDER_EXPIRED), Role.E1)) == 0


def exiting(family):
    """A position of which an exit is under way by the kill switch; the exit's id and its quantity."""
    own, _, qty = held(family)
    rows = own.send(EventKind.KILL_SWITCH, order_id=1, instrument=-1, instance=-1, order_slot=-1)
    (exit_,) = sent(rows)
    return own, int(exit_["order_id"]), qty


@pytest.mark.parametrize("family", ["signal", "python", "hold"])
def test_an_exit_that_expired_is_followed_by_the_next_at_once(family):
    own, exit_, qty = exiting(family)
    report(own, exit_, 0.25 * qty, 100.0, cum=0.25 * qty)
    (again,) = sent(refuse(own, exit_, kind=EventKind.ORDER_EXPIRED))
    assert again["qty"] == pytest.approx(0.75 * qty)
    assert again["reduce_only"] == 1


@pytest.mark.parametrize("family", ["signal", "python", "hold"])
def test_an_exit_that_is_refused_is_tried_for_ever_and_not_at_every_event(family):
    own, exit_, qty = exiting(family)
    for _ in range(6):
        assert len(sent(refuse(own, exit_))) == 0
        own.send(EventKind.BAR_CLOSED, instrument=0, open=100.0, high=101.0, low=99.0, price=100.0, phase=1)
        assert len(sent(own.rows[-1])) == 0
        (again,) = sent(wait(own, 1.0))
        assert again["qty"] == qty
        exit_ = int(again["order_id"])
    own.fill(exit_, qty, 100.0)
    assert position(own) == 0.0


@pytest.mark.parametrize("reason", [Reason.NONE, Reason.OPERATOR])
@pytest.mark.parametrize("family", WITH_STOPS)
def test_a_stop_that_others_cancel_is_there_again_soon(family, reason):
    own, stop, qty = held(family)
    assert len(sent(refuse(own, stop, reason, EventKind.ORDER_CANCELED))) == 0
    assert sent(wait(own, 0.5), Role.STOP_LOSS)["qty"].tolist() == [qty]


@pytest.mark.parametrize("family", ["signal", "python", "hold"])
def test_an_exit_that_others_cancel_is_followed_by_the_next_at_once(family):
    own, exit_, qty = exiting(family)
    assert sent(refuse(own, exit_, kind=EventKind.ORDER_CANCELED))["qty"].tolist() == [qty]


@pytest.mark.parametrize("family", ["signal", "python"])
def test_a_refused_target_waits_longer_and_is_there_again(family):
    own, stop, qty = held_with_target(family)
    (target,) = [own.order(k) for k in own.orders if own.order(k)["role"] == Role.TAKE_PROFIT]
    refuse(own, stop)
    refuse(own, int(target["id"]))
    assert len(sent(wait(own, 0.5), Role.STOP_LOSS)) == 1
    assert len(sent(wait(own, 4.4))) == 0
    assert sent(wait(own, 0.1), Role.TAKE_PROFIT)["qty"].tolist() == [qty]


def test_a_refused_amend_puts_the_stop_back_and_tries_again():
    own, stop, qty = held()
    own.answer(EventKind.ORDER_ACCEPTED, stop)
    resting = float(own.order(stop)["stop_price"])
    order = own.order(stop)
    order["qty"], order["stop_price"] = 2.0 * qty, 99.0
    refuse(own, stop, Reason.RULES_CHANGED, EventKind.AMENDED)
    assert (own.order(stop)["qty"], own.order(stop)["stop_price"]) == (qty, resting)
    assert of_kind(wait(own, 0.5), RowKind.AMEND)["order_id"].tolist() == [stop]


def test_a_confirmed_amend_is_what_a_refused_one_goes_back_to():
    own, stop, qty = held()
    order = own.order(stop)
    order["stop_price"] = 99.0
    own.send(EventKind.AMENDED, order_id=stop, qty=qty, stop_price=99.0)
    own.order(stop)["stop_price"] = 99.5
    refuse(own, stop, Reason.RULES_CHANGED, EventKind.AMENDED)
    assert own.order(stop)["stop_price"] == 99.0


def test_an_amend_that_would_trigger_closes_the_position():
    own, stop, qty = held()
    (exit_,) = sent(refuse(own, stop, Reason.WOULD_TRIGGER, EventKind.AMENDED))
    assert (exit_["role"], exit_["qty"]) == (Role.E1, qty)


def test_the_longest_time_still_closes_a_position_whose_stop_was_tried_again():
    text = runs.strategy(
        "timed", s1={"all": [{"close": "> 0"}]}, ze1={"all": [{"close": "< 0"}]}, limits={"max_hold_min": 3},
        z1={"stop_loss": {"type": "percent", "value": 2}},
    )  # fmt: skip
    own = Driven(text)
    (entry,) = submitted(close(own))
    rows = own.fill(entry, float(own.order(entry)["qty"]), 100.0)
    refuse(own, int(sent(rows, Role.STOP_LOSS)["order_id"][0]))
    assert len(sent(wait(own, 0.5), Role.STOP_LOSS)) == 1
    own.now_ns += 180 * SECOND_NS
    assert len(sent(wait(own, 0), Role.TIME)) == 1
