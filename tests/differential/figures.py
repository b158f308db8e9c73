"""The metrics of a run in plain Python, from its equity and its trades."""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Any

from differential.account import Account
from differential.domain import DAY_NS, SECOND_NS
from differential.trees import Doubt

YEAR_DAYS = 365


def metrics_of(
    account: Account,
    trades: Sequence[dict[str, Any]],
    equity: Sequence[dict[str, Any]],
    span_ns: tuple[int, int],
    doubt: Doubt,
) -> dict[str, Any]:
    """All figures of result.json's ``metrics``, None where one cannot be known. ``span_ns``: from start to end."""
    start_ns, end_ns = span_ns
    closed = [own for own in trades if own["exit_ts"] is not None]
    gains = [own["pnl"] for own in closed]
    won, lost = sum(g for g in gains if g > 0), -sum(g for g in gains if g < 0)
    final = equity[-1]["equity"]
    worst = max(row["drawdown_pct"] for row in equity)
    total = (final / account.initial - 1.0) * 100.0
    average = sum(row["equity"] for row in equity) / len(equity)
    out: dict[str, Any] = {
        "total_return_pct": total,
        "max_drawdown_pct": worst,
        "max_drawdown_days": _longest_drawdown_days(equity, doubt),
        "trades": len(closed),
        "win_rate_pct": 100.0 * sum(g > 0 for g in gains) / len(gains) if gains else None,
        "profit_factor": won / lost if lost > 1e-12 * won else None,
        "expectancy": sum(gains) / len(gains) if gains else None,
        "avg_hold_s": sum(t["exit_ts"] - t["entry_ts"] for t in closed) / len(closed) / SECOND_NS if closed else None,
        "exposure_pct": 100.0 * _exposed_ns(trades, end_ns) / (end_ns - start_ns),
        "fees": account.fees,
        "funding": account.funding,
        "slippage": account.slippage,
        "turnover": account.turnover / average if average > 0 else None,
    }
    out |= _of_returns(account, equity, start_ns, end_ns)
    days = (end_ns - start_ns) / DAY_NS
    if account.is_ruined or days < 30:
        return out | {"cagr_pct": None, "calmar": None}
    cagr = ((final / account.initial) ** (YEAR_DAYS / days) - 1.0) * 100.0
    return out | {"cagr_pct": cagr, "calmar": cagr / worst if worst > 0 else None}


def _of_returns(
    account: Account, equity: Sequence[dict[str, Any]], start_ns: int, end_ns: int
) -> dict[str, float | None]:
    """Sharpe, Sortino and volatility of the returns of whole UTC days."""
    out: dict[str, float | None] = {"sharpe": None, "sortino": None, "volatility_pct": None}
    ends = range(-(-start_ns // DAY_NS), end_ns // DAY_NS + 1)
    at_ends = [[row["equity"] for row in equity if row["ts"] <= day * DAY_NS][-1] for day in ends]
    if account.is_ruined or len(at_ends) < 3:
        return out
    returns = [b / a - 1.0 for a, b in pairwise(at_ends)]
    mean = sum(returns) / len(returns)
    deviation = sqrt(sum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    size = sum(abs(r) for r in returns) / len(returns)
    if deviation < max(1e-12 * size, 1e-13):
        deviation = 0.0
    out["volatility_pct"] = deviation * sqrt(YEAR_DAYS) * 100.0
    downside = sqrt(sum(min(r, 0.0) ** 2 for r in returns) / (len(returns) - 1))
    if downside < max(1e-12 * size, 1e-13):
        downside = 0.0
    out["sharpe"] = mean / deviation * sqrt(YEAR_DAYS) if deviation else None
    out["sortino"] = mean / downside * sqrt(YEAR_DAYS) if downside else None
    return out


def _longest_drawdown_days(equity: Sequence[dict[str, Any]], doubt: Doubt) -> float:
    """The longest time from a peak to the row that regains it, or to the end."""
    peak, peak_ts, longest = equity[0]["equity"], equity[0]["ts"], 0
    for row in equity:
        doubt.of(row["equity"], peak)
        if row["equity"] >= peak:
            peak, peak_ts = row["equity"], row["ts"]
        longest = max(longest, row["ts"] - peak_ts)
    return longest / DAY_NS


def _exposed_ns(trades: Sequence[dict[str, Any]], end_ns: int) -> int:
    """The time in which any position was held."""
    spans = sorted((own["entry_ts"], own["exit_ts"] if own["exit_ts"] is not None else end_ns) for own in trades)
    total, until = 0, 0
    for begin, end in spans:
        total += max(0, end - max(begin, until))
        until = max(until, end)
    return total
