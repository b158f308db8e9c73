"""A window of complete funding is charged by every settlement in it, the one at its very end too."""

import numpy as np
import pytest

from adapters.data import planted
from adapters.data.planted import HOUR_NS, START_NS
from tightloop.app.runs import backtest as runs_backtest

LONG = """
name: window
family: signal
direction: LONG
instruments: [t:XUSDT-perp]
timeframe: 1h
capital: 10_000
costs: {taker_bps: 0, maker_bps: 0, slippage: {type: none}}
account: {max_position_pct: off, max_positions: off, max_symbol_pct: off}
variants: {p: {type: SMA, period: 1}}
sections:
  S1: {all: [{p: "> 0"}]}
  Z1: {immediate: true, size: {type: units, value: 10}}
  O1: {all: [{p: "< 0"}], cooldown_min: 10000}
  ZE1: {all: [{p: "< 0"}], cooldown_min: 10000}
"""


@pytest.mark.parametrize("direction", ["LONG", "SHORT"])
def test_funding_of_a_window_over_a_change_of_the_interval(tmp_path, direction):
    hours = np.arange(22 * 24)
    due = np.array([*range(0, 288, 8), *range(288, 528)])  # every 8 hours for twelve days, then every hour
    flat = np.full(len(hours), 100.0)
    bars = {"ts": START_NS + hours * HOUR_NS, **dict.fromkeys(("open", "high", "low", "close", "volume"), flat)}
    planted.write(tmp_path / "bars/t/XUSDT-perp-1h.parquet", bars)
    rates = {"ts": START_NS + due * HOUR_NS, "rate": np.full(len(due), 1e-4)}
    planted.write(tmp_path / "funding/t/XUSDT.parquet", rates)
    text = LONG.replace("LONG", direction)
    sign = 1 if direction == "SHORT" else -1
    # Ten units at 100, from 01:00 of the first day on: 0.1 each time, 35 times every 8 hours and 240 times.
    whole = runs_backtest.backtest(text, data=tmp_path)
    assert whole.summary["attribution"]["funding"] == pytest.approx(sign * 27.5)
    # From 01:00 of the 11th: 08, 16; 00, 08, 16; the 24 hours of the 13th; and 00:00 of the 14th, where it ends.
    window = runs_backtest.backtest(text, data=tmp_path, start="2024-01-11", end="2024-01-14")
    assert window.summary["attribution"]["funding"] == pytest.approx(sign * 3.0)
