"""The bugs found in the machine that this one replaces, each named after what can not happen here."""

from collections.abc import Callable
from typing import Any

import pytest

from sim.market import (
    NO_ACCOUNT_LIMITS,
    A,
    B,
    bars,
    denials_of,
    fills_of,
    orders_of,
    run,
    signals_of,
    states_of,
    strategy,
    trade_of,
    trades_of,
    when,
)
from tightloop.app.runs.run import Run
from tightloop.model.errors import InputError
from tightloop.model.signal import read as signal_read

close_to = pytest.approx


def test_1_a_signal_sends_no_order_and_an_entry_is_sent_once() -> None:
    done = run(strategy(z1=when("Z1")), "100 S1\n100\n100 S1\n100 Z1\n100 Z1\n100 S1+Z1\n100")
    assert [(o.role, o.submitted_min) for o in orders_of(done)] == [("entry", 4)]
    assert [fill.qty for fill in fills_of(done)] == [1]
    assert states_of(done)[:2] == [(1, "SIGNAL_DETECTED"), (4, "ENTRY_EVALUATION")]


def test_2_a_cooldown_never_delays_an_exit() -> None:
    done = run(
        strategy(e1=f"{when('E1')}, cooldown_min: 30", stop="{type: percent, value: 5}"),
        # Out by E1 at 3; the cooldown runs from flat. In again at 34, and the stop works there as ever.
        "100 S1\n100\n100 E1\n99\n" + "100 S1\n" * 30 + "100 100 94 95\n95",
    )
    assert [(t.exit_min, t.exit_reason) for t in trades_of(done)] == [(3, "E1"), (34, "stop_loss")]
    emergency = orders_of(done, role="e1")[0]
    assert (emergency.submitted_min, emergency.updated_min) == (3, 3)
    rested = [(minute, state) for minute, state in states_of(done) if state in ("EXITED", "MONITORING")]
    assert rested[:2] == [(3, "EXITED"), (33, "MONITORING")]


@pytest.mark.parametrize("way", ["ZE1", "E1"])
@pytest.mark.parametrize(
    "size", ["{type: percentage, value: 10}", "{type: fixed, value: 777}", "{type: units, value: 3}"]
)
def test_3_an_exit_closes_what_is_held_and_leaves_nothing(way: str, size: str) -> None:
    done = run(strategy(size=size), f"100 S1\n100\n200\n200 {way}\n200\n200")  # at twice the price of the entry
    entry, exit_fill = fills_of(done)
    assert exit_fill.qty == entry.qty
    assert trade_of(done).exit_reason == way
    assert done.equity["cash"][-1] == done.equity["equity"][-1]


def test_4_a_refused_entry_is_no_position() -> None:
    account = "{max_position_pct: 10}"
    done = run(strategy(size="{type: fixed, value: 1001}", account=account), "100 S1\n100\n100 ZE1\n100")
    assert denials_of(done) == [(1, "max_position")]
    assert fills_of(done) == []
    assert "POSITION_ACTIVE" not in [state for _, state in states_of(done)]


def test_4_an_entry_that_the_venue_rejects_is_no_position() -> None:
    done = run(strategy(order="{type: limit, price: 101, post_only: true}"), "100 S1\n100\n100 ZE1\n100")
    assert orders_of(done)[0].state == "REJECTED"
    assert [state for _, state in states_of(done)][-2:] == ["SIGNAL_CANCELLED", "MONITORING"]
    assert trades_of(done) == []


def test_5_no_price_is_ever_made_up() -> None:
    """A price, a size, a stop or a target that is not known yet refuses the entry."""
    slow = "slow: {type: SMA, period: 3}"
    table = "100 S1\n100"
    for own, reason in (
        ({"order": "{type: limit, price: slow}"}, "price_unknown"),
        ({"size": "{type: units, value: 1, scale: {variant: slow, points: [[1, 1], [2, 2]]}}"}, "size_unknown"),
        ({"stop": "{type: indicator, variant: slow}"}, "stop_unknown"),
        ({"stop": "{type: atr, variant: slow, multiple: 1}"}, "stop_unknown"),
        ({"target": "{type: indicator, variant: slow}"}, "target_unknown"),
        ({"target": "{type: ladder, of: pump_retracement, base: slow, steps: [[50, 100]]}"}, "target_unknown"),
    ):
        done = run(strategy(variants=slow, **own), table)
        assert denials_of(done) == [(1, reason)], own
        assert fills_of(done) == []


