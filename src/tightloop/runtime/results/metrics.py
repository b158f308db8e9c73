"""Metrics of a run, from its equity records and its trades. A figure that cannot be computed is None, never 0.

Sharpe, Sortino and volatility use daily returns: equity at the ends of UTC days (the last record at or before 24:00),
whole days only, sample standard deviation, 365 days a year, no risk-free rate. A deviation within the rounding error of
the returns counts as 0, and a ratio over it is None. A run whose equity was not above 0 at any record (ruin) has a
total return and a drawdown, and no figure made of returns or of a yearly rate.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.core.limits import DAY_NS, SECOND_NS

Floats = npt.NDArray[np.float64]
DAYS_PER_YEAR = 365.0
DAYS_OF_A_YEARLY_RATE = 30
"""Shorter runs have no yearly rate: the return of 90 minutes compounded over a year means nothing."""
ROUNDING = 1e-13
"""Deviations of returns and drawdowns (fractions) below this are rounding error."""
ROUNDING_PART = 1e-12
"""So are deviations below this part of the returns' mean absolute value, and losses below this part of the gains."""
RUIN_PCT = 100.0
"""Drawdown at which equity is not above 0."""
METRICS = (
    "total_return_pct", "cagr_pct", "sharpe", "sortino", "calmar", "max_drawdown_pct", "max_drawdown_days",
    "volatility_pct", "trades", "win_rate_pct", "profit_factor", "expectancy", "avg_hold_s", "exposure_pct", "turnover",
    "fees", "funding", "slippage",
)  # fmt: skip
SWEPT = (
    "apy", "apr", "basis", "gas", "leverage", "min_ratio", "hf_start", "hf_min", "ltv", "resizes",
    "rebalances", "liquidations", "rollbacks",
)  # fmt: skip
"""Figures of the carry family that have columns in a sweep, besides the metrics."""


