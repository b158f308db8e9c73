"""An account whose equity is not above 0: nothing is entered, what waits is called off, what is held is managed on."""

from typing import Any

import pytest

from sim.market import (
    ACCEPT,
    A,
    B,
    bars,
    denials_of,
    fills_of,
    orders_of,
    run,
    strategy,
    trade_of,
    trades_of,
    warned_of,
)
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs import sweep as runs_sweep

close_to = pytest.approx
ALL_IN = "{type: fixed, value: 10_000}"


def test_a_short_that_lost_more_than_all_enters_no_more() -> None:
    """100 units short at 100, liquidated at the open of 300: -20,000 of 10,000."""
    text = strategy(direction="SHORT", size=ALL_IN)
    done = run(text, "100 S1\n100\n300 300 300 300 S1\n290 S1\n290 S1\n290")
    assert trade_of(done).pnl == close_to(-20_000)
    assert done.summary["final_equity"] == close_to(-10_000)
    assert denials_of(done) == [(3, "ruined"), (4, "ruined"), (5, "ruined")]
    assert warned_of(done, "ruined at 2024-01-01T00:02:00Z: equity was -10000.00")


def test_a_long_that_lost_more_than_all_enters_no_more() -> None:
    """1,000 units at 100 with leverage 10, liquidated at the open of 80: -20,000 of 10,000."""
    done = run(strategy(size="{type: units, value: 1000}", leverage=10), "100 S1\n100\n80 S1\n80 S1\n80")
    assert trade_of(done).pnl == close_to(-20_000)
    assert denials_of(done) == [(3, "ruined"), (4, "ruined")]


SIZES = ("fixed, value: 10", "units, value: 1", "percentage, value: 50", "risk, value: 1")


@pytest.mark.parametrize("size", [f"{{type: {own}}}" for own in SIZES])
def test_whatever_the_size_it_is_the_ruin_that_is_named(size: str) -> None:
    ruins = strategy(name="ruins", direction="SHORT", size="{type: fixed, value: 20_000}")
    other = strategy(name="other", instruments=(B,), size=size, stop="{type: percent, value: 5}")
    done = run([ruins, other], {A: "100 S1\n100\n300\n300", B: "100\n100\n100 S1\n100 S1"})
    assert denials_of(done) == [(3, "ruined"), (4, "ruined")]


def test_what_waits_to_be_entered_is_called_off_and_what_is_held_is_managed_on() -> None:
    """The limit of B waits when A ruins the account, and would fill a bar later; C is held and closed by ZE1."""
    ruins = strategy(name="ruins", direction="SHORT", size="{type: fixed, value: 20_000}")
    waits = strategy(name="waits", instruments=(B,), order="{type: limit, price: 90}")
    held = strategy(name="held", instruments=("test:HELDUSDT-perp",))
    market = {
        A: "100 S1\n100\n300\n300\n300",
        B: "100 S1\n100\n100\n100 100 80 100\n100",
        "test:HELDUSDT-perp": "100 S1\n100\n100\n100 ZE1\n99",
    }
    done = run([ruins, waits, held], market)
    (entry,) = orders_of(done, strategy="waits")
    assert (entry.state, entry.reason) == ("CANCELED", "ruined")
    assert not fills_of(done, strategy="waits")
    (own,) = trades_of(done, strategy="held")
    assert (own.exit_min, own.exit_reason, own.pnl) == (4, "ZE1", close_to(-1))


def test_equity_that_comes_back_changes_nothing() -> None:
    """A second position gains more than the first lost: equity is above 0 again, and still nothing is entered."""
    ruins = strategy(name="ruins", direction="SHORT", size="{type: fixed, value: 10_000}", capital=10_000)
    gains = strategy(name="gains", instruments=(B,), size="{type: fixed, value: 1_000}", capital=1_000)
    market = {A: "100 S1\n100\n300\n300\n300 S1\n300", B: "100 S1\n100\n100\n10_000 S1\n10_000\n10_000"}
    done = run([ruins, gains], market)
    assert done.summary["final_equity"] == close_to(11_000 - 20_000 + 10 * 9_900)
    assert denials_of(done) == [(5, "ruined")]


def test_equity_of_exactly_nothing_is_ruin() -> None:
    """100 units short at 100 with 10,000: liquidated at the open of 200, where all is lost and no more."""
    done = run(strategy(direction="SHORT", size=ALL_IN), "100 S1\n100\n200\n200 S1\n200")
    assert done.summary["final_equity"] == 0
    assert denials_of(done) == [(4, "ruined")]


def _ruined(value: float) -> tuple[str, dict[str, Any]]:
    """A short of so many units at 100 that opens at 300: 50 of them lose all of 10,000, 100 twice as much."""
    text = strategy(direction="SHORT", size=f"{{type: units, value: {value}}}")
    return text, {"data": {A: bars("100 S1\n100\n300 300 300 300 S1\n290 S1\n290")}, "accept": ACCEPT}


@pytest.mark.parametrize(("units", "equity"), [(100, -10_000), (50, 0)])
def test_one_event_at_a_time_an_account_is_ruined_alike(units: float, equity: float) -> None:
    text, given = _ruined(units)
    one, other = (runs_backtest.backtest(text, **given, one_by_one=own) for own in (True, False))
    assert one.summary["final_equity"] == close_to(equity)
    assert denials_of(one) == denials_of(other) == [(3, "ruined"), (4, "ruined")]
    assert [w for w in one.summary["warnings"] if "ruined at 2024-01-01T00:02:00Z" in w]
    assert {**one.summary, "inputs": 0} == {**other.summary, "inputs": 0}
    unknown = ("sharpe", "sortino", "volatility_pct", "cagr_pct", "calmar")
    assert [one.metrics[name] for name in unknown] == [None] * 5
    assert one.metrics["total_return_pct"] == close_to(100 * equity / 10_000 - 100)


def test_a_sweep_says_of_which_sets_the_account_was_ruined() -> None:
    """10 units lose 2,000 and enter again; 50 and 100 lose all: two entries are denied, figures of returns are null."""
    text, given = _ruined(1)
    for threads in (1, 2):
        done = runs_sweep.sweep(text, parameters={"sections.Z1.size.value": [10, 50, 100]}, threads=threads, **given)
        rows = done.frame.sort("sections.Z1.size.value")
        assert rows["denied"].to_list() == [0, 2, 2]
        assert rows["total_return_pct"].to_list()[1:] == [close_to(-100), close_to(-200)]
        assert rows["max_drawdown_pct"].to_list()[1:] == [close_to(100), close_to(200)]
        assert rows["sharpe"].to_list() == [None] * 3


def test_a_sweep_counts_a_ruin_in_the_part_in_which_it_was() -> None:
    """Ruined in the first half; the second one begins with the capital again."""
    table = "100 S1\n100\n300 300 300 300 S1\n290\n100\n100 S1\n100\n100"
    text, given = _ruined(1)
    given["data"] = {A: bars(table)}
    done = runs_sweep.sweep(text, parameters={"sections.Z1.size.value": [100]}, split=0.5, **given)
    (row,) = done.frame.iter_rows(named=True)
    assert (row["denied"], row["oos_denied"]) == (1, 0)
    assert (row["total_return_pct"], row["oos_total_return_pct"]) == (close_to(-200), close_to(0))


def test_a_run_that_only_lost_is_not_ruined() -> None:
    done = run(strategy(direction="SHORT", size=ALL_IN), "100 S1\n100\n199.5\n100 S1\n100")
    assert done.summary["final_equity"] == close_to(50)
    assert not warned_of(done, "ruined")
