"""Entries that were denied: how many, by which check, what to write instead; by hand, and what is written helps."""

import polars as pl
import pytest

from tightloop.app.runs.backtest import backtest
from tightloop.app.runs.sweep import sweep
from tightloop.runtime.results.denials import together

STRATEGY = """
name: own
family: signal
direction: LONG
instruments: [test:XUSDT-perp]
timeframe: 1m
capital: 10_000
variants: {price: {type: PRICE}}
sections:
  S1: {all: [{price: ">= 101"}]}
  Z1: {immediate: true, size: {type: percentage, value: 50}, stop_loss: {type: percent, value: 2}}
"""
PYTHON = """
name: own
family: python
class: own.py:Own
instruments: [test:XUSDT-perp]
timeframe: 1m
capital: 10_000
"""
CODE = """
class Own:
    def on_bar(self, view, bar):
        if view.position() == 0:
            view.buy(notional=5_000)
"""


def frame(*closes):
    """Bars whose four prices are one."""
    own = pl.DataFrame({name: [float(close) for close in closes] for name in ("open", "high", "low", "close")})
    times = START_NS + pl.int_range(0, len(own)) * 60_000_000_000
    return {"test:XUSDT-perp": own.with_columns(volume=pl.lit(1e6), ts=times)}


START_NS = 1_704_067_200_000_000_000
DATA = frame(100, 101, 102, 103, 104, 100)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_every_close_above_101_asks_and_is_denied_until_the_limit_is_what_the_text_says(one_by_one):
    run = backtest(STRATEGY, data=DATA, one_by_one=one_by_one)
    (row,) = run.summary["denied"]
    assert (row["reason"], row["check"], row["limit"], row["count"]) == ("max_position", "max_position_pct", 10.0, 4)
    assert row["text"] == (
        "4 entries denied by max_position_pct (10): size 50 % of equity is above it; write account: {max_position_pct: "
        "50, max_symbol_pct: 50} or --account research"
    )
    settings = ["account.max_position_pct=50", "account.max_symbol_pct=50"]
    for again in (backtest(STRATEGY, data=DATA, settings=settings), backtest(STRATEGY, data=DATA, account="research")):
        assert again.summary["denied"] == []
        assert again.fills.height == 1


def test_the_result_names_the_research_account():
    run = backtest(STRATEGY, data=DATA, account="research")
    account = run.summary["account"]
    assert account["preset"] == "research"
    assert account["max_position_pct"] is None
    assert account["max_margin_pct"] == 80.0
    assert "preset" not in backtest(STRATEGY, data=DATA).summary["account"]
    assert "account research" in run.report()


def test_a_size_in_units_is_told_by_what_was_asked_for():
    # 40 at 101 to 104: at most 4,160 of 10,000, which is 41.6 %.
    run = backtest(STRATEGY, data=DATA, settings=["sections.Z1.size={type: units, value: 40}"])
    (row,) = run.summary["denied"]
    assert row["count"] == 4
    assert "a size of up to 41.6 % of equity is above it" in row["text"]
    assert "{max_position_pct: 42, max_symbol_pct: 42} or --account research" in row["text"]


def test_the_other_side_is_denied_alike():
    run = backtest(STRATEGY, data=DATA, settings=["direction=SHORT"])
    assert [(row["check"], row["count"]) for row in run.summary["denied"]] == [("max_position_pct", 4)]


def test_entries_of_a_class_in_python_are_counted_too(tmp_path):
    (tmp_path / "own.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "own.yaml").write_text(PYTHON, encoding="utf-8")
    run = backtest(tmp_path / "own.yaml", data=DATA)
    (row,) = run.summary["denied"]
    assert (row["check"], row["count"]) == ("max_position_pct", run.orders.filter(pl.col("state") == "DENIED").height)
    assert row["count"] >= 5
    assert "--account research" in row["text"]
    assert backtest(tmp_path / "own.yaml", data=DATA, account="research").summary["denied"] == []


def test_a_limit_of_the_strategy_is_named_as_the_file_writes_it():
    settings = ["sections.Z1.size.value=5", "limits.max_daily_trades=1", "limits.max_hold_min=1"]
    run = backtest(STRATEGY, data=frame(*[101] * 8), settings=settings)
    (row,) = run.summary["denied"]
    assert row["count"] >= 1
    assert row["text"].endswith(
        "denied by max_daily_trades (1): the UTC day already had this many entries; "
        "write limits: {max_daily_trades: off}"
    )


def test_a_sweep_counts_them_for_each_set():
    done = sweep(STRATEGY, parameters={"sections.Z1.size.value": [5, 50]}, data=DATA)
    assert done.frame["denied"].to_list() == [0, 4]
    assert done.frame["denied"].dtype == pl.Int64


def test_denials_of_several_runs_are_added_up_by_their_reason():
    rows = [
        [{"reason": "a", "count": 1, "text": "1 entry denied by a (5): up to 7 % was asked for; write a: 7"}],
        [{"reason": "b", "count": 2, "text": "2 entries denied by b: x; y"},
         {"reason": "a", "count": 1_200, "text": "1,200 entries denied by a (5): up to 9 % was asked for; write a: 9"}],
        [],
    ]  # fmt: skip
    assert together(rows) == [
        {"reason": "a", "count": 1_201, "text": "1,201 entries denied by a (5): up to 9 % was asked for; write a: 9"},
        {"reason": "b", "count": 2, "text": "2 entries denied by b: x; y"},
    ]


def test_the_report_says_it_first_and_never_that_every_entry_was_filled():
    page = backtest(STRATEGY, data=DATA).report()
    box = page.index('class="callout grave"')
    assert page.index("4 entries denied by max_position_pct (10)") > box
    assert "Every entry order was filled." not in page
    filled = backtest(STRATEGY, data=DATA, account="research").report()
    assert "Every entry order was filled." in filled
    none = backtest(STRATEGY, data=frame(100, 100, 100)).report()
    assert "No entry order was made." in none


def test_an_entry_that_still_waits_or_was_filled_in_part_is_no_filled_entry():
    limit = "sections.Z1.order={type: limit, price: 90}"
    page = backtest(STRATEGY, data=DATA, settings=[limit], account="research").report()
    assert "Every entry order was filled." not in page
    assert "WAITING entry" in page
