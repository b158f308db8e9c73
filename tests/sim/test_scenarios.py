"""The acceptance scenarios of the signal strategies that bars can show: 2 to 5."""

import itertools
import math
import random

import pytest

from sim.market import (
    NO_ACCOUNT_LIMITS,
    A,
    B,
    C,
    D,
    denials_of,
    fills_of,
    orders_of,
    run,
    signals_of,
    states_of,
    strategy,
    trades_of,
)
from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason, Role
from tightloop.core.domain.types import Rows
from tightloop.core.kinds import float64, int64
from tightloop.core.log import new_log
from tightloop.core.signatures import LOG_ARRAY, STATES, TABLE
from tightloop.core.trading import commands
from tightloop.model.instruments import InstrumentId, default_rules
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import Plan, make_plan

ALWAYS = 'all: [{px: "> 0"}]'
NEVER = 'all: [{px: "< 0"}]'

# 2: no order at S1


def _watcher(timeframe: str) -> str:
    return strategy(
        timeframe=timeframe,
        s1=ALWAYS,
        z1=NEVER,
        o1="timeout_s: 240, cooldown_min: 5",
        limits="{max_concurrent_positions: 1}",
    )


def test_scenario_2_a_signal_without_entry_ends_after_its_timeout_and_rests() -> None:
    done = run(_watcher("1m"), "100\n" * 14)
    assert orders_of(done) == []
    assert states_of(done) == [
        (1, "SIGNAL_DETECTED"),
        (5, "SIGNAL_CANCELLED"),
        (10, "MONITORING"),
        (10, "SIGNAL_DETECTED"),
        (14, "SIGNAL_CANCELLED"),
    ]
    assert [(s.min, s.section, s.reason) for s in signals_of(done)] == [
        (1, "S1", None),
        (5, "O1", "o1_timeout"),
        (10, "S1", None),
        (14, "O1", "o1_timeout"),
    ]


def test_scenario_2_the_timeout_is_exact_when_it_falls_between_bars() -> None:
    done = run(_watcher("5m"), "100\n" * 4)
    assert orders_of(done) == []
    assert states_of(done) == [
        (5, "SIGNAL_DETECTED"),
        (9, "SIGNAL_CANCELLED"),
        (14, "MONITORING"),
        (15, "SIGNAL_DETECTED"),
        (19, "SIGNAL_CANCELLED"),
    ]


def test_scenario_2_a_cancelled_signal_gives_its_slot_and_its_symbol_back() -> None:
    """While one instrument rests, another may take the slot; on the symbol itself another strategy may."""
    first = strategy(
        instruments=(A, B), z1=NEVER, o1="timeout_s: 240, cooldown_min: 5", limits="{max_concurrent_positions: 1}"
    )
    second = strategy(name="second", instruments=(A,), z1=NEVER)
    done = run(
        [first, second],
        {
            A: "100 S1\n" + "100\n" * 4 + "100 S1\n" + "100\n" * 4,
            B: "100\n100 S1\n100\n100\n100 S1\n100\n100\n100\n100\n100",
        },
    )
    fired = [(s.min, s.strategy, s.instrument, s.event, s.reason) for s in signals_of(done, section="S1")]
    assert fired == [
        (1, "tiny", A, "fired", None),
        (1, "second", A, "suppressed", "symbol_locked"),
        (2, "tiny", B, "suppressed", "slots_full"),
        (5, "tiny", B, "fired", None),  # the slot is free at the very evaluation that cancels the signal
        (6, "second", A, "fired", None),  # A itself rests in the first strategy, not in the second
    ]


# 3: E1 comes before ZE1


