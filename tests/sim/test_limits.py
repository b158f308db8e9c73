"""Every limit of a strategy and of the account: what it stops, for how long, and that no exit is ever stopped."""

from typing import Any

import pytest

from sim.market import (
    NO_ACCOUNT_LIMITS,
    START_NS,
    A,
    B,
    C,
    denials_of,
    fills_of,
    orders_of,
    rows_of,
    run,
    signals_of,
    states_of,
    strategy,
    trade_of,
    trades_of,
    warned_of,
    when,
)
from tightloop.app.runs.run import Run
from tightloop.model.errors import InputError
from tightloop.model.signal import read as signal_read

close_to = pytest.approx
DAY_MIN = 1440


def only(limit: str) -> str:
    """An account with one limit; the others are off."""
    name = limit.split(":", maxsplit=1)[0]
    others = [part for part in NO_ACCOUNT_LIMITS.strip("{}").split(", ") if part.split(":", maxsplit=1)[0] != name]
    return "{" + ", ".join([*others, limit]) + "}"


def entries_of(done: Run) -> list[float]:
    return [trade.entry_min for trade in trades_of(done)]


LOSS = "100 S1\n100\n99 ZE1\n99\n"  # in at 1, out at 3 one lower
GAIN = "100 S1\n100\n101 ZE1\n101\n"


# Limits of the strategy


def test_no_more_positions_at_once_than_the_strategy_has_slots_for() -> None:
    text = strategy(instruments=(A, B, C), limits="{max_concurrent_positions: 2}")
    done = run(text, dict.fromkeys((A, B, C), "100 S1\n100 S1\n100\n100"))
    assert [(t.instrument, t.entry_min) for t in trades_of(done)] == [(A, 1), (B, 1)]
    suppressed = [(s.min, s.instrument, s.reason) for s in signals_of(done, event="suppressed")]
    assert [own for own in suppressed if own[1] == C] == [(1, C, "slots_full")]


def test_no_more_entries_in_a_day_than_allowed_and_again_the_next_day() -> None:
    text = strategy(limits="{max_daily_trades: 2}")
    done = run(text, GAIN * 4 + "100 S1\n100\n100", start_min=DAY_MIN - 16)
    first = DAY_MIN - 16
    assert entries_of(done) == [first + 1, first + 5, DAY_MIN + 1]
    assert denials_of(done) == [(first + 9, "max_daily_trades"), (first + 13, "max_daily_trades")]


def test_entries_of_one_instant_share_what_is_left_of_the_day() -> None:
    text = strategy(instruments=(A, B), limits="{max_daily_trades: 1}")
    done = run(text, dict.fromkeys((A, B), "100 S1\n100\n100"))
    assert [t.instrument for t in trades_of(done)] == [A]
    assert denials_of(done) == [(1, "max_daily_trades")]


def test_an_entry_that_was_not_filled_is_no_trade_of_the_day() -> None:
    text = strategy(limits="{max_daily_trades: 1}", order="{type: limit, price: 90, ttl_s: 60}")
    assert entries_of(run(text, "100 S1\n100\n100 S1\n100 100 89 89\n89")) == [3]


def test_after_a_loss_the_strategy_waits_on_every_instrument() -> None:
    text = strategy(instruments=(A, B), limits="{loss_cooldown_min: 5}")
    done = run(text, {A: LOSS + "99\n" * 6, B: "100\n100\n100\n100 S1\n100\n100\n100\n100 S1\n100\n100"})
    assert [(t.instrument, t.entry_min) for t in trades_of(done)] == [(A, 1), (B, 8)]  # flat at 3: from 8 on
    assert denials_of(done) == [(4, "loss_cooldown")]


def test_a_gain_has_no_cooldown() -> None:
    assert entries_of(run(strategy(limits="{loss_cooldown_min: 5}"), GAIN + GAIN)) == [1, 5]


def test_fees_can_make_a_loss() -> None:
    text = strategy(limits="{loss_cooldown_min: 5}", costs="{taker_bps: 100}")
    assert denials_of(run(text, GAIN + GAIN)) == [(5, "loss_cooldown")]


