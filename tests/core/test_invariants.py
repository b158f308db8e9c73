"""What holds after every event, on random markets, for every kind of order, stop, target, size and account."""

from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.parity import runs

from tightloop.core.domain.enums import OrderState, RowKind
from tightloop.core.state import check_invariants
from tightloop.core.trading.ledger import WALLET
from tightloop.runtime.backtest.one_by_one import bars as bars_one_by_one
from tightloop.runtime.results.recorder import Recorder

EVERY_KIND = {name: (text,) for name, text in runs.KINDS.items()} | runs.TOGETHER


def checked_run(setting):
    """A run of which every step was checked."""
    steps = []

    def observe(plan):
        check_invariants(plan.states[0])
        steps.append(int(plan.states[0]["seq"]))

    plan, recorder = setting.plan(), Recorder()
    bars_one_by_one.run(plan, setting.market().feed(plan), recorder, observe)
    assert steps == list(range(1, len(steps) + 1))
    return plan, recorder


def cash_from_fills(plan, recorder):
    """The wallet computed anew from nothing but fills and funding, in exact fractions."""
    fills, funding = recorder.columns(RowKind.FILL), recorder.columns(RowKind.FUNDING)
    state = plan.states[0]
    cash = Fraction(plan.capital) + sum(map(Fraction, funding["funding"].tolist()), Fraction(0))
    held, value = defaultdict(Fraction), defaultdict(Fraction)
    for k in range(len(fills["qty"])):
        instance = int(fills["instance"][k])
        multiplier = Fraction(float(state["instruments"][int(fills["instrument"][k])]["multiplier"]))
        price, fee = Fraction(float(fills["price"][k])), Fraction(float(fills["fee"][k]))
        signed = Fraction(float(fills["qty"][k])) * int(fills["side"][k])
        cash -= fee
        if held[instance] * signed < 0:
            closing = min(abs(signed), abs(held[instance]))
            average = value[instance] / held[instance]
            direction = 1 if held[instance] > 0 else -1
            cash += direction * (price - average) * closing * multiplier
            value[instance] -= direction * average * closing
            held[instance] -= direction * closing
            signed += direction * closing
        held[instance] += signed
        value[instance] += signed * price
    return float(cash), {k: float(v) for k, v in held.items()}


@pytest.mark.parametrize("name", EVERY_KIND)
def test_books_positions_and_reservations_hold_after_every_step(name):
    plan, recorder = checked_run(runs.Setting.random(*EVERY_KIND[name], seed=21, move=0.007))
    cash, held = cash_from_fills(plan, recorder)
    assert float(plan.states[0]["balances"][WALLET]) == pytest.approx(cash, rel=1e-9, abs=1e-6)
    for instance, qty in held.items():
        assert float(plan.states[0]["positions"][instance]["qty"]) == pytest.approx(qty, abs=1e-9 * (1 + abs(qty)))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(sorted(EVERY_KIND)),
    seed=st.integers(0, 10_000),
    move=st.sampled_from([0.001, 0.01, 0.05]),
)
def test_they_hold_on_any_market(name, seed, move):
    checked_run(runs.Setting.random(*EVERY_KIND[name], seed=seed, count=250, move=move))


def planted(change):
    setting = runs.Setting.random(*EVERY_KIND["leveraged"], seed=21, count=300)
    plan, _ = checked_run(setting)
    change(plan.states[0])
    with pytest.raises(AssertionError):
        check_invariants(plan.states[0])


def test_money_from_nowhere_is_seen():
    planted(lambda state: state["balances"].__setitem__(WALLET, state["balances"][WALLET] + 1.0))


def test_a_position_that_is_not_the_sum_of_its_fills_is_seen():
    planted(lambda state: state["positions"][0].__setitem__("qty", state["positions"][0]["qty"] + 1.0))


def test_a_reservation_without_an_order_is_seen():
    planted(lambda state: state.__setitem__("reserved_margin", 5.0))


def test_a_terminal_order_that_stays_is_seen():
    def change(state):
        state["order_high"] = max(int(state["order_high"]), 1)
        state["orders"][0]["id"], state["orders"][0]["state"] = 77, int(OrderState.FILLED)

    planted(change)