def test_scenario_3_an_emergency_exit_wins_over_a_close_of_the_same_evaluation() -> None:
    done = run(
        strategy(
            size="{type: units, value: 7}",
            ze1='all: [{px: "< 95"}], cooldown_min: 5',
            e1='all: [{px: "< 95"}], cooldown_min: 30',
        ),
        "100 S1\n100\n94\n93 93 93 93 S1\n" + "100 S1\n" * 40,
    )
    trade = trades_of(done)[0]
    assert (trade.qty, trade.exit_min, trade.exit_price, trade.exit_reason) == (7, 3, 93, "E1")
    exits = [
        (o.role, o.type, o.qty, o.submitted_min) for o in orders_of(done) if o.submitted_min <= 4 and o.role != "entry"
    ]
    assert exits == [("e1", "market", 7, 3)]
    assert signals_of(done, section="ZE1") == []
    assert [fill.qty for fill in fills_of(done) if fill.min <= 3] == [7, 7]
    # Flat at 3; the next signal can be the evaluation at 33 and not an earlier one.
    assert [s.min for s in signals_of(done, section="S1", event="fired")] == [1, 33]


# 4: check and reservation are one act

FOUR = (A, B, C, D)


def test_scenario_4_of_two_approvals_at_one_instant_exactly_one_passes() -> None:
    account = "{max_position_pct: 10, max_positions: 3, max_symbol_pct: 30}"
    orders = list(itertools.permutations(FOUR))
    for repetition in range(100):
        dice = random.Random(repetition)
        names = dice.choice(orders)
        late = dice.sample(FOUR, 2)
        tables = {name: "100\n100 S1\n100\n100" if name in late else "100 S1\n100\n100\n100" for name in FOUR}
        text = strategy(instruments=names, size="{type: fixed, value: 1000}", account=account)
        done = run(text, tables, seed=repetition)
        first, second = sorted(late, key=names.index)
        late_orders = {o.instrument: (o.state, o.reason) for o in orders_of(done) if o.submitted_min == 2}
        assert late_orders == {first: ("FILLED", None), second: ("DENIED", "max_positions")}
        assert len(trades_of(done)) == 3


# 5: the values of the account's checks


def _one_limit(limit: str) -> str:
    """An account with one limit; the others are off."""
    name = limit.split(":", maxsplit=1)[0]
    others = [part for part in NO_ACCOUNT_LIMITS.strip("{}").split(", ") if part.split(":")[0] != name]
    return "{" + ", ".join([*others, limit]) + "}"


@pytest.mark.parametrize(("notional", "denied"), [(1000.00, []), (1000.01, [(1, "max_position")])])
def test_scenario_5_one_position(notional: float, denied: list[tuple[float, str]]) -> None:
    text = strategy(size=f"{{type: fixed, value: {notional}}}", account=_one_limit("max_position_pct: 10"))
    assert denials_of(run(text, "100 S1\n100")) == denied


@pytest.mark.parametrize(("names", "denied"), [((A, B, C), []), (FOUR, [(1, "max_positions")])])
def test_scenario_5_the_number_of_positions(names: tuple[str, ...], denied: list[tuple[float, str]]) -> None:
    text = strategy(instruments=names, account=_one_limit("max_positions: 3"))
    assert denials_of(run(text, dict.fromkeys(names, "100 S1\n100"))) == denied


@pytest.mark.parametrize(("price", "denied"), [(95.0, []), (94.9999, [(2, "daily_loss")])])
def test_scenario_5_the_loss_of_the_day(price: float, denied: list[tuple[float, str]]) -> None:
    """100 units bought at 100 stand at -500.00, or at -500.01, when the next entry is judged."""
    text = strategy(
        instruments=(A, B), leverage=2, size="{type: units, value: 100}", account=_one_limit("daily_loss_pct: 5")
    )
    assert denials_of(run(text, {A: f"100 S1\n100 100 {price} {price}\n96", B: "1\n1 S1\n1"})) == denied