def test_after_so_many_losses_in_a_row_no_entry_until_the_next_day() -> None:
    text = strategy(limits="{max_losses_in_row: 2}")
    start = DAY_MIN - 20
    done = run(text, LOSS + GAIN + LOSS + LOSS + LOSS + LOSS + LOSS, start_min=start)
    assert entries_of(done) == [start + 1, start + 5, start + 9, start + 13, DAY_MIN + 1, DAY_MIN + 5]
    assert denials_of(done) == [(start + 17, "loss_streak")]


def test_the_loss_of_a_strategy_in_a_day_stops_that_strategy_until_the_next() -> None:
    account = NO_ACCOUNT_LIMITS
    own = strategy(
        capital=5_000, leverage=2, size="{type: units, value: 100}", limits="{daily_loss_pct: 1}", account=account
    )
    other = strategy(name="other", instruments=(B,), capital=5_000, account=account)
    start = DAY_MIN - 12
    done = run(
        [own, other],
        {A: "100 S1\n100\n98.99 ZE1\n98.99\n" + LOSS * 3, B: GAIN * 4},  # -101 of 10 000
        start_min=start,
    )
    assert [t.entry_min for t in trades_of(done, strategy="tiny")] == [start + 1, DAY_MIN + 1]
    assert denials_of(done) == [(start + 5, "strategy_daily_loss"), (start + 9, "strategy_daily_loss")]
    assert len(trades_of(done, strategy="other")) == 4


@pytest.mark.parametrize(("target", "denied"), [(4, []), (3.99, [(1, "min_risk_reward")])])
def test_the_reward_is_worth_the_risk(target: float, denied: list[tuple[float, str]]) -> None:
    for price in (100, 101.1, 1e-7, 31_415.9):  # at 101.1 a plain comparison of floats would refuse 4 to 2
        text = strategy(
            capital=100_000,
            limits="{min_risk_reward: 2}",
            stop="{type: percent, value: 2}",
            target=f"{{type: percent, value: {target}}}",
        )
        assert denials_of(run(text, f"{price} S1\n{price}")) == denied


def test_a_target_on_the_wrong_side_of_the_entry_is_refused() -> None:
    done = run(strategy(target="{type: absolute, price: 99}"), "100 S1\n100\n100")
    assert denials_of(done) == [(1, "target_beyond_entry")]


def test_a_stop_on_the_wrong_side_of_the_entry_is_refused() -> None:
    assert denials_of(run(strategy(stop="{type: absolute, price: 101}"), "100 S1\n100")) == [(1, "stop_beyond_entry")]


# Limits of the account


def test_the_defaults_of_the_account_apply_always() -> None:
    text = strategy(account="{}", size="{type: fixed, value: 1000.01}")
    assert denials_of(run(text, "100 S1\n100")) == [(1, "max_position")]
    with pytest.raises(InputError, match="leverage"):
        signal_read.loads(strategy(account="{}", leverage=10.1))


def test_a_breach_of_the_daily_loss_stops_entries_until_the_next_day() -> None:
    text = strategy(instruments=(A, B), leverage=2, size="{type: units, value: 100}", account=only("daily_loss_pct: 5"))
    start = DAY_MIN - 6
    done = run(
        text,
        {
            # Down to 94.9 inside the day, up again, and still no entry before midnight.
            A: "100 S1\n100 100 94.9 94.9\n94.9 100 94.9 100\n100\n100\n100\n100\n100\n100",
            B: "1\n1 S1\n1\n1\n1 S1\n1\n1 S1\n1\n1",
        },
        start_min=start,
    )
    assert denials_of(done) == [(start + 2, "daily_loss"), (start + 5, "daily_loss")]
    assert [(t.instrument, t.entry_min) for t in trades_of(done)] == [(A, start + 1), (B, DAY_MIN + 1)]
    assert warned_of(done, "no entries until the next UTC day (1 times")


