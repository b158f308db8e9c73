"""Orders sent or moved where the market has passed them: met at the price that there is, never at their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sim.market import NO_ACCOUNT_LIMITS, A, bars, rows_of
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs.run import Run

HEAD = """
name: moved
family: python
class: own.py:Own
params: {{sign: {sign}}}
instruments: ["{name}"]
timeframe: 1m
capital: 10_000
variants: {{}}
costs: {{taker_bps: 10, maker_bps: 0{costs}}}
account: {account}
"""
CLASS = """
class Own:
    def __init__(self, sign):
        self.sign, self.at, self.once = sign, -1, True

    def enter(self, view, qty, **options):
        # Prices are those of a long; a short's lie as far on the other side of 100.
        own = {{k: 200 - v if self.sign < 0 and k in PRICES else v for k, v in options.items()}}
        (view.buy if self.sign > 0 else view.sell)(qty, **own)

    def protect(self, view, **prices):
        view.protect(**{{k: v if self.sign > 0 else 200 - v for k, v in prices.items()}})

    def on_bar(self, view, bar):
        self.at += 1
        at = self.at
        {on_bar}

    def on_fill(self, view, fill):
        {on_fill}

PRICES = ("price", "stop_price", "stop_loss", "take_profit")
"""


def mirrored(table: str) -> str:
    """The bars of a short: each price as far on the other side of 100, its high and low exchanged."""
    lines = []
    for line in table.strip().splitlines():
        opened, high, low, close = (200 - float(word) for word in line.split()[:4])
        lines.append(f"{opened} {low} {high} {close}")
    return "\n".join(lines)


def moved(
    folder: Path, sign: int, table: str, on_bar: Mapping[int, str], on_fill: str = "pass", costs: str = ""
) -> list[tuple[Any, ...]]:
    """(minute, side of a long's, quantity, price of a long's, liquidity) of each fill, in both drivers."""
    steps = "\n        ".join(f"if at == {at}: {what}" for at, what in on_bar.items())
    (folder / "own.py").write_text(CLASS.format(on_bar=steps, on_fill=on_fill), encoding="utf-8")
    file = folder / "own.yaml"
    file.write_text(HEAD.format(sign=sign, name=A, costs=costs, account=NO_ACCOUNT_LIMITS), encoding="utf-8")
    data = {A: bars(table if sign > 0 else mirrored(table))}
    run, other = (_run(file, data, one_by_one) for one_by_one in (False, True))
    assert run.summary["state_hash"] == other.summary["state_hash"], "both drivers do the same"
    opposite = {"BUY": "SELL", "SELL": "BUY"}
    return [
        (
            fill.min,
            fill.side if sign > 0 else opposite[fill.side],
            pytest.approx(fill.qty),
            pytest.approx(fill.price if sign > 0 else 200 - fill.price),
            fill.liquidity,
        )
        for fill in rows_of(run.fills)
    ]


def _run(file: Path, data: Any, one_by_one: bool) -> Run:
    done = runs_backtest.backtest(file, data=data, one_by_one=one_by_one)
    assert isinstance(done, Run)
    return done


SIDES = pytest.mark.parametrize("sign", [1, -1], ids=["long", "short"])


@SIDES
@pytest.mark.parametrize("costs", ["", ", participation: 1"])
def test_a_target_that_an_addition_moves_behind_the_open_takes_at_the_open(
    tmp_path: Path, sign: int, costs: str
) -> None:
    on_bar = {0: "self.enter(view, 1, take_profit=120)", 1: "self.enter(view, 1, take_profit=105)"}
    table = "100 100 100 100\n100 104 100 104\n110 112 108 109\n109 109 109 109"
    assert moved(tmp_path, sign, table, on_bar, costs=costs) == [
        (1, "BUY", 1, 100, "taker"),
        (2, "BUY", 1, 110, "taker"),
        (2, "SELL", 2, 110, "taker"),  # price was never at 105 in that bar
    ]


@SIDES
@pytest.mark.parametrize(
    ("last", "price", "liquidity"), [("111 112 110 111", 111, "taker"), ("104 106 103 104", 105, "maker")]
)
def test_a_target_moved_to_where_the_market_was_takes_at_the_next_open_or_rests_there(
    tmp_path: Path, sign: int, last: str, price: float, liquidity: str
) -> None:
    on_bar = {0: "self.enter(view, 1, take_profit=120)", 1: "self.protect(view, take_profit=105)"}
    fills = moved(tmp_path, sign, f"100 100 100 100\n100 110 100 110\n{last}\n100 100 100 100", on_bar)
    assert fills == [(1, "BUY", 1, 100, "taker"), (2, "SELL", 1, price, liquidity)]


@SIDES
def test_a_stop_that_the_entry_inside_the_bar_has_passed_fills_at_the_next_open(tmp_path: Path, sign: int) -> None:
    """A stop at 103 for what is bought at 99: no one sold at 103, 101 was the highest price."""
    on_bar = {0: "self.enter(view, 1, type='limit', price=99); self.protect(view, stop_loss=103)"}
    table = "100 100 100 100\n100 101 98 99\n97 98 96 97\n97 97 97 97"
    assert moved(tmp_path, sign, table, on_bar) == [(1, "BUY", 1, 99, "maker"), (2, "SELL", 1, 97, "taker")]


@SIDES
def test_a_target_that_the_entry_inside_the_bar_has_passed_fills_at_the_next_open(tmp_path: Path, sign: int) -> None:
    on_bar = {0: "self.enter(view, 1, type='limit', price=99)"}
    table = "100 100 100 100\n100 101 98 99\n97 98 96 97\n97 97 97 97"
    fills = moved(tmp_path, sign, table, on_bar, "self.protect(view, take_profit=80)")
    assert fills == [(1, "BUY", 1, 99, "maker"), (2, "SELL", 1, 97, "taker")]


@SIDES
def test_what_a_fill_inside_a_bar_makes_a_strategy_enter_waits_for_the_next_bar(tmp_path: Path, sign: int) -> None:
    """The low of 98 and the high of 103 may lie before the fill at 99: nothing of them is certain."""
    on_fill = (
        "if self.once: self.enter(view, 1, type='limit', price=98.5); "
        "self.enter(view, 1, type='stop', stop_price=102); self.once = False"
    )
    on_bar = {0: "self.enter(view, 1, type='limit', price=99)"}
    table = "100 100 100 100\n100 103 98 100\n99 99 98.6 99\n99 99 98.4 99\n99 102 99 101"
    assert moved(tmp_path, sign, table, on_bar, on_fill) == [
        (1, "BUY", 1, 99, "maker"),
        (3, "BUY", 1, 98.5, "maker"),
        (4, "BUY", 1, 102, "taker"),
    ]


@SIDES
@pytest.mark.parametrize("opened", [109, 104])
def test_a_stop_that_an_addition_inside_the_bar_moved_beyond_its_close_fills_at_the_next_open(
    tmp_path: Path, sign: int, opened: float
) -> None:
    """9 bought at 110 beside 1 at 100 are 109 on average: a stop 2 % below is 106.82, and the bar closed at 106."""
    stop = "stop_loss_pct=2" if sign > 0 else "stop_loss=106.82"
    on_bar = {
        0: "self.enter(view, 1, stop_loss_pct=2)",
        1: f"self.enter(view, 9, type='stop', stop_price=110, {stop})",
    }
    table = f"100 100 100 100\n100 100 100 100\n108 111 105 106\n{opened} {opened} {opened} {opened}"
    assert moved(tmp_path, sign, table, on_bar) == [
        (1, "BUY", 1, 100, "taker"),
        (2, "BUY", 9, 110, "taker"),
        (3, "SELL", 10, opened, "taker"),
    ]
