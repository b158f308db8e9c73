"""The figures of a run against the same figures computed plainly, one day and one trade at a time."""

import itertools
import math
import statistics as plain

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tightloop.runtime import metrics

DAY_NS = 86_400_000_000_000
NOTHING = {
    "max_drawdown_pct": 0.0, "longest_drawdown_ns": 0.0, "equity_sum": 0.0, "record_count": 0.0, "turnover": 0.0,
    "fees": 0.0, "funding": 0.0, "slippage": 0.0, "unknown_slippage_count": 0.0,
}  # fmt: skip
NO_TRADES = {name: np.zeros(0) for name in ("pnl", "entry_ns", "exit_ns")}


def of(ts_ns, equity, trades=None, exposed_ns=0, **kept):
    ts_ns, equity = np.array(ts_ns, np.int64), np.array(equity, np.float64)
    own = NOTHING | {"equity_sum": float(equity.sum()), "record_count": float(len(equity))} | kept
    return metrics.metrics(ts_ns, equity, trades or NO_TRADES, own, exposed_ns)


def daily_returns(points):
    """By a dictionary of days: the last equity at or before each midnight between the first and the last record."""
    first = -(-points[0][0] // DAY_NS)
    last = points[-1][0] // DAY_NS
    ends = [[equity for ts, equity in points if ts <= day * DAY_NS][-1] for day in range(first, last + 1)]
    return [b / a - 1.0 for a, b in itertools.pairwise(ends)]


POINTS = st.lists(
    st.tuples(st.integers(1, 9 * 24), st.floats(50.0, 200.0)), min_size=2, max_size=60, unique_by=lambda point: point[0]
).map(lambda points: [(hour * 3_600_000_000_000, equity) for hour, equity in sorted(points)])


@settings(max_examples=200, deadline=None)
@given(POINTS)
def test_ratios_are_those_of_the_returns_between_midnights(points):
    found = of(*zip(*points, strict=True))
    returns = daily_returns(points)
    if len(returns) < 2:
        assert found["sharpe"] is None
        assert found["sortino"] is None
        assert found["volatility_pct"] is None
        return
    deviation = plain.stdev(returns)
    downside = math.sqrt(sum(min(r, 0.0) ** 2 for r in returns) / (len(returns) - 1))
    assume(deviation > 1e-12)
    assert found["volatility_pct"] == pytest.approx(100 * deviation * math.sqrt(365))
    assert found["sharpe"] == pytest.approx(plain.mean(returns) / deviation * math.sqrt(365), abs=1e-9)
    expected = plain.mean(returns) / downside * math.sqrt(365) if downside > 0 else None
    assert found["sortino"] == (expected if expected is None else pytest.approx(expected, abs=1e-9))


@settings(max_examples=100, deadline=None)
@given(POINTS)
def test_the_first_and_the_last_record_of_each_day_are_enough(points):
    kept = {((ts - 1) // DAY_NS): (ts, equity) for ts, equity in points}
    thin = sorted({points[0], *kept.values()})
    whole, short = of(*zip(*points, strict=True)), of(*zip(*thin, strict=True))
    for name in ("total_return_pct", "cagr_pct", "sharpe", "sortino", "volatility_pct"):
        assert whole[name] == short[name], name


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=80))
def test_a_drawdown_is_the_distance_from_the_highest_so_far(equity):
    found = metrics.drawdown(np.array(equity))
    for at, value in enumerate(equity):
        assert found[at] == pytest.approx(100.0 * (1.0 - value / max(equity[: at + 1])), abs=1e-9)
    assert (found >= 0.0).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e4, 1e4), st.integers(1, 10**6)), max_size=40))
def test_figures_of_trades_are_those_of_a_list(trades):
    pnl, hold = [t[0] for t in trades], [t[1] for t in trades]
    found = metrics.of_trades(np.array(pnl, np.float64), np.array(hold, np.float64))
    gains, losses = sum(p for p in pnl if p > 0), -sum(p for p in pnl if p < 0)
    assert found["trades"] == len(trades)
    if not trades:
        assert [found[name] for name in ("win_rate_pct", "profit_factor", "expectancy", "avg_hold_s")] == [None] * 4
        return
    assert found["win_rate_pct"] == pytest.approx(100 * sum(p > 0 for p in pnl) / len(pnl))
    assert found["expectancy"] == pytest.approx(sum(pnl) / len(pnl), abs=1e-6)
    assert found["avg_hold_s"] == pytest.approx(sum(hold) / len(hold))
    assert found["profit_factor"] == (None if losses == 0 else pytest.approx(gains / losses))


def test_growth_of_a_year_is_its_own_yearly_rate():
    found = of([0, 365 * DAY_NS], [100.0, 121.0])
    assert found["total_return_pct"] == pytest.approx(21.0)
    assert found["cagr_pct"] == pytest.approx(21.0)
    half = of([0, 365 * DAY_NS // 2], [100.0, 110.0])
    assert half["cagr_pct"] == pytest.approx(21.0)


def test_calmar_is_the_yearly_rate_over_the_deepest_drawdown_and_unknown_without_one():
    assert of([0, 365 * DAY_NS], [100.0, 121.0], max_drawdown_pct=7.0)["calmar"] == pytest.approx(3.0)
    assert of([0, 365 * DAY_NS], [100.0, 121.0])["calmar"] is None


def test_exposure_and_turnover_are_shares_of_time_and_of_average_equity():
    found = of([0, 10 * DAY_NS], [100.0, 300.0], exposed_ns=4 * DAY_NS, turnover=500.0)
    assert found["exposure_pct"] == pytest.approx(40.0)
    assert found["turnover"] == pytest.approx(2.5)


def test_one_day_without_a_trade_knows_its_return_and_no_ratio():
    found = of([1, DAY_NS // 2, DAY_NS], [100.0, 101.0, 102.0])
    assert found["total_return_pct"] == pytest.approx(2.0)
    unknown = {name for name, value in found.items() if value is None}
    assert unknown == {
        "sharpe", "sortino", "volatility_pct", "calmar", "win_rate_pct", "profit_factor", "expectancy", "avg_hold_s",
    }  # fmt: skip
    assert found["trades"] == 0


def test_a_run_without_a_record_knows_nothing_and_nothing_is_not_a_number():
    found = of([], [])
    assert all(value is None or math.isfinite(value) for value in found.values())
    for name in ("total_return_pct", "cagr_pct", "sharpe", "exposure_pct", "turnover", "expectancy"):
        assert found[name] is None, name


def test_ruin_has_a_return_and_no_yearly_rate():
    found = of([0, DAY_NS, 2 * DAY_NS, 3 * DAY_NS], [100.0, 10.0, -5.0, -5.0], max_drawdown_pct=105.0)
    assert found["total_return_pct"] == pytest.approx(-105.0)
    assert found["cagr_pct"] is None
    assert found["calmar"] is None
    assert all(value is None or math.isfinite(value) for value in found.values())


def test_slippage_that_one_fill_did_not_know_is_unknown():
    assert of([0, DAY_NS], [1.0, 1.0], slippage=2.5, unknown_slippage_count=1.0)["slippage"] is None
    assert of([0, DAY_NS], [1.0, 1.0], slippage=2.5)["slippage"] == 2.5