def test_a_breach_of_the_drawdown_stops_entries_until_the_end_with_one_warning() -> None:
    text = strategy(instruments=(A, B), size="{type: units, value: 100}", account=only("max_drawdown_pct: 15"))
    start = DAY_MIN - 6
    done = run(
        text,
        {
            A: "100 S1\n100 100 84 84\n84 100 84 100\n100\n84\n100\n120\n120\n120",
            B: "1\n1\n1 S1\n1\n1 S1\n1\n1 S1\n1 S1\n1",
        },
        start_min=start,
    )
    assert {reason for _, reason in denials_of(done)} == {"max_drawdown"}
    assert [t.instrument for t in trades_of(done)] == [A]
    assert sum("no entries until the end of the run" in warning for warning in done.summary["warnings"]) == 1


def test_a_drawdown_near_its_limit_is_said_and_stops_nothing() -> None:
    text = strategy(
        instruments=(A, B), leverage=2, size="{type: units, value: 100}", account=only("max_drawdown_pct: 15")
    )
    done = run(text, {A: "100 S1\n100 100 88 88\n88\n88", B: "1\n1 S1\n1\n1"})
    assert warned_of(done, "drawdown came within a fifth of its limit (1 times")
    assert len(trades_of(done)) == 2
    assert not warned_of(run(text, {A: "100 S1\n100 100 88.01 88.01\n88.01", B: "1\n1\n1"}), "drawdown came")


@pytest.mark.parametrize(
    ("limit", "size", "reason"),
    [
        ("max_order_notional: 500", "{type: fixed, value: 500.01}", "max_order_notional"),
        ("max_portfolio_pct: 20", "{type: fixed, value: 2000.01}", "max_portfolio"),
        ("max_symbol_pct: 30", "{type: fixed, value: 3000.01}", "max_symbol"),
    ],
)
def test_limits_on_the_size_of_an_order(limit: str, size: str, reason: str) -> None:
    assert denials_of(run(strategy(account=only(limit), size=size), "100 S1\n100")) == [(1, reason)]
    inside = size.replace(".01", "")
    assert denials_of(run(strategy(account=only(limit), size=inside), "100 S1\n100")) == []


def test_the_portfolio_counts_what_is_held_and_what_waits() -> None:
    text = strategy(
        instruments=(A, B, C), account=only("max_portfolio_pct: 20"), size="{type: fixed, value: 1000}",
        order="{type: limit, price: close}",
    )  # fmt: skip
    done = run(text, {A: "100 S1\n100 101 99 100\n100\n100", B: "100\n100\n100 S1\n100", C: "100\n100\n100 S1\n100"})
    assert [(o.instrument, o.state) for o in orders_of(done)] == [(A, "FILLED"), (B, "ACCEPTED"), (C, "DENIED")]
    assert denials_of(done) == [(3, "max_portfolio")]


@pytest.mark.parametrize(("offset_bps", "denied"), [(-200, []), (-201, [(1, "price_band")])])
def test_a_price_lies_within_its_band_around_the_mark(offset_bps: float, denied: list[tuple[float, str]]) -> None:
    text = strategy(order=f"{{type: limit, price: close, offset_bps: {offset_bps}}}", account=only("price_band_pct: 2"))
    assert denials_of(run(text, "100 S1\n100")) == denied


@pytest.mark.parametrize(("notional", "denied"), [(10, []), (9.99, [(1, "below_min_notional")])])
def test_an_order_reaches_the_least_notional_of_its_instrument(
    notional: float, denied: list[tuple[float, str]]
) -> None:
    text = strategy(size=f"{{type: fixed, value: {notional}}}")
    assert denials_of(run(text, "100 S1\n100", rules={A: "{min_notional: 10}"})) == denied


# No limit ever blocks an exit


