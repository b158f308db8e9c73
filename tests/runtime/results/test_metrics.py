"""The figures of a run against the same figures computed plainly, one day and one trade at a time."""

import itertools
import math
import statistics as plain

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from examples import examples
from tightloop.runtime.results import metrics

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


@settings(max_examples=examples(200), deadline=None)
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
    least = max(1e-13, 1e-12 * plain.mean(abs(r) for r in returns))
    assume(deviation > 1e-12 and not least / 2 < downside < 2 * least)
    downside = downside if downside > least else 0.0
    assert found["volatility_pct"] == pytest.approx(100 * deviation * math.sqrt(365))
    assert found["sharpe"] == pytest.approx(plain.mean(returns) / deviation * math.sqrt(365), abs=1e-9)
    expected = plain.mean(returns) / downside * math.sqrt(365) if downside > 0 else None
    assert found["sortino"] == (expected if expected is None else pytest.approx(expected, abs=1e-9))


@settings(max_examples=examples(100), deadline=None)
@given(POINTS)
def test_the_first_and_the_last_record_of_each_day_are_enough(points):
    kept = {((ts - 1) // DAY_NS): (ts, equity) for ts, equity in points}
    thin = sorted({points[0], *kept.values()})
    whole, short = of(*zip(*points, strict=True)), of(*zip(*thin, strict=True))
    for name in ("total_return_pct", "cagr_pct", "sharpe", "sortino", "volatility_pct"):
        assert whole[name] == short[name], name


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=80))
def test_a_drawdown_is_the_distance_from_the_highest_so_far(equity):
    found = metrics.drawdown(np.array(equity))
    for at, value in enumerate(equity):
        assert found[at] == pytest.approx(100.0 * (1.0 - value / max(equity[: at + 1])), abs=1e-9)
    assert (found >= 0.0).all()


@settings(max_examples=examples(100), deadline=None)
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
    assert found["profit_factor"] == (None if losses <= 1e-12 * gains else pytest.approx(gains / losses))


def test_growth_of_a_year_is_its_own_yearly_rate():
    found = of([0, 365 * DAY_NS], [100.0, 121.0])
    assert found["total_return_pct"] == pytest.approx(21.0)
    assert found["cagr_pct"] == pytest.approx(21.0)
    half = of([0, 365 * DAY_NS // 2], [100.0, 110.0])
    assert half["cagr_pct"] == pytest.approx(21.0)


def test_a_run_under_thirty_days_has_no_yearly_rate():
    thirty = of([0, 30 * DAY_NS], [100.0, 101.0], max_drawdown_pct=2.0)
    assert thirty["cagr_pct"] == pytest.approx(100.0 * (1.01 ** (365 / 30) - 1.0))
    assert thirty["calmar"] == pytest.approx(thirty["cagr_pct"] / 2.0)
    for span in (30 * DAY_NS - 1, 90 * 60 * 10**9):
        shorter = of([0, span], [100.0, 101.0], max_drawdown_pct=2.0)
        assert shorter["total_return_pct"] == pytest.approx(1.0)
        assert shorter["cagr_pct"] is None
        assert shorter["calmar"] is None


@pytest.mark.parametrize("rate", [1e-4, -1e-4, 0.01, -0.01, 3e-9, 0.0])
@pytest.mark.parametrize("capital", [1e-3, 10_000.0, 1e12])
def test_a_deviation_that_is_rounding_alone_is_0_and_has_no_ratio_over_it(rate, capital):
    found = of([k * DAY_NS for k in range(61)], [capital * (1.0 + rate) ** k for k in range(61)])
    assert found["volatility_pct"] == 0.0
    assert found["sharpe"] is None
    # Losses of one size are no rounding: their deviation against 0 is the loss itself, over 59 instead of 60 days.
    loss = rate * math.sqrt(60 / 59)
    assert found["sortino"] == (pytest.approx(-math.sqrt(59 / 60) * math.sqrt(365), rel=1e-6) if loss < 0.0 else None)


def test_a_deviation_is_rounding_by_its_own_size_or_by_that_of_the_returns():
    small = np.array([1e-13, -1e-13] * 5)
    assert metrics.of_returns(small * 0.9)["volatility_pct"] == 0.0
    assert metrics.of_returns(small * 2.0)["volatility_pct"] > 0.0
    assert metrics.of_returns(0.5 + np.array([1.0, -1.0] * 5) * 1e-13)["sharpe"] is None
    assert metrics.of_returns(0.5 + np.array([1.0, -1.0] * 5) * 1e-11)["sharpe"] is not None


def test_a_loss_of_rounding_is_no_loss_to_divide_by():
    found = metrics.of_trades(np.array([50.0, -3e-14]), np.array([1.0, 1.0]))
    assert found["profit_factor"] is None
    assert metrics.of_trades(np.array([50.0, -1e-6]), np.array([1.0, 1.0]))["profit_factor"] == pytest.approx(5e7)
    assert metrics.of_trades(np.array([-1.0]), np.array([1.0]))["profit_factor"] == 0.0


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
        "cagr_pct",
    }  # fmt: skip
    assert found["trades"] == 0


def test_a_run_without_a_record_knows_nothing_and_nothing_is_not_a_number():
    found = of([], [])
    assert all(value is None or math.isfinite(value) for value in found.values())
    for name in ("total_return_pct", "cagr_pct", "sharpe", "exposure_pct", "turnover", "expectancy"):
        assert found[name] is None, name


OF_RETURNS = ("cagr_pct", "sharpe", "sortino", "calmar", "volatility_pct")
DAYS = [k * DAY_NS for k in range(41)]


@pytest.mark.parametrize(
    ("equity", "deepest"),
    [
        ([100.0] * 20 + [-5.0] * 21, 105.0),
        ([100.0] * 20 + [0.0] + [50.0] * 20, 100.0),
        # Inside of a day, so that no day ends with it: the deepest drawdown alone tells.
        ([100.0, 101.0] * 20 + [100.0], 100.0),
        ([100.0, 101.0] * 20 + [100.0], 130.0),
    ],
)
def test_a_run_whose_equity_was_not_above_0_has_a_return_and_a_drawdown_and_nothing_made_of_returns(equity, deepest):
    found = of(DAYS, equity, max_drawdown_pct=deepest)
    assert [found[name] for name in OF_RETURNS] == [None] * 5
    assert found["total_return_pct"] == pytest.approx(equity[-1] - 100.0)
    assert found["max_drawdown_pct"] == deepest
    assert all(value is None or math.isfinite(value) for value in found.values())


def test_a_run_whose_equity_stayed_above_0_has_them():
    found = of(DAYS, [100.0, 1.0] * 20 + [100.0], max_drawdown_pct=99.0)
    assert [name for name in OF_RETURNS if found[name] is None] == []


def test_slippage_that_one_fill_did_not_know_is_unknown():
    assert of([0, DAY_NS], [1.0, 1.0], slippage=2.5, unknown_slippage_count=1.0)["slippage"] is None
    assert of([0, DAY_NS], [1.0, 1.0], slippage=2.5)["slippage"] == 2.5