@pytest.mark.parametrize("direction", ["LONG", "SHORT"])
def test_6_a_profit_target_on_the_open_profit_fires(direction: str) -> None:
    text = strategy(direction=direction, variants="pnl: {type: UNREALIZED_PNL_PCT}", ze1='all: [{pnl: ">= 5"}]')
    sign = 1 if direction == "LONG" else -1
    prices = [100 + sign * move for move in (0, 0, 4.99, 5, 5)]
    done = run(text, f"{prices[0]} S1\n" + "\n".join(str(price) for price in prices[1:]))
    assert (trade_of(done).exit_min, trade_of(done).exit_reason) == (4, "ZE1")


def test_6_the_open_profit_is_unknown_while_nothing_is_held() -> None:
    text = strategy(variants="pnl: {type: UNREALIZED_PNL_PCT}", s1='all: [{pnl: "== 0"}]')
    assert signals_of(run(text, "100\n100\n100")) == []
    text = strategy(variants="pnl: {type: UNREALIZED_PNL_PCT}", s1='all: [{not: {pnl: "== 0"}}]')
    assert signals_of(run(text, "100\n100\n100")) == []


@pytest.mark.parametrize(
    ("own", "seen"),
    [
        ({"size": "{type: fixed, value: 500}"}, lambda done: trade_of(done).qty == 5),
        ({"stop": "{type: percent, value: 1}"}, lambda done: trade_of(done).exit_price == 99),
        ({"target": "{type: percent, value: 1}"}, lambda done: trade_of(done).exit_price == 101),
        ({"leverage": 50, "account": "{max_leverage: 50, max_position_pct: null, max_symbol_pct: null}"},
         lambda done: trade_of(done).exit_reason == "liquidation"),
        ({"z1": when("Z1"), "o1": "timeout_s: 60"}, lambda done: signals_of(done)[1].reason == "o1_timeout"),
        ({"ze1": 'all: [{px: "== 100"}], cooldown_min: 2'}, lambda done: states_of(done)[-1] == (2, "EXITED")),
        ({"s1": 'any: [{px: "< 0"}, {px: "> 0"}]'}, lambda done: len(trades_of(done)) == 1),
        ({"s1": 'all: [{not: {px: "< 0"}}]'}, lambda done: len(trades_of(done)) == 1),
        ({"e1": f"{when('E1')}, actions: {{cancel_pending: true}}", "order": "{type: limit, price: 50}"},
         lambda done: orders_of(done)[0].reason == "e1_true"),
    ],
)  # fmt: skip
def test_7_what_a_section_says_is_what_runs(own: dict[str, Any], seen: Callable[[Run], bool]) -> None:
    last = "100 100 100 100 E1" if "e1" in own else "100"
    assert seen(run(strategy(**own), f"100 S1\n100 102 98 100\n{last}"))


def test_8_a_threshold_that_is_no_comparison_is_refused() -> None:
    with pytest.raises(InputError, match="E1"):
        signal_read.loads(strategy(e1="all: [{px: {max: 90}}]"))


def test_8_a_section_written_as_a_list_is_refused() -> None:
    with pytest.raises(InputError, match="E1"):
        signal_read.loads(strategy(e1="all: {px: 90}"))


def test_9_each_symbol_has_a_state_of_its_own() -> None:
    done = run(
        strategy(instruments=(A, B), stop="{type: percent, value: 5}"),
        {A: "100 S1\n100\n100 100 94 96\n96\n96", B: "50\n50\n50 S1\n50 \n50 ZE1\n50"},
    )
    assert [(t.instrument, t.entry_min, t.exit_min, t.exit_reason) for t in trades_of(done)] == [
        (A, 1, 2, "stop_loss"),
        (B, 3, 5, "ZE1"),
    ]


def test_10_the_emergency_exit_cancels_an_entry_that_waits() -> None:
    done = run(strategy(order="{type: limit, price: 90}"), "100 S1\n100\n100 E1\n89 89 89 89\n89")
    (order,) = orders_of(done)
    assert (order.state, order.reason, order.updated_min) == ("CANCELED", "e1_true", 3)
    assert trades_of(done) == []