@pytest.mark.parametrize(
    ("limits", "account"),
    [
        ("{max_daily_trades: 1}", NO_ACCOUNT_LIMITS),
        ("{daily_loss_pct: 0.1}", NO_ACCOUNT_LIMITS),
        ("{}", only("daily_loss_pct: 0.1")),
        ("{}", only("max_drawdown_pct: 0.1")),
        ("{}", only("max_position_pct: 1")),
        ("{}", only("max_margin_pct: 1.1")),
        ("{}", only("max_order_notional: 100")),
        ("{}", only("max_portfolio_pct: 1")),
    ],
)
@pytest.mark.parametrize("way", ["ZE1", "E1", "stop", "target", "time"])
def test_no_limit_blocks_an_exit(limits: str, account: str, way: str) -> None:
    """Deep in loss (or doubled, for the target), beyond every limit, each way out still works."""
    after = {"ZE1": "50\n50 ZE1\n50", "E1": "50\n50 E1\n50", "stop": "50 50 49 50", "target": "200 250 200 200"}
    own = {
        "stop": {"stop": "{type: absolute, price: 49.5}"},
        "target": {"target": "{type: absolute, price: 240}"},
        "time": {"limits": limits.replace("}", ", max_hold_min: 3}").replace("{,", "{")},
    }
    text = strategy(**({"limits": limits, "account": account, "size": "{type: fixed, value: 100}"} | own.get(way, {})))
    done = run(text, "100 S1\n100\n" + after.get(way, "50\n50\n50\n50"))
    reasons = {"stop": "stop_loss", "target": "take_profit"}
    assert trade_of(done).exit_reason == reasons.get(way, way)


# Kill switch


def _killed(**scope: Any) -> Run:
    text = [
        strategy(instruments=(A, B), order="{type: market}"),
        strategy(name="other", instruments=(C,), order="{type: limit, price: 90}"),
    ]
    tables = {
        A: "100 S1\n100\n101\n102\n103 S1\n104\n105 S1\n106\n107",  # holds
        B: "100 S1\n100\n101\n102\n103 S1\n104\n105 S1\n106\n107",  # holds
        C: "100\n100 S1\n100\n100\n100 S1\n100\n100 S1\n100\n89",  # waits to enter
    }
    return run(text, tables, kill={2.5: scope, 5.5: scope | {"engaged": False}})


def test_the_kill_switch_cancels_flattens_and_bars_entries_until_re_armed() -> None:
    done = _killed()
    assert [(t.instrument, t.exit_min, t.exit_price, t.exit_reason) for t in trades_of(done)][:2] == [
        (A, 3, 102, "manual"),
        (B, 3, 102, "manual"),
    ]
    waits = orders_of(done, instrument=C)[0]
    assert (waits.state, waits.reason, waits.updated_min) == ("CANCELED", "killed", 2.5)
    suppressed = [(s.min, s.instrument, s.reason) for s in signals_of(done, event="suppressed")]
    assert suppressed == [(5, name, "kill_switch") for name in (A, B, C)]
    assert [t.entry_min for t in trades_of(done)][2:] == [7, 7, 8]  # re-armed at 5.5: the signals of 7 enter
    assert warned_of(done, "kill switch was used 2 times")


def test_the_kill_switch_of_a_symbol_leaves_the_others_alone() -> None:
    done = _killed(instrument=0)
    assert [(t.instrument, t.exit_min) for t in trades_of(done) if t.exit_min] == [(A, 3)]
    assert {t.instrument for t in trades_of(done) if t.exit_min is None} == {A, B, C}
    assert orders_of(done, instrument=C)[0].state == "FILLED"


def test_the_kill_switch_of_a_strategy_leaves_the_others_alone() -> None:
    done = _killed(strategy=0)
    assert sorted((t.instrument, t.exit_min) for t in trades_of(done) if t.exit_min) == [(A, 3), (B, 3)]
    assert orders_of(done, instrument=C)[0].state == "FILLED"


def test_the_kill_switch_ends_a_signal_that_waits_for_its_entry() -> None:
    done = run(strategy(z1=when("Z1")), "100 S1\n100\n100 Z1\n100\n100", kill={1.5: {}})
    assert orders_of(done) == []
    assert states_of(done) == [(1, "SIGNAL_DETECTED"), (1.5, "SIGNAL_CANCELLED"), (1.5, "MONITORING")]


