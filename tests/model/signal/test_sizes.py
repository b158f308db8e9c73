"""Sizes against the limits in force, before any data is read: each number by hand."""

import pytest

from tightloop.model.signal import read as signal_read
from tightloop.model.signal.sizes import against_limits

STRATEGY = """
name: {name}
family: signal
direction: LONG
instruments: [test:{symbol}USDT-perp]
timeframe: 1m
capital: 10_000
variants: {{price: {{type: PRICE}}}}
sections:
  S1: {{all: [{{price: ">= 101"}}]}}
  Z1: {{immediate: true, size: {size}, stop_loss: {{type: percent, value: 2}}}}
"""


def strategy(size, *settings, name="own", symbol="A", account=None):
    text = STRATEGY.format(name=name, symbol=symbol, size=size)
    return signal_read.loads(text, settings=settings, account=account)


def said(*strategies):
    return [f"{problem.message}; {problem.remedy}" for problem in against_limits(strategies)]


PERCENT_100 = "{type: percentage, value: 100}"


@pytest.mark.parametrize(
    "size",
    [
        "{type: percentage, value: 10}",
        "{type: fixed, value: 1_000}",
        "{type: risk, value: 0.2}",
        "{type: percentage, value: 90, clamp: [10, 1_000]}",
        "{type: units, value: 5}",
        "{type: percentage, value: 12, scale: {variant: price, points: [[1, 0.5], [2, 0.8]]}}",
    ],
)
def test_a_size_at_its_limit_or_one_that_only_prices_tell_is_no_warning(size):
    assert said(strategy(size)) == []


def test_a_size_of_all_equity_names_every_limit_it_exceeds_and_what_is_enough():
    (warning,) = said(strategy(PERCENT_100))
    assert warning == (
        "size 100 % of equity is above max_position_pct (10) and max_symbol_pct (30), with a margin of 100 % not below "
        "max_margin_pct (80): every entry will be denied; write a smaller size, or write account: {max_position_pct: "
        "100, max_symbol_pct: 100, max_margin_pct: off} or --account research --set account.max_margin_pct=off"
    )


def test_what_is_written_instead_is_enough():
    settings = [f"account.{name}={value}" for name, value in
                (("max_position_pct", 100), ("max_symbol_pct", 100), ("max_margin_pct", "off"))]  # fmt: skip
    assert said(strategy(PERCENT_100, *settings)) == []
    assert len(said(strategy(PERCENT_100, *settings[:2]))) == 1


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("{type: percentage, value: 12.5}", "size 12.5 % of equity is above max_position_pct (10): every entry"),
        ("{type: fixed, value: 1_500}", "size 15 % of equity (1_500 of 10_000) is above max_position_pct (10): every"),
        ("{type: risk, value: 1}", "size 50 % of equity (risk 1 %, stop 2 %) is above max_position_pct (10) and"),
        (
            "{type: percentage, value: 12, scale: {variant: price, points: [[1, 0.5], [2, 1.5]]}}",
            "size up to 18 % of equity is above max_position_pct (10): the largest entries",
        ),
        ("{type: percentage, value: 90, clamp: [10, 2_000]}", "size 20 % of equity is above max_position_pct (10)"),
    ],
)
def test_each_kind_of_size_is_compared_in_percent_of_equity(size, words):
    (warning,) = said(strategy(size))
    assert warning.startswith(words)


def test_a_margin_is_the_size_over_the_leverage():
    # 160 % at leverage 2 is a margin of 80 %, which has to stay below 80; at leverage 2.5 it is 64 %.
    off = ("account.max_position_pct=off", "account.max_symbol_pct=off")
    size = "{type: percentage, value: 160}"
    (warning,) = said(strategy(size, *off, "sections.Z1.leverage=2"))
    assert "has a margin of 80 %, not below max_margin_pct (80)" in warning
    assert "write account: {max_margin_pct: 81}" in warning
    assert said(strategy(size, *off, "sections.Z1.leverage=2.5")) == []


def test_the_warning_stands_at_the_line_of_the_size():
    (problem,) = against_limits([strategy("{type: percentage, value: 11}")])
    assert (problem.file, problem.line, problem.field) == ("<strategy>", 11, "sections.Z1.size")


def test_strategies_of_one_run_share_the_capital_they_bring_together():
    # 1,500 of 10,000 is 15 %, of 20,000 it is 7.5 %.
    first = strategy("{type: fixed, value: 1_500}")
    second = strategy("{type: percentage, value: 5}", name="two", symbol="B")
    assert len(said(first)) == 1
    assert said(first, second) == []


def test_slots_that_the_account_can_never_fill_are_said():
    slots = 'instruments=["test:AUSDT-perp", "test:BUSDT-perp", "test:CUSDT-perp", "test:DUSDT-perp"]'
    (warning,) = said(strategy("{type: percentage, value: 5}", slots, "limits.max_concurrent_positions=4"))
    assert warning.startswith("4 is more than max_positions (3)")
    assert "account: {max_positions: 4} or --account research" in warning
    many = [strategy("{type: percentage, value: 5}", name=f"own_{at}", symbol=f"S{at}") for at in range(4)]
    assert said(*many[:3]) == []
    (together,) = said(*many)
    assert together.startswith("4 strategies may hold 4 positions at once, and max_positions is 3")


def test_the_research_account_switches_off_three_limits_and_leaves_the_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = strategy("{type: percentage, value: 79}", "account.max_drawdown_pct=50", account=signal_read.Path("research"))
    account = own.read.account
    assert own.preset == "research"
    assert (account.max_position_pct, account.max_positions, account.max_symbol_pct) == (None, None, None)
    assert (account.daily_loss_pct, account.max_margin_pct, account.max_drawdown_pct) == (5.0, 80.0, 50.0)
    assert said(own) == []


def test_a_file_that_is_called_research_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "research").write_text("max_position_pct: 7", encoding="utf-8")
    own = strategy("{type: percentage, value: 5}", account=signal_read.Path("research"))
    assert own.preset is None
    assert own.read.account.max_position_pct == 7.0
    assert own.read.account.max_positions == 3
