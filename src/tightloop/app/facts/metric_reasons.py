"""Why a metric is unknown or says little: the same words on the terminal and in reports."""

from collections.abc import Mapping
from typing import Any

from tightloop.app.text.numbers import known, nanoseconds
from tightloop.core.limits import DAY_NS
from tightloop.runtime.results.metrics import DAYS_OF_A_YEARLY_RATE, has_yearly_rate, is_ruined

OF_RETURNS = ("cagr_pct", "sharpe", "sortino", "calmar", "volatility_pct")
"""Metrics made of returns, or stated per year."""
NAMES = {
    "cagr_pct": "CAGR", "sharpe": "Sharpe", "sortino": "Sortino", "calmar": "Calmar", "volatility_pct": "volatility",
    "win_rate_pct": "win rate", "profit_factor": "profit factor", "expectancy": "expectancy",
    "avg_hold_s": "average held", "exposure_pct": "exposure", "total_return_pct": "return", "turnover": "turnover",
    "slippage": "slippage",
}  # fmt: skip
UNDER_A_MONTH = f"under {DAYS_OF_A_YEARLY_RATE} days"


def length_ns(result: Mapping[str, Any]) -> int:
    """Return the time from the first to the last record of a result (as in result.json), ns; 0 without records."""
    start, end = nanoseconds(result["from"]), nanoseconds(result["to"])
    return end - start if start is not None and end is not None else 0


def missing_reasons(metrics: Mapping[str, Any], span_ns: int) -> dict[str, str]:
    """Return the reason for each null metric of a run over ``span_ns``, by the definitions of the metrics."""
    none = "" if known(metrics["trades"]) else "no closed trade"
    reasons = {
        **_of_returns(metrics, span_ns),
        "win_rate_pct": none,
        "profit_factor": none or "no losing trade to divide by",
        "expectancy": none,
        "avg_hold_s": none,
        "max_drawdown_days": "no drawdown",
        "funding": "no funding in this run",
        "slippage": "slippage was not measured",
    }
    return {
        name: reasons.get(name, "") or "not known for this run"
        for name, value in metrics.items()
        if known(value) is None
    }


def _of_returns(metrics: Mapping[str, Any], span_ns: int) -> dict[str, str]:
    """Return the reasons for null metrics that are made of returns."""
    deepest = known(metrics["max_drawdown_pct"]) or 0.0
    if is_ruined(deepest):
        return dict.fromkeys(OF_RETURNS, "equity was not above 0")
    per_day = ""
    if known(metrics["volatility_pct"]) is None and span_ns < 3 * DAY_NS:
        per_day = f"fewer than two whole UTC days ({span_ns / DAY_NS:.1f} days run)"
    yearly = "the rate is too large to represent" if has_yearly_rate(span_ns) else UNDER_A_MONTH
    return {
        "sharpe": per_day or "daily returns do not vary",
        "sortino": per_day or "no day with a loss",
        "volatility_pct": per_day or "daily returns do not vary",
        "cagr_pct": yearly,
        "calmar": yearly if known(metrics["cagr_pct"]) is None else "no drawdown to divide by",
    }


def weak_figures(metrics: Mapping[str, Any], span_ns: int) -> dict[str, str]:
    """Return a note for each yearly figure of a run too short to support it: little data, much chance."""
    if has_yearly_rate(span_ns):
        return {}
    note = f"over {span_ns / DAY_NS:.1f} days: weak evidence"
    return {name: note for name in OF_RETURNS if known(metrics[name]) is not None}


def in_one_line(why: Mapping[str, str]) -> str:
    """Join reasons as ``CAGR, Calmar: under 30 days; Sharpe: ...``, each once, for the figures that have a name."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in why.items():
        if name in NAMES:
            by_reason.setdefault(reason, []).append(NAMES[name])
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())