def test_10_the_emergency_exit_is_seen_while_a_close_is_under_way() -> None:
    """The close of ZE1 waits for volume; E1 comes meanwhile: state and cooldown are those of the emergency."""
    done = run(
        strategy(
            s1='all: [{px: "== 100"}]',
            size="{type: units, value: 10}",
            ze1='all: [{px: "== 101"}], cooldown_min: 1',
            e1='all: [{px: "== 102"}], cooldown_min: 30',
            costs="{taker_bps: 0, participation: 0.1}",
        ),
        """
        100 100 100 100 200
        99 99 99 99 200
        101 101 101 101 200
        101 102 101 102 50
        102 102 102 102 50
        100 100 100 100 200
        100 100 100 100 200
        """,
    )
    assert [(f.min, f.side, f.qty) for f in fills_of(done)][:3] == [(1, "BUY", 10), (3, "SELL", 5), (4, "SELL", 5)]
    came = [state for _, state in states_of(done)]
    assert came[came.index("EXIT_PENDING") : came.index("EXITED")] == ["EXIT_PENDING", "EMERGENCY_EXIT"]
    assert len(trades_of(done)) == 1  # 100 again, and 30 minutes of rest


def test_10_an_emergency_that_a_stop_completes_rests_like_an_emergency() -> None:
    done = run(
        strategy(
            s1='all: [{px: "== 100"}]', size="{type: units, value: 10}", stop="{type: percent, value: 5}",
            e1='all: [{px: "== 99"}], cooldown_min: 30', costs="{taker_bps: 0, participation: 0.1}",
        ),
        "100 100 100 100 200\n100 100 99 99 200\n99 99 90 90 50\n90 90 90 90 200\n" + "100 100 100 100 200\n" * 5,
    )  # fmt: skip
    assert [(f.role, f.qty) for f in fills_of(done)][1:] == [("e1", 5), ("e1", 5)]
    assert len(trades_of(done)) == 1


def test_11_two_variants_of_one_type_do_not_overwrite_each_other() -> None:
    text = strategy(
        variants="fast: {type: SMA, period: 2}, slow: {type: SMA, period: 4}", s1="all: [{fast: crosses_above slow}]"
    )
    done = run(text, "100\n100\n100\n100\n98\n104\n104")
    (signal,) = signals_of(done, section="S1")
    # At the fifth bar fast is 99 and slow 99.5; at the sixth (98 + 104) / 2 = 101 and (100 + 100 + 98 + 104) / 4.
    assert signal.min == 6
    assert '"variant":"fast"' in signal.conditions
    assert '"value":101.0,"threshold":100.5' in signal.conditions


@pytest.mark.parametrize(("direction", "first", "second"), [("LONG", "BUY", "SELL"), ("SHORT", "SELL", "BUY")])
def test_12_a_strategy_trades_the_one_way_it_names(direction: str, first: str, second: str) -> None:
    done = run(strategy(direction=direction), "100 S1\n100\n100 ZE1\n100 S1\n100\n100 E1\n100")
    assert [fill.side for fill in fills_of(done)] == [first, second] * 2
    assert {trade.side for trade in trades_of(done)} == {direction}


def test_12_both_ways_at_once_is_no_direction() -> None:
    with pytest.raises(InputError, match="direction"):
        signal_read.loads(strategy(direction="BOTH"))


def test_13_two_strategies_see_values_of_their_own() -> None:
    """The same name, type and symbol; what each strategy compares is its own variant."""
    slow = strategy(variants="avg: {type: SMA, period: 4}", s1='all: [{avg: "> 101"}]')
    fast = strategy(
        name="other", variants="avg: {type: SMA, period: 2}", s1='all: [{avg: "> 101"}]', z1="all: [{px: '< 0'}]"
    )
    done = run([slow, fast], "100\n100\n100\n100\n104\n104\n104")
    assert [(s.strategy, s.min, s.event) for s in signals_of(done, section="S1")] == [
        ("other", 5, "fired"),
        ("tiny", 6, "suppressed"),
    ]


def test_13_two_runs_in_one_process_do_not_share_anything() -> None:
    frame = bars("100 S1\n101\n102 ZE1\n103")
    one = run(strategy(), frame)
    run(strategy(direction="SHORT", account=NO_ACCOUNT_LIMITS), bars("1 S1\n2\n3"))
    again = run(strategy(), frame)
    assert one.summary == again.summary
