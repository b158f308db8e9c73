"""The life of an order: every event in every state, and nothing at all from an event that is not legal."""

import itertools
import math

import numpy as np
import pytest
from tests.core.driven import OPEN_STATES, Driven, of_kind, submitted
from tests.parity import runs

from tightloop.core import limits
from tightloop.core.compiled import as_rows
from tightloop.core.domain.enums import EventKind, OrderKind, OrderState, Reason, RowKind, WarningCode
from tightloop.core.domain.types import EQUITY
from tightloop.core.state import new_state
from tightloop.core.trading import orders
from tightloop.runtime.results import build as results_build
from tightloop.runtime.results.recorder import Recorder

S = OrderState
EVENTS = ("accepted", "rejected", "part", "all", "canceled", "expired", "unknown")
# Written out a second time, as the page on orders has it; a dash is an event that must change nothing and is warned of,
# an equals sign one that must change nothing and needs no warning.
LEGAL = {
    S.SUBMITTED: "ACCEPTED REJECTED PARTIALLY_FILLED FILLED CANCELED EXPIRED IN_FLIGHT",
    S.IN_FLIGHT: "ACCEPTED REJECTED PARTIALLY_FILLED FILLED CANCELED EXPIRED IN_FLIGHT",
    S.ACCEPTED: "= REJECTED PARTIALLY_FILLED FILLED CANCELED EXPIRED ACCEPTED",
    S.PARTIALLY_FILLED: "= - PARTIALLY_FILLED FILLED CANCELED EXPIRED PARTIALLY_FILLED",
    S.PENDING_CANCEL: "PENDING_CANCEL REJECTED PENDING_CANCEL FILLED CANCELED EXPIRED PENDING_CANCEL",
}
KINDS = {
    "accepted": EventKind.ORDER_ACCEPTED, "rejected": EventKind.ORDER_REJECTED, "part": EventKind.ORDER_FILLED,
    "all": EventKind.ORDER_FILLED, "canceled": EventKind.ORDER_CANCELED, "expired": EventKind.ORDER_EXPIRED,
    "unknown": EventKind.ORDER_UNKNOWN,
}  # fmt: skip
MAY_CHANGE = {"seq", "id_count", "hash", "ts_ns"}
ALWAYS = runs.strategy("always", s1={"all": [{"close": "> 0"}]}, ze1={"all": [{"close": "< 0"}]})


def with_an_order(state=S.SUBMITTED, filled=0.0):
    """A State with one entry order in a given state, and its id."""
    own = Driven(ALWAYS)
    own.send(EventKind.BAR_OPENED, instrument=0, price=100.0)
    own.now_ns += runs.MINUTE_NS
    rows = own.send(
        EventKind.BAR_CLOSED, instrument=0, open=100.0, high=101.0, low=99.0, price=100.0, qty=5.0, phase=1,
        ts_event_ns=own.now_ns - runs.MINUTE_NS,
    )  # fmt: skip
    (order_id,) = submitted(rows)
    if filled:
        own.fill(order_id, filled * own.order(order_id)["qty"], 100.0)
    own.order(order_id)["state"] = int(state)
    return own, order_id


def qty_of(own, order_id, event):
    order = own.order(order_id)
    left = float(order["qty"] - order["filled_qty"])
    return {"part": left * 0.25, "all": left}.get(event, 0.0)


def differences(before, after):
    return {name for name in before.dtype.names if before[name].tobytes() != after[name].tobytes()} - MAY_CHANGE


@pytest.mark.parametrize(("state", "event"), list(itertools.product(LEGAL, EVENTS)))
def test_every_event_in_every_state_leads_where_the_table_says_or_nowhere(state, event):
    expected = LEGAL[state].split()[EVENTS.index(event)]
    own, order_id = with_an_order(state)
    qty, price = qty_of(own, order_id, event), 100.0
    before = own.states[0].copy()
    rows = own.send(KINDS[event], order_id=order_id, order_slot=own.orders[order_id], qty=qty, price=price)
    if expected in ("-", "="):
        assert not differences(before, own.states[0])
        is_warned = expected == "-"
        assert rows["kind"].tolist() == [RowKind.WARNING] * is_warned
        assert rows["code"].tolist() == [WarningCode.ILLEGAL_EVENT] * is_warned
        assert own.states[0]["hash"] != before["hash"], "what was refused is in the rolling hash all the same"
        return
    written = rows[(rows["kind"] == RowKind.ORDER) & (rows["order_id"] == order_id)]
    assert [S(int(code)).name for code in written["code"]] == [expected]
    if orders.TRANSITIONS[S[expected]].max() < 0:
        assert order_id not in own.orders, "State keeps open orders only"
    else:
        assert own.order(order_id)["state"] == S[expected]
        assert (own.order(order_id)["venue_state"] != 0) == (event == "unknown")