@pytest.mark.parametrize(("price", "denied"), [(85.0001, []), (85.0, [(2, "max_drawdown")])])
def test_scenario_5_the_drawdown_from_the_peak(price: float, denied: list[tuple[float, str]]) -> None:
    """100 units bought at 100: equity 8500.01, or 8500.00, after a peak of 10 000."""
    text = strategy(
        instruments=(A, B), leverage=2, size="{type: units, value: 100}", account=_one_limit("max_drawdown_pct: 15")
    )
    assert denials_of(run(text, {A: f"100 S1\n100 100 {price} {price}\n90", B: "1\n1 S1\n1"})) == denied


@pytest.mark.parametrize(("second", "denied"), [(3999, []), (4000, [(2, "max_margin")])])
def test_scenario_5_the_use_of_margin(second: float, denied: list[tuple[float, str]]) -> None:
    """20 000 at leverage 5 use 4000; 3999 more are 79.99 % of the equity, 4000 more are 80 %."""
    account = _one_limit("max_margin_pct: 80")
    first = strategy(capital=5_000, leverage=5, size="{type: fixed, value: 20000}", account=account)
    other = strategy(
        name="other", instruments=(B,), capital=5_000, size=f"{{type: fixed, value: {second}}}", account=account
    )
    assert denials_of(run([first, other], {A: "100 S1\n100\n100", B: "100\n100 S1\n100"})) == denied


@pytest.mark.parametrize(("close", "denied"), [(100.0, []), (100.001, [(1, "max_position")])])
def test_scenario_5_a_market_order_is_judged_at_the_last_price(close: float, denied: list[tuple[float, str]]) -> None:
    text = strategy(size="{type: units, value: 10}", account=_one_limit("max_position_pct: 10"))
    assert denials_of(run(text, f"100 101 99 {close} S1\n99")) == denied


# What no run can bring about: two holders of one symbol, and an order before the first price.


@compiled(int64(STATES, LOG_ARRAY, TABLE, int64, float64))
def _send_entry(states: Rows, log: Rows, table: Rows, instance: int, qty: float) -> int:
    state = states[0]
    slot = commands.draft(state, instance, Role.ENTRY.value, 1, qty)
    state.orders[slot].reduce_only = 0
    return commands.send(state, log, table, slot)


def _two_on_one_symbol(account: str) -> Plan:
    texts = [strategy(name=name, capital=5_000, account=account) for name in ("first", "second")]
    rules = {instrument: default_rules(instrument) for instrument in (InstrumentId.parse(A),)}
    plan = make_plan([signal_read.loads(text) for text in texts], rules)
    plan.states[0]["day"] = 0
    return plan


@pytest.mark.parametrize(("qty", "reason"), [(10.0, Reason.NONE), (10.0001, Reason.MAX_SYMBOL)])
@pytest.mark.parametrize("is_filled", [True, False])
def test_scenario_5_one_symbol_over_all_strategies(qty: float, reason: Reason, is_filled: bool) -> None:
    """2000 held or promised by one strategy and 1000.00 or 1000.01 by another, of 10 000."""
    plan = _two_on_one_symbol(_one_limit("max_symbol_pct: 30"))
    state = plan.states[0]
    state["instruments"][0]["mark"] = 100.0
    if is_filled:
        state["positions"][0]["qty"] = 20.0
    else:
        assert _send_entry(plan.states, new_log(), plan.table, 0, 20.0) == 0
    assert _send_entry(plan.states, new_log(), plan.table, 1, qty) == reason


def test_scenario_5_a_market_order_is_refused_when_there_is_no_last_price() -> None:
    plan = _two_on_one_symbol(NO_ACCOUNT_LIMITS)
    assert math.isnan(plan.states[0]["instruments"][0]["mark"])
    assert _send_entry(plan.states, new_log(), plan.table, 0, 1.0) == Reason.PRICE_UNKNOWN
    plan.states[0]["instruments"][0]["mark"] = 100.0
    assert _send_entry(plan.states, new_log(), plan.table, 0, 1.0) == 0
