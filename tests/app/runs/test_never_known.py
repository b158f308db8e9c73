"""A run that is shorter than what a variant looks back on says so, and a longer one does not."""

import polars as pl
import pytest

from sim import tick_market
from tightloop.app.runs.backtest import backtest

BARS = """
name: own
family: signal
direction: LONG
instruments: [test:XUSDT-perp]
timeframe: 1m
capital: 10_000
variants: {slow: {type: SMA, period: 5}}
sections:
  S1: {all: [{slow: "> 1"}]}
  Z1: {immediate: true, size: {type: percentage, value: 5}}
account: {max_drawdown_pct: null}
"""
START_NS = 1_704_067_200_000_000_000


def frame(count):
    """Bars whose four prices are 100."""
    own = pl.DataFrame({name: [100.0] * count for name in ("open", "high", "low", "close")})
    times = START_NS + pl.int_range(0, len(own)) * 60_000_000_000
    return {"test:XUSDT-perp": own.with_columns(volume=pl.lit(1e6), ts=times)}


def said(run):
    return [text for text in run.summary["warnings"] if "was never known" in text]


@pytest.mark.parametrize("one_by_one", [False, True])
def test_fewer_bars_than_an_average_needs(one_by_one):
    (told,) = said(backtest(BARS, data=frame(4), one_by_one=one_by_one))
    assert told == (
        "slow was never known on test:XUSDT-perp, so no condition on it could be TRUE: it needs 5 bars, the run has 4; "
        "run over a longer time, or with a shorter look-back"
    )
    long_enough = backtest(BARS, data=frame(5), one_by_one=one_by_one)
    assert said(long_enough) == []
    assert long_enough.signals.height == 2  # S1 and Z1


@pytest.mark.parametrize(("seconds", "lines"), [(30.0, 1), (90.0, 0)])
def test_ticks_that_end_before_a_window_is_full(seconds, lines):
    tape = tick_market.steady(0.0, seconds + 1.0, 1.0, 100.0, 101.0), [(0.0, 100.0, 1.0, True)]
    text = tick_market.strategy(variants="slow: {type: MAX_PRICE, t1: 60, t2: 0}")
    told = said(tick_market.run(text, tape))
    whole = (
        "slow was never known, so no condition on it could be TRUE: it looks back 60 s, the run has 30 s; "
        "run over a longer time, or with a shorter look-back"
    )
    assert told == [whole] * lines