def test_the_table_has_a_row_for_every_open_state_and_no_way_out_of_the_others():
    for state in S:
        legal = {int(cell) for cell in orders.TRANSITIONS[state]} - {-1}
        assert bool(legal) == (state in OPEN_STATES), state.name
        names = {state.name if name == "=" else name for name in LEGAL.get(state, "").split()} - {"-"}
        assert {S(cell).name for cell in legal} == names


@pytest.mark.parametrize("state", OPEN_STATES)
@pytest.mark.parametrize("share", [-1.0, 0.0, 1.0 + 1e-6, 2.0, 1e9, np.nan, np.inf, -np.inf])
def test_a_fill_of_nothing_of_a_number_that_is_none_or_of_more_than_is_left_changes_nothing(state, share):
    own, order_id = with_an_order(state)
    qty = share * float(own.order(order_id)["qty"])
    before = own.states[0].copy()
    rows = own.fill(order_id, qty, 100.0)
    assert not differences(before, own.states[0])
    assert rows["code"].tolist() == [WarningCode.ILLEGAL_EVENT]


@pytest.mark.parametrize("state", [S.ACCEPTED, S.PARTIALLY_FILLED, S.PENDING_CANCEL])
def test_the_second_half_of_a_fill_told_twice_changes_nothing(state):
    own, order_id = with_an_order(S.ACCEPTED, filled=0.75)
    own.order(order_id)["state"] = int(state)
    before = own.states[0].copy()
    own.fill(order_id, 0.5 * float(own.order(order_id)["qty"]), 100.0)
    assert not differences(before, own.states[0])


@pytest.mark.parametrize("state", OPEN_STATES)
def test_a_refusal_of_an_order_that_filled_in_part_changes_nothing(state):
    own, order_id = with_an_order(S.ACCEPTED, filled=0.5)
    own.order(order_id)["state"] = int(state)
    before = own.states[0].copy()
    own.answer(EventKind.ORDER_REJECTED, order_id)
    assert not differences(before, own.states[0])


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(("order_id", "slot"), [(77, -1), (77, 0), (0, 0), (-5, 3), (2**40, 2_000)])
def test_an_event_for_an_order_nobody_has_changes_nothing(event, order_id, slot):
    """A liquidation (a fill of order 0) of an instance that holds nothing is one of these."""
    own, open_id = with_an_order()
    own.answer(EventKind.ORDER_CANCELED, open_id)
    before = own.states[0].copy()
    rows = own.send(KINDS[event], order_id=order_id, order_slot=slot, qty=1.0, price=100.0)
    assert not differences(before, own.states[0])
    assert rows["code"].tolist() == [WarningCode.UNKNOWN_ORDER]


@pytest.mark.parametrize("share", [0.0, -1.0, 1.001, 5.0, np.nan])
def test_a_forced_close_of_nothing_or_of_more_than_is_held_changes_nothing(share):
    own, order_id = with_an_order()
    qty = float(own.order(order_id)["qty"])
    own.fill(order_id, qty, 100.0)
    before = own.states[0].copy()
    rows = own.send(EventKind.ORDER_FILLED, qty=share * qty, price=50.0, reason=int(Reason.LIQUIDATED))
    assert not differences(before, own.states[0])
    assert rows["code"].tolist() == [WarningCode.UNKNOWN_ORDER]


def test_a_refusal_that_crosses_a_cancel_ends_the_order_and_gives_its_reservation_back():
    own, order_id = with_an_order()
    assert own.state["reserved_margin"] > 0.0
    own.order(order_id)["state"] = int(S.PENDING_CANCEL)
    own.answer(EventKind.ORDER_REJECTED, order_id)
    assert own.state["reserved_margin"] == 0.0
    assert not own.orders