def test_exits_work_while_the_kill_switch_is_engaged() -> None:
    done = run(strategy(stop="{type: percent, value: 5}"), "100 S1\n100\n100\n90 90 80 85\n85", kill={2.5: {}})
    assert (trade_of(done).exit_min, trade_of(done).exit_price) == (3, 90)


# Sizing


@pytest.mark.parametrize(
    ("size", "qty"),
    [
        ("{type: fixed, value: 1000}", 10),
        ("{type: units, value: 3}", 3),
        ("{type: percentage, value: 5}", 5),
        ("{type: risk, value: 1}", 50),  # 100 lost over a distance of 2
        ("{type: fixed, value: 10, clamp: [20, 500]}", 0.2),
        ("{type: fixed, value: 1000, clamp: [20, 500]}", 5),
        ("{type: risk, value: 1, clamp: [20, 500]}", 5),
        ("{type: units, value: 50, clamp: [20, 500]}", 5),
    ],
)
def test_the_size_of_an_entry(size: str, qty: float) -> None:
    done = run(strategy(size=size, stop="{type: percent, value: 2}"), "100 S1\n100\n100")
    assert trade_of(done).qty == close_to(qty)


@pytest.mark.parametrize(("risk", "factor"), [(10, 1.2), (20, 1.2), (50, 0.81), (70, 0.55), (90, 0.55)])
def test_a_risk_variant_scales_the_size(risk: float, factor: float) -> None:
    """1.2 - (30 / 50) x 0.65 = 0.81 at a risk of 50."""
    size = "{type: fixed, value: 1000, scale: {variant: vol, points: [[20, 1.2], [70, 0.55]]}}"
    done = run(strategy(s1='all: [{px: "== 100"}]', size=size), f"100 100 100 100 {risk}\n101 101 101 101 {risk}")
    assert trade_of(done).qty == close_to(10 * factor)


def test_a_percentage_is_of_the_equity_that_no_margin_binds() -> None:
    text = strategy(instruments=(A, B), size="{type: percentage, value: 50}", leverage=2)
    done = run(text, {A: "100 S1\n100\n110\n110", B: "100\n100\n100 S1\n100"})
    first, second = trades_of(done)
    # 5000 at leverage 2 bind 2500; 50 units gain 500: half of 10 500 - 2500 is 4000.
    assert (first.qty, second.qty) == (close_to(50), close_to(40))


def test_the_loss_at_the_stop_is_the_risk() -> None:
    text = strategy(size="{type: risk, value: 1}", stop="{type: percent, value: 2, of: signal}")
    done = run(text, "100 S1\n100\n100 100 97 97\n97")
    assert trade_of(done).pnl == close_to(-100)


# Days


def test_a_session_over_midnight_begins_the_day_anew() -> None:
    """A position carried over midnight: the loss of yesterday is not one of today."""
    text = strategy(instruments=(A, B), leverage=2, size="{type: units, value: 100}", account=only("daily_loss_pct: 5"))
    start = DAY_MIN - 4
    table_a = "100 S1\n100 100 96 96\n96\n96\n96 96 92 92\n92\n92"  # -400 before midnight, -400 after
    done = run(text, {A: table_a, B: "1\n1\n1\n1\n1\n1 S1\n1"}, start_min=start)
    assert denials_of(done) == []
    assert [row.drawdown_pct for row in rows_of(done.equity)][-1] == close_to(8)
    assert START_NS % 86_400_000_000_000 == 0


def test_what_is_decided_at_midnight_belongs_to_the_day_that_begins() -> None:
    text = strategy(limits="{max_daily_trades: 1}")
    done = run(text, GAIN + "100\n100 S1\n100 ZE1\n100 S1\n100", start_min=DAY_MIN - 6)
    # The signal at the close of the last bar of the day fills at 00:00 and is the one of the new day.
    assert entries_of(done) == [DAY_MIN - 5, DAY_MIN]
    assert denials_of(done) == [(DAY_MIN + 2, "max_daily_trades")]
    assert [f.min for f in fills_of(done)][-1] == DAY_MIN + 1
