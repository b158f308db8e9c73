"""Bars with any times: refused by name, or run by both drivers in the order of events, alike."""

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.sim.market import MINUTE_NS, START_NS

from examples import examples
from tightloop.app.markets import bars as markets_bars
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs import strategies as runs_strategies
from tightloop.model.errors import InputError, UnfitDataError
from tightloop.model.instruments import TIMEFRAMES

BARS = 30
STRATEGY = """
name: any_times
family: signal
direction: LONG
instruments: [{instruments}]
timeframe: {timeframe}
capital: 10_000
costs: {{taker_bps: 0, maker_bps: 0, slippage: {{type: none}}}}
variants:
  fast: {{type: SMA, period: 2}}
  slow: {{type: SMA, period: 4{longer}}}
sections:
  S1: {{all: [{{fast: "> 0"}}]}}
  Z1: {{immediate: true, size: {{type: units, value: 1}}, stop_loss: {{type: percent, value: 3}}}}
  ZE1: {{all: [{{fast: crosses_below slow}}]}}
limits: {{max_hold_min: 600}}
"""
NAMES = ("t:AAUSDT-spot", "t:BBUSDT-spot")


@st.composite
def any_times(draw, step_ns):
    """Stamps on a grid of any offset, some of them moved, missing, twice or out of order."""
    offset = draw(st.sampled_from([0, 0, 0, step_ns // 2, step_ns - 1_000_000, step_ns // 12]))
    times = START_NS + offset + np.arange(BARS) * step_ns
    for row in draw(st.lists(st.integers(0, BARS - 1), max_size=4)):
        times[row] += draw(st.sampled_from([-1, -1_000_000, 1_000_000, step_ns // 3, -step_ns // 2, 3 * MINUTE_NS]))
    if draw(st.booleans()):
        times[draw(st.integers(1, BARS - 1)) :] += draw(st.sampled_from([28 * MINUTE_NS, -step_ns // 4, 3_600 * 10**9]))
    rows = np.arange(BARS)
    for row in draw(st.lists(st.integers(0, BARS - 1), max_size=2)):
        rows = np.insert(rows, row, rows[row])
    if draw(st.booleans()):
        rows = np.delete(rows, draw(st.integers(1, BARS - 2)))
    if draw(st.booleans()):
        row = draw(st.integers(0, len(rows) - 2))
        rows[[row, row + 1]] = rows[[row + 1, row]]
    return times[rows], rows


def frame_of(times, rows, shift):
    close = 100 + np.abs((rows + shift) % 8 - 4) * 1.5
    return pl.DataFrame(
        {
            "ts": times,
            "open": close - 0.25,
            "high": close + 0.5,
            "low": close - 0.5,
            "close": close,
            "volume": 5.0 + rows,
        }
    )


def opened(loaded, frames, accepted):
    """The market, or the problems it was refused with."""
    try:
        return markets_bars.load_market(loaded, frames, accepted=frozenset(accepted)), ()
    except UnfitDataError as error:
        return None, error.problems


@given(st.data(), st.sampled_from(sorted(TIMEFRAMES)))
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_times_are_refused_by_name_or_run_in_order_in_both_drivers(data, timeframe):
    frames = {name: frame_of(*data.draw(any_times(TIMEFRAMES[timeframe])), k) for k, name in enumerate(NAMES)}
    longer = ", timeframe: 1d" if timeframe in ("1h", "4h") else ""
    text = STRATEGY.format(instruments=", ".join(NAMES), timeframe=timeframe, longer=longer)
    loaded = runs_strategies.load_strategies([text])
    accepted: set[str] = set()
    market, problems = opened(loaded, frames, accepted)
    while market is None:
        assert all(problem.file.startswith("frame/t:") and problem.remedy for problem in problems)
        fields = {problem.field for problem in problems}
        assert not fields <= accepted, "what was accepted is not refused again"
        accepted |= fields
        market, problems = opened(loaded, frames, accepted)
    for own in market.bars.values():
        assert (own["open_ns"][1:] >= own["close_ns"][:-1]).all()
    runs = [
        runs_backtest.backtest(text, data=frames, accept=sorted(accepted), one_by_one=one_by_one)
        for one_by_one in (False, True)
    ]
    assert runs[0].summary["state_hash"] == runs[1].summary["state_hash"]
    assert runs[0].trades.equals(runs[1].trades)


@pytest.mark.parametrize("accept", [["off_grid"], ["overlap"]])
def test_each_fault_of_times_has_to_be_accepted_by_its_own_name(accept):
    times = START_NS + np.arange(BARS) * MINUTE_NS
    times[5] -= 1_000_000
    text = STRATEGY.format(instruments=NAMES[0], timeframe="1m", longer="")
    with pytest.raises(InputError, match="--accept"):
        runs_backtest.backtest(text, data={NAMES[0]: frame_of(times, np.arange(BARS), 0)}, accept=accept)