def test_an_order_whose_outcome_is_unknown_keeps_its_reservation_until_it_is_known():
    own, order_id = with_an_order()
    reserved = float(own.state["reserved_margin"])
    own.answer(EventKind.ORDER_UNKNOWN, order_id)
    own.now_ns += 30 * runs.MINUTE_NS
    own.send(EventKind.TIMER)
    assert own.order(order_id)["state"] == S.IN_FLIGHT
    assert own.state["reserved_margin"] == reserved > 0.0
    own.answer(EventKind.ORDER_CANCELED, order_id)
    assert own.state["reserved_margin"] == 0.0


HOLD = """
name: asked from outside
family: hold
direction: LONG
instruments: ["{name}"]
timeframe: 1m
capital: 10_000
params: {{equity_pct: 5}}
"""


def ask(own, price):
    """Request one unit at a limit from outside; the rows it wrote."""
    never = dict.fromkeys(("stop_loss", "take_profit"), np.nan)
    return own.send(
        EventKind.ORDER_REQUESTED, instrument=0, instance=0, side=1, order_kind=int(OrderKind.LIMIT), price=price,
        qty=1.0, leverage=1.0, **never,
    )  # fmt: skip


@pytest.mark.parametrize("is_canceled_first", [False, True])
def test_a_cancel_does_not_make_an_unknown_outcome_known(is_canceled_first):
    """Whether its cancel is sent before or after: the order may fill, so no other enters beside it."""
    own = Driven(HOLD.format(name=runs.NAMES[0]))
    own.send(EventKind.BAR_OPENED, instrument=0, price=100.0)
    own.send(EventKind.BAR_CLOSED, instrument=0, open=100.0, high=101.0, low=99.0, price=100.0, qty=5.0)
    (order_id,) = submitted(ask(own, 90.0))
    reserved = float(own.state["reserved_margin"])
    asks_cancel = {"instrument": 0, "instance": 0, "order_id": order_id, "order_slot": own.orders[order_id]}
    first, last = (EventKind.CANCEL_REQUESTED, EventKind.ORDER_UNKNOWN)[:: 1 if is_canceled_first else -1]
    rows = [own.send(kind, **asks_cancel) for kind in (first, last, EventKind.CANCEL_REQUESTED)]
    commands = of_kind(np.concatenate(rows), RowKind.CANCEL, RowKind.SUBMIT)
    assert commands["kind"].tolist() == [RowKind.CANCEL], "it is canceled once, and never sent again"
    assert own.order(order_id)["state"] == S.PENDING_CANCEL
    assert own.state["reserved_margin"] == reserved > 0.0
    denied = of_kind(ask(own, 91.0), RowKind.ORDER, RowKind.SUBMIT)
    assert denied["reason"].tolist() == [Reason.UNKNOWN_OUTCOME]
    own.answer(EventKind.ORDER_CANCELED, order_id)
    assert own.state["reserved_margin"] == 0.0
    assert len(submitted(ask(own, 91.0))) == 1


def test_slippage_that_the_venue_does_not_tell_stays_out_of_the_sum_and_is_counted():
    own, entry = with_an_order()
    qty = float(own.order(entry)["qty"])
    own.fill(entry, qty / 2, 100.0, slippage=0.25)
    assert (own.state["statistics"]["slippage"], own.state["positions"][0]["slippage"]) == (0.25, 0.25)
    own.fill(entry, qty / 2, 100.0, slippage=math.nan)
    assert (own.state["statistics"]["slippage"], own.state["statistics"]["unknown_slippage_count"]) == (0.25, 1)
    assert math.isnan(own.state["positions"][0]["slippage"]), "the slippage of the trade is not known"

    own.bar(0, 100.0, 101.0, 99.0, 100.5)
    recorder = Recorder()
    cash = own.state["equity"] - own.state["unrealized"]
    recorder.take_equity(np.array([(own.now_ns, own.state["equity"], cash)], EQUITY), 1)
    done = results_build.build(own.plan, recorder, data_digest="", seed=0, warnings=[], quality=[])
    assert done.summary["metrics"]["slippage"] is None
    assert np.isnan(done.tables["trades"]["slippage"]).tolist() == [True]
    assert any("the slippage of 1 fills is not known" in warning for warning in done.summary["warnings"])
    buckets = done.summary["attribution"]
    assert buckets["slippage"] == -0.25
    change = done.summary["final_equity"] - done.summary["initial_equity"]
    assert change > 0.0
    assert sum(buckets.values()) == pytest.approx(change)


