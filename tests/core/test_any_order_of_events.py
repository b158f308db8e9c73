"""Whatever the market, the venue and the operator do, in any order: the books balance and every rule holds after it."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.core.driven import Driven, of_kind
from tests.core.trading.test_orders import LEGAL
from tests.parity import runs

from examples import examples
from tightloop.core.domain.enums import (
    ACCOUNT_KINDS,
    AccountKind,
    Correction,
    EventKind,
    OrderState,
    Origin,
    Phase,
    Reason,
    RowKind,
)
from tightloop.core.state import check_invariants

S = OrderState
OFTEN = {"s1": {"all": [{"rsi": "> 30"}]}, "ze1": {"all": [{"rsi": "> 75"}]}, "instruments": runs.NAMES[:2]}
PLANS = {
    "market": (
        runs.strategy(
            "market", **OFTEN, z1={"stop_loss": runs.STOPS["percent"], "take_profit": runs.TARGETS["ladder"]}
        ),
    ),
    "limits": (
        runs.strategy(
            "limits", **OFTEN, z1={"order": {"type": "limit", "ttl_s": 300}, "stop_loss": runs.STOPS["trailing"]}
        ),
        runs.strategy(
            "shorts", direction="SHORT", **OFTEN, e1={"all": [{"rsi": "> 70"}]}, z1={"stop_loss": runs.STOPS["atr"]}
        ),
    ),
    "timed": (
        runs.strategy(
            "timed",
            **OFTEN,
            o1={"timeout_s": 120},
            limits={"max_hold_min": 3},
            z1={
                "all": [{"rsi": "< 65"}],
                "order": {"type": "stop", "offset_bps": 5},
                "take_profit": runs.TARGETS["atr"],
            },
        ),
    ),
}
TERMINAL = (S.DENIED, S.FILLED, S.CANCELED, S.REJECTED, S.EXPIRED)
# From one reported state to the next. A fill before the answer, a cancel that crossed it: all in the table of orders.
PATHS = {state: {*next_states.split()} - {"-"} for state, next_states in LEGAL.items()}
PATHS = {state: names | {"PENDING_CANCEL"} - {"="} for state, names in PATHS.items()}
PATHS[S.PENDING_CANCEL] |= {"ACCEPTED", "PARTIALLY_FILLED", "IN_FLIGHT"}  # the cancel was refused
for _state in (S.CANCELED, S.EXPIRED, S.REJECTED):
    PATHS[_state] = {_state.name, "FILLED"}  # a fill came after the end, which is told again with it
PRICES, INSTRUMENTS = (100.0, 8.0), (0, 1)


class Books:
    """Money recomputed in fractions from the rows of the log alone."""

    def __init__(self, capital, multipliers):
        self.multipliers = [Fraction(m) for m in multipliers]
        self.capital = Fraction(capital)
        self.fees = self.funding = self.realized = Fraction(0)
        self.held, self.entry = {}, {}
        self.turnover = Fraction(1)

    def take(self, row):
        if row["kind"] == RowKind.FUNDING:
            self.funding += Fraction(float(row["funding"]))
            return
        who, multiplier = int(row["instance"]), self.multipliers[int(row["instrument"])]
        qty, price, side = Fraction(float(row["qty"])), Fraction(float(row["price"])), int(row["side"])
        self.fees += Fraction(float(row["fee"]))
        self.turnover += qty * price * multiplier
        held = self.held.get(who, Fraction(0))
        closing = min(qty, abs(held)) if held * side < 0 else Fraction(0)
        if closing:
            sign = 1 if held > 0 else -1
            self.realized += sign * (price - self.entry[who]) * closing * multiplier
            held -= sign * closing
        adding = qty - closing
        if abs(held) < Fraction(1, 10**9) * qty:
            held = Fraction(0)
        if adding > Fraction(1, 10**9) * qty:
            self.entry[who] = (self.entry.get(who, Fraction(0)) * abs(held) + price * adding) / (abs(held) + adding)
            held += side * adding
        self.held[who] = held

    @property
    def wallet(self):
        return self.capital + self.realized + self.funding - self.fees


class Market(RuleBasedStateMachine):
    """The test is the market, the venue and the operator; the State is the real one."""

    @initialize(name=st.sampled_from(sorted(PLANS)))
    def begin(self, name):
        self.own = Driven(*PLANS[name])
        state = self.own.state
        self.prices = list(PRICES)
        self.states, self.filled, self.quantities = {}, {}, {}
        self.books = Books(float(state["capital"]), [float(state["instruments"][k]["multiplier"]) for k in INSTRUMENTS])
        for k in range(12):
            for instrument in INSTRUMENTS:
                self.bar(instrument, [0.002, -0.001, 0.0015][k % 3])

    # The market

    def bar(self, instrument, move, wick=0.001):
        price = self.prices[instrument]
        close = price * (1.0 + move)
        self.own.bar(instrument, price, max(price, close) * (1 + wick), min(price, close) * (1 - wick), close)
        self.prices[instrument] = close

    @rule(
        instrument=st.sampled_from(INSTRUMENTS),
        move=st.sampled_from([-0.08, -0.01, -0.002, 0.0, 0.001, 0.004, 0.02, 0.09]),
    )
    def a_bar(self, instrument, move):
        self.bar(instrument, move)

    @rule(minutes=st.sampled_from([1, 7, 90, 1_440, 5_000]))
    def time_passes(self, minutes):
        self.own.now_ns += minutes * runs.MINUTE_NS
        self.own.send(EventKind.TIMER, phase=int(Phase.RECORD))

    @rule(instance=st.integers(0, 3), rate=st.floats(-0.01, 0.01))
    def funding(self, instance, rate):
        state = self.own.state
        if instance < state["instance_count"]:
            position = state["positions"][instance]
            instrument = int(state["instances"][instance]["instrument"])
            amount = -float(position["qty"]) * self.prices[instrument] * rate
            self.own.send(EventKind.FUNDING_PAID, instance=instance, instrument=instrument, amount=amount, rate=rate)

    # The venue

    def some_order(self, pick):
        found = sorted(self.own.orders)
        return found[pick % len(found)] if found else None

    @precondition(lambda self: self.own.orders)
    @rule(pick=st.integers(0, 50), kind=st.sampled_from([
        EventKind.ORDER_ACCEPTED, EventKind.ORDER_ACCEPTED, EventKind.ORDER_REJECTED, EventKind.ORDER_CANCELED,
        EventKind.ORDER_EXPIRED, EventKind.ORDER_UNKNOWN, EventKind.CANCEL_REJECTED, EventKind.AMENDED,
    ]))  # fmt: skip
    def an_answer(self, pick, kind):
        self.own.answer(kind, self.some_order(pick))

    @precondition(lambda self: self.own.orders)
    @rule(
        pick=st.integers(0, 50),
        share=st.sampled_from([1.0, 1.0, 1.0, 0.5, 0.25, 1e-6, 1.5, 0.0]),
        off=st.floats(-0.01, 0.01),
        fee=st.floats(-1.0, 5.0),
    )
    def a_fill(self, pick, share, off, fee):
        order = self.own.order(self.some_order(pick))
        left = float(order["qty"] - order["filled_qty"])
        price = self.prices[int(order["instrument"])] * (1.0 + off)
        self.own.fill(int(order["id"]), share * left, price, fee=fee, slippage=off)

    @rule(
        order_id=st.sampled_from([1, 99, 2**50]),
        kind=st.sampled_from([EventKind.ORDER_FILLED, EventKind.ORDER_CANCELED, EventKind.ORDER_ACCEPTED]),
    )
    def an_answer_about_nothing(self, order_id, kind):
        self.own.send(kind, order_id=order_id, qty=3.0, price=5.0)

    @rule(pick=st.integers(0, 10**6))
    def an_answer_to_an_order_that_ended(self, pick):
        ended = sorted(order_id for order_id, state in self.states.items() if state in TERMINAL)
        if ended:
            self.own.send(EventKind.ORDER_FILLED, order_id=ended[pick % len(ended)], order_slot=0, qty=1.0, price=5.0)

    @rule(instance=st.integers(0, 3), share=st.sampled_from([1.0, 1.0, 0.5, 2.0, 0.0]))
    def a_liquidation(self, instance, share):
        state = self.own.state
        if instance < state["instance_count"]:
            instrument = int(state["instances"][instance]["instrument"])
            qty = share * abs(float(state["positions"][instance]["qty"]))
            price = self.prices[instrument]
            self.own.send(
                EventKind.ORDER_FILLED, instance=instance, instrument=instrument, qty=qty, price=price, amount=0.5,
                reason=int(Reason.LIQUIDATED),
            )  # fmt: skip

    @rule(
        instrument=st.sampled_from(INSTRUMENTS),
        side=st.sampled_from([1, -1]),
        origin=st.sampled_from(list(Origin)),
        qty=st.sampled_from([0.5, 3.0, 40.0]),
        key=st.sampled_from([0, 0, 7]),
    )
    def an_execution_nobody_asked_for(self, instrument, side, origin, qty, key):
        self.own.send(
            EventKind.FILL_FOUND, instrument=instrument, instance=-1, side=side, order_kind=int(origin), qty=qty,
            price=self.prices[instrument], amount=0.1, fill_key=key,
        )  # fmt: skip

    @precondition(lambda self: self.own.orders)
    @rule(pick=st.integers(0, 50), cum=st.sampled_from([0.1, 0.25, 0.5, 1.0, 1.5]), says_more=st.booleans())
    def a_report(self, pick, cum, says_more):
        order = self.own.order(self.some_order(pick))
        price, qty = self.prices[int(order["instrument"])], cum * float(order["qty"])
        self.own.send(
            EventKind.ORDER_FILLED, order_id=int(order["id"]), instrument=int(order["instrument"]), price=price,
            qty=qty * (0.5 if says_more else 1.0), cum_qty=qty, amount=0.2,
        )  # fmt: skip

    @rule(kind=st.sampled_from([Reason.WOULD_TRIGGER, Reason.NONE]), ended=st.booleans())
    def stops_are_refused(self, kind, ended):
        for order_id in sorted(self.own.orders):
            order = self.own.order(order_id)
            if order["reduce_only"] and not order["filled_qty"] and order["state"] != S.PENDING_CANCEL:
                told = EventKind.ORDER_EXPIRED if ended else EventKind.ORDER_REJECTED
                self.own.send(told, order_id=order_id, reason=int(kind))
                return

    @rule(what=st.sampled_from([1, 2, 3, 4]))
    def control(self, what):
        self.own.send(EventKind.SESSION_CONTROL, instrument=-1, instance=-1, reason=what)

    @rule(instrument=st.sampled_from(INSTRUMENTS), off=st.floats(-0.02, 0.02))
    def venue_mark(self, instrument, off):
        self.own.send(EventKind.MARK_REPORTED, instrument=instrument, price=self.prices[instrument] * (1.0 + off))

    @rule(amount=st.floats(-50.0, 50.0), why=st.sampled_from(list(Correction)[:5]))
    def a_correction(self, amount, why):
        self.own.send(EventKind.BALANCE_CORRECTED, instrument=-1, instance=-1, amount=amount, reason=int(why))
        if why == Correction.FEE:
            self.books.fees -= Fraction(amount)

    # The operator

    @rule(engaged=st.booleans(), instrument=st.sampled_from([-1, -1, 0, 1]), strategy=st.sampled_from([-1, -1, 0]))
    def kill_switch(self, engaged, instrument, strategy):
        self.own.send(
            EventKind.KILL_SWITCH, order_id=int(engaged), instrument=instrument, instance=-1, order_slot=strategy
        )

    @rule()
    def rearmed(self):
        self.own.send(EventKind.REARMED)

    # What holds

    @invariant()
    def everything_holds(self):
        self.rows_tell_a_legal_story()
        self.books_are_those_of_the_rows()
        self.reservations_are_those_of_entries_that_are_open()
        self.slots_and_locks_belong_to_instances_at_work()

    def follow(self, row):
        """One row about an order: its path is legal, its fills only grow, nothing comes after its end."""
        order_id, kind = int(row["order_id"]), RowKind(int(row["kind"]))
        before = self.states.get(order_id)
        is_told_again = kind == RowKind.ORDER and float(row["threshold"]) > self.filled.get(order_id, 0.0)
        assert before not in TERMINAL or is_told_again, f"order {order_id} was {before} and went on"
        if kind in (RowKind.SUBMIT, RowKind.CANCEL, RowKind.AMEND, RowKind.ORDER):
            assert float(row["threshold"]) >= self.filled.get(order_id, 0.0), "what was filled is never unfilled"
            self.filled[order_id] = float(row["threshold"])
            assert float(row["threshold"]) <= float(row["qty"]) * (1 + 1e-9), "an order fills what it asked for"
        if kind == RowKind.SUBMIT:
            assert before is None
            self.states[order_id] = S.SUBMITTED
        elif kind in (RowKind.ORDER, RowKind.CANCEL):
            now = S(int(row["code"]))
            if before is None:  # denied before it was sent, or made by the venue to close a position by force
                assert now in (S.DENIED, S.FILLED)
            else:
                assert now.name in PATHS[before], f"{before.name} to {now.name}"
            self.states[order_id] = now

    def rows_tell_a_legal_story(self):
        for rows in self.own.rows:
            for row in of_kind(rows, RowKind.SUBMIT, RowKind.CANCEL, RowKind.AMEND, RowKind.ORDER):
                self.follow(row)
            for row in of_kind(rows, RowKind.FILL, RowKind.FUNDING):
                self.books.take(row)
        self.own.rows.clear()

    def books_are_those_of_the_rows(self):
        state, books = self.own.state, self.books
        balances = {kind: float(state["balances"][int(kind)]) for kind in AccountKind}
        slack = 1e-9 * float(books.turnover + books.capital)
        assert abs(balances[AccountKind.WALLET] - float(books.wallet)) <= slack
        assert abs(balances[AccountKind.FEES] - float(books.fees)) <= slack
        assert abs(-balances[AccountKind.FUNDING] - float(books.funding)) <= slack
        assert abs(-balances[AccountKind.REALIZED] - float(books.realized)) <= slack
        for who, held in books.held.items():
            assert abs(float(state["positions"][who]["qty"]) - float(held)) <= 1e-8 * (1 + abs(float(held)))

    def reservations_are_those_of_entries_that_are_open(self):
        state = self.own.state
        entries = [self.own.order(order_id) for order_id in self.own.orders]
        assert all(order["reserved_margin"] == 0.0 or order["role"] == 1 for order in entries)
        reserved = sum(float(order["reserved_margin"]) for order in entries)
        assert abs(float(state["reserved_margin"]) - reserved) <= 1e-6 * (1 + reserved)
        assert {order_id for order_id, now in self.states.items() if now not in TERMINAL} == set(self.own.orders)

    def slots_and_locks_belong_to_instances_at_work(self):
        state = self.own.state
        busy = [
            int(own["strategy"])
            for own in state["instances"][: int(state["instance_count"])]
            if own["state"] not in (1, 3, 10)
        ]
        for at in range(int(state["strategy_count"])):
            assert state["strategies"][at]["slots_used"] == busy.count(at)


def test_no_story_of_market_venue_and_operator_breaks_a_rule():
    run_state_machine_as_test(
        Market, settings=settings(max_examples=examples(60), stateful_step_count=60, deadline=None)
    )


# A check that can not fail is none -----------------------------------------------------------------------------------


def with_a_position():
    own = Driven(
        runs.strategy(
            "always", s1={"all": [{"close": "> 0"}]}, ze1={"all": [{"close": "< 0"}]}, instruments=runs.NAMES[:2]
        )
    )
    own.bar(0, 100.0, 101.0, 99.0, 100.0)
    (order_id,) = own.orders
    own.fill(order_id, float(own.order(order_id)["qty"]), 100.0, fee=1.0)
    own.bar(1, 8.0, 8.1, 7.9, 8.05)
    assert own.orders, "the second instrument has an entry at work"
    assert own.state["open_position_count"] == 1
    return own


def _order(state):
    return state["orders"][next(k for k in range(int(state["order_high"])) if state["orders"][k]["id"])]


def _nudge(field, by):
    def plant(state):
        state[field] += by

    return plant


def _in_position(field, value):
    def plant(state):
        state["positions"][0][field] = value

    return plant


def _in_order(field, value):
    def plant(state):
        _order(state)[field] = value

    return plant


def _in_balance(kind, by):
    def plant(state):
        state["balances"][int(kind)] += by

    return plant


VIOLATIONS = {
    "money from nowhere": (_in_balance(AccountKind.WALLET, 1.0), "add up to zero"),
    "money that is no number": (_in_balance(AccountKind.FEES, np.nan), "a balance is a number"),
    "another quantity than the fills": (_in_position("qty", 1.0), "sum of its fills"),
    "a position without a price": (_in_position("entry_price", 0.0), "entry price"),
    "a negative margin": (_in_position("margin", -5.0), "not negative"),
    "an unrealised result that is not at the mark": (_in_position("unrealized", 77.0), "at the mark"),
    "a position nobody counted": (_nudge("open_position_count", 1), "positions are counted"),
    "margin in use of nobody": (_nudge("used_margin", 10.0), "margin in use"),
    "an unrealised sum of nobody": (_nudge("unrealized", 10.0), "unrealised P&L is the sum"),
    "an equity of its own": (_nudge("equity", 10.0), "cash"),
    "an order nobody counted": (_nudge("order_count", 1), "orders are counted"),
    "a reservation of nobody": (_nudge("reserved_margin", 10.0), "reservations are the sum"),
    "a terminal order that stays": (_in_order("state", int(S.FILLED)), "open orders only"),
    "more filled than asked": (_in_order("filled_qty", 1e12), "fills what it asked"),
    "a negative fill": (_in_order("filled_qty", -1.0), "fills what it asked"),
    "a negative reservation": (_in_order("reserved_margin", -1.0), "not negative"),
    "an exit that reserves": (_in_order("role", 5), "only entries reserve"),
}  # fmt: skip


@pytest.mark.parametrize("name", VIOLATIONS)
def test_every_violation_is_found(name):
    plant, message = VIOLATIONS[name]
    own = with_a_position()
    check_invariants(own.states[0])
    plant(own.states[0])
    with pytest.raises(AssertionError, match=message):
        check_invariants(own.states[0])


def test_margin_of_a_flat_position_is_found():
    own = with_a_position()
    own.states[0]["positions"][1]["margin"] = 3.0
    with pytest.raises(AssertionError, match="flat position holds no margin"):
        check_invariants(own.states[0])


def test_an_asset_is_as_many_accounts_as_the_ledger_says():
    assert len(AccountKind) == ACCOUNT_KINDS


# Rules that one story shows ------------------------------------------------------------------------------------------


def test_a_largest_drawdown_stays_the_largest_after_an_operator_rearms():
    """The limit measures from the moment of re-arming; what was lost before is lost all the same."""
    account = runs.FREE_ACCOUNT | {"max_drawdown_pct": 10}
    own = Driven(
        runs.strategy("always", s1={"all": [{"close": "> 0"}]}, ze1={"all": [{"close": "< 0"}]}, account=account)
    )
    own.bar(0, 100.0, 101.0, 99.0, 100.0)
    (order_id,) = own.orders
    own.fill(order_id, float(own.order(order_id)["qty"]), 100.0)
    own.bar(0, 100.0, 100.0, 39.0, 40.0)
    statistics = own.state["statistics"]
    deepest = float(statistics["max_drawdown_pct"])
    peak_ns = int(statistics["peak_ns"])
    assert deepest > 10.0
    assert own.state["drawdown_stopped"] == 1
    own.send(EventKind.REARMED)
    assert own.state["drawdown_stopped"] == 0
    own.bar(0, 40.0, 40.0, 37.0, 38.0)
    expected = 100.0 * (1.0 - float(own.state["equity"]) / float(own.state["capital"]))
    assert expected > deepest
    assert float(statistics["max_drawdown_pct"]) == pytest.approx(expected)
    own.bar(0, 38.0, 60.0, 38.0, 60.0)
    assert int(statistics["peak_ns"]) == peak_ns, "the peak is still the one before"
    assert float(statistics["max_drawdown_pct"]) == pytest.approx(expected)
