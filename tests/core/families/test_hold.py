"""The hold family, through a whole run."""

import numpy as np
import polars as pl
import pytest

import tightloop

HOLD = """
name: hold it
family: hold
direction: LONG
instruments: [test:AAAUSDT-perp]
timeframe: 1m
capital: 10_000
params: {equity_pct: 10}
costs: {taker_bps: 0, maker_bps: 0, funding: "off"}
"""


def market(prices):
    start_ns = 1_704_067_200_000_000_000
    ts = start_ns + np.arange(len(prices), dtype=np.int64) * 60_000_000_000
    columns = dict.fromkeys(("open", "high", "low", "close"), np.asarray(prices, np.float64))
    return {"test:AAAUSDT-perp": pl.DataFrame({"ts": ts, **columns, "volume": np.full(len(prices), 10.0)})}


def test_it_buys_once_at_the_second_open_and_holds_to_the_end():
    run = tightloop.backtest(HOLD, data=market([100.0, 101.0, 103.0, 111.1]))
    assert run.trades.height == 1
    trade = run.trades.row(0, named=True)
    assert trade["exit_ts"] is None
    assert trade["entry_price"] == 101.0
    assert trade["qty"] == pytest.approx(1_000.0 / 100.0)
    assert run.summary["final_equity"] == pytest.approx(10_000.0 + 10.0 * (111.1 - 101.0))


def test_a_refused_entry_is_asked_for_again_and_says_why():
    run = tightloop.backtest(HOLD, data=market([100.0, 101.0, 103.0]), settings=["params.equity_pct=11"])
    assert run.trades.height == 0
    assert run.orders["state"].to_list() == ["DENIED"] * 3
    assert set(run.orders["reason"]) == {"max_position"}


def test_a_parameter_out_of_bounds_is_refused_with_its_name():
    with pytest.raises(tightloop.InputError, match=r"params\.equity_pct"):
        tightloop.backtest(HOLD, data=market([100.0]), settings=["params.equity_pct=0"])