def test_a_new_state_has_no_day_and_no_day_is_stopped():
    """Whoever asks before the first day begins is not told of a daily loss."""
    state = new_state()[0]
    assert state["daily_stopped_day"] != state["day"]
    assert abs(int(state["daily_stopped_day"])) > 366 * 10_000, "nor of one on any day there is"


def test_a_fill_of_order_0_that_no_venue_calls_a_liquidation_is_none():
    own, order_id = with_an_order()
    qty = float(own.order(order_id)["qty"])
    own.fill(order_id, qty, 100.0)
    rows = own.send(EventKind.ORDER_FILLED, qty=qty, price=50.0)
    assert rows["code"].tolist() == [WarningCode.UNKNOWN_ORDER]
    assert own.state["positions"][0]["qty"] == qty


# A cancel or an amend that is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filled", "is_unknown", "goes_on_as"),
    [(0.0, False, S.ACCEPTED), (0.25, False, S.PARTIALLY_FILLED), (0.0, True, S.IN_FLIGHT)],
)
def test_an_order_whose_cancel_is_refused_goes_on(filled, is_unknown, goes_on_as):
    own = Driven(HOLD.format(name=runs.NAMES[0]))
    own.bar(0, 100.0, 101.0, 99.0, 100.0, last=False)
    (order_id,) = submitted(ask(own, 90.0))
    if is_unknown:
        own.answer(EventKind.ORDER_UNKNOWN, order_id)
    if filled:
        own.fill(order_id, filled, 90.0)
    own.send(EventKind.CANCEL_REQUESTED, instance=0, order_id=order_id, order_slot=own.orders[order_id])
    assert own.order(order_id)["state"] == S.PENDING_CANCEL
    own.answer(EventKind.CANCEL_REJECTED, order_id)
    assert own.order(order_id)["state"] == goes_on_as
    denied = of_kind(ask(own, 91.0), RowKind.ORDER)["reason"].tolist()
    assert denied == ([Reason.UNKNOWN_OUTCOME] if is_unknown else []), "what was unknown stays so"


def test_an_order_that_never_arrived_ends_and_others_may_be_sent_again():
    own = Driven(HOLD.format(name=runs.NAMES[0]))
    own.bar(0, 100.0, 101.0, 99.0, 100.0, last=False)
    (order_id,) = submitted(ask(own, 90.0))
    own.answer(EventKind.ORDER_UNKNOWN, order_id)
    own.send(EventKind.CANCEL_REQUESTED, instance=0, order_id=order_id, order_slot=own.orders[order_id])
    own.send(EventKind.ORDER_REJECTED, order_id=order_id, order_slot=-1, reason=int(Reason.NOT_AT_VENUE))
    assert not own.orders
    assert own.state["reserved_margin"] == 0.0
    assert len(submitted(ask(own, 91.0))) == 1


def test_what_ended_long_ago_is_forgotten_and_the_latest_is_kept():
    own, order_id = with_an_order()
    own.answer(EventKind.ORDER_CANCELED, order_id)
    state = own.states[0]
    assert orders.find_ended(as_rows(own.states)[0], order_id) == 0
    state["ended_count"] = limits.ENDED_MAX + 1  # one more has ended, in its place
    state["ended"][0]["order_id"] = 5
    assert orders.find_ended(as_rows(own.states)[0], order_id) == -1
    assert orders.find_ended(as_rows(own.states)[0], 5) == 0


def test_a_key_is_kept_until_its_place_is_taken():
    state = as_rows(new_state())[0]
    for key in range(1, limits.FILL_KEYS_MAX + 2):
        orders.keep_key(state, key)
    assert not orders.is_booked(state, 1)
    assert orders.is_booked(state, 2)
    assert orders.is_booked(state, limits.FILL_KEYS_MAX + 1)
    assert not orders.is_booked(state, 0), "no key is no key"