def daily_returns(ts_ns: npt.NDArray[np.int64], equity: Floats) -> Floats:
    """Compute returns (fractions) of the whole UTC days within the run, ``(n_days,)``; non-finite ones are dropped."""
    if len(ts_ns) < 2:
        return np.zeros(0)
    first_day, last_day = -(-int(ts_ns[0]) // DAY_NS), int(ts_ns[-1]) // DAY_NS
    ends = np.arange(first_day, last_day + 1, dtype=np.int64) * DAY_NS
    if len(ends) < 2:
        return np.zeros(0)
    at_ends = equity[np.searchsorted(ts_ns, ends, side="right") - 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = at_ends[1:] / at_ends[:-1] - 1.0
    return np.asarray(returns[np.isfinite(returns)], np.float64)


def drawdown(equity: Floats) -> Floats:
    """Compute the drawdown of each record: percent below the highest equity so far, not negative."""
    if not len(equity):
        return np.zeros(0)
    pct = np.maximum.accumulate(equity)  # the peak so far, then in place: a year of minutes makes arrays of 4 MB
    is_below = equity < pct
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(equity, pct, out=pct)
    np.subtract(1.0, pct, out=pct)
    np.multiply(100.0, pct, out=pct)
    pct[~is_below] = 0.0
    return pct


def is_ruined(deepest_pct: float) -> bool:
    """Check whether equity was not above 0 at some record; ``deepest_pct`` is the deepest drawdown of all records."""
    return deepest_pct >= RUIN_PCT


def has_yearly_rate(span_ns: int) -> bool:
    """Check whether a run is long enough to be stated as a return per year."""
    return span_ns >= DAYS_OF_A_YEARLY_RATE * DAY_NS


def _ratio(mean: float, deviation: float) -> float | None:
    return mean / deviation * math.sqrt(DAYS_PER_YEAR) if deviation > 0.0 else None


def without_rounding(deviation: float, returns: Floats) -> float:
    """Return a deviation of ``returns``, 0 when it is within their rounding error."""
    least = max(ROUNDING, ROUNDING_PART * float(np.abs(returns).mean()))
    return deviation if deviation >= least else 0.0


def of_returns(returns: Floats) -> dict[str, float | None]:
    """Compute Sharpe, Sortino and yearly volatility (percent) of daily returns; None each for fewer than two days.

    Sortino divides by the downside deviation against 0 over all days (not only the losing ones).
    """
    if len(returns) < 2:
        return {"sharpe": None, "sortino": None, "volatility_pct": None}
    mean, deviation = float(returns.mean()), without_rounding(float(returns.std(ddof=1)), returns)
    downside = math.sqrt(float((np.minimum(returns, 0.0) ** 2).sum()) / (len(returns) - 1))
    downside = without_rounding(downside, returns)
    return {
        "sharpe": _ratio(mean, deviation),
        "sortino": _ratio(mean, downside),
        "volatility_pct": 100.0 * deviation * math.sqrt(DAYS_PER_YEAR),
    }


def of_trades(pnl: Floats, hold_s: Floats) -> dict[str, float | int | None]:
    """Compute count, win rate (percent), profit factor, expectancy and mean holding time (s) of the closed trades."""
    count = len(pnl)
    gains, losses = float(pnl[pnl > 0].sum()), float(-pnl[pnl < 0].sum())
    return {
        "trades": count,
        "win_rate_pct": 100.0 * float((pnl > 0).sum()) / count if count else None,
        "profit_factor": gains / losses if losses > ROUNDING_PART * gains else None,
        "expectancy": float(pnl.mean()) if count else None,
        "avg_hold_s": float(hold_s.mean()) if count else None,
    }


def _yearly(growth: float, span_ns: int) -> float | None:
    """Annualise a growth factor over a span, in percent; None for a short span, a growth <= 0, or an overflow."""
    if not has_yearly_rate(span_ns) or not growth > 0.0:
        return None
    years = span_ns / (DAYS_PER_YEAR * DAY_NS)
    return 100.0 * (growth ** (1.0 / years) - 1.0) if abs(math.log(growth)) / years < 700 else None


def metrics(
    ts_ns: npt.NDArray[np.int64],
    equity: Floats,
    trades: Mapping[str, npt.NDArray[Any]],
    statistics: Mapping[str, float],
    exposed_ns: int,
) -> dict[str, float | int | None]:
    """Compute all metrics of ``result.json``.

    ``ts_ns``, ``equity``: every record of the run, or the first and the last of each UTC day: both give the same.
    ``trades``: columns pnl (settle asset), entry_ns and exit_ns of the closed ones. ``statistics``: kept by the step
    over all records (fields of dtype STATISTICS). ``exposed_ns``: time with an open position.
    """
    initial, final = (float(equity[0]), float(equity[-1])) if len(equity) else (math.nan, math.nan)
    span_ns = int(ts_ns[-1] - ts_ns[0]) if len(ts_ns) else 0
    growth = final / initial if initial > 0.0 else math.nan
    deepest = statistics["max_drawdown_pct"]
    is_meaningful = not is_ruined(deepest) and bool((equity > 0.0).all())
    cagr = _yearly(growth, span_ns) if is_meaningful else None
    hold_s = (trades["exit_ns"] - trades["entry_ns"]) / SECOND_NS
    trade_figures = of_trades(np.asarray(trades["pnl"], np.float64), np.asarray(hold_s, np.float64))
    ratios = of_returns(daily_returns(ts_ns, equity) if is_meaningful else np.zeros(0))
    average = statistics["equity_sum"] / statistics["record_count"] if len(equity) else math.nan
    return {
        "total_return_pct": None if math.isnan(growth) else 100.0 * (growth - 1.0),
        "cagr_pct": cagr,
        "sharpe": ratios["sharpe"],
        "sortino": ratios["sortino"],
        "calmar": cagr / deepest if cagr is not None and deepest > 100.0 * ROUNDING else None,
        "max_drawdown_pct": deepest,
        "max_drawdown_days": statistics["longest_drawdown_ns"] / DAY_NS,
        "volatility_pct": ratios["volatility_pct"],
        **trade_figures,
        "exposure_pct": 100.0 * exposed_ns / span_ns if span_ns else None,
        "turnover": statistics["turnover"] / average if average > 0.0 else None,
        "fees": statistics["fees"],
        "funding": statistics["funding"],
        "slippage": None if statistics["unknown_slippage_count"] else statistics["slippage"],
    }
