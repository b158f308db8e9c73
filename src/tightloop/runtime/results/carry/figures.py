"""Figures of a carry run: the metrics that every run has, computed from the price of a unit, and those of carry alone.

Capital flows move the equity but not the price of a unit, so returns and drawdowns are those of the strategy. A figure
that does not apply (health factor without debt, margin ratio without a perpetual) is None, never 0.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tightloop.core.domain.carry import Instruction, PnlComponent
from tightloop.core.domain.enums import RowKind
from tightloop.core.limits import DAY_NS
from tightloop.runtime.feeds.carry import Floats, Ints
from tightloop.runtime.results import metrics
from tightloop.runtime.results.carry.record import CarryRecord
from tightloop.runtime.results.recorder import Columns

Figures = dict[str, float | int | str | None]
HOURS_PER_YEAR = 8_760.0
TRADES = (Instruction.SPOT_BUY, Instruction.SPOT_SELL, Instruction.PERP_TRADE)


def known(value: Any) -> float | None:
    """Convert to a float; None for NaN and infinities."""
    return float(value) if math.isfinite(float(value)) else None


def hour(ts_ns: Any) -> str | None:
    """Write a time as ``YYYY-MM-DD HH:MM:SS`` (UTC); None for 0, a time that never came."""
    return None if int(ts_ns) == 0 else str(np.datetime64(int(ts_ns), "ns"))[:19].replace("T", " ")


def from_the_start(record: CarryRecord) -> tuple[Ints, Floats]:
    """Return instants and unit prices, preceded by the issue price 1 at the first instant, before any cost."""
    ts_ns = record.ts_ns
    return np.concatenate([ts_ns[:1], ts_ns]), np.concatenate([np.ones(min(1, len(ts_ns))), record.unit_price])


def metrics_of(record: CarryRecord, trades: Columns) -> dict[str, float | int | None]:
    """Compute the metrics of ``result.json``. ``trades``: pnl, entry_ns and exit_ns of the closed ones."""
    ts_ns, price = from_the_start(record)
    equity, carry = record.fixed("equity"), record.carry
    invested = record.is_invested()
    executed = record.rows(RowKind.INSTRUCTION_EXECUTED)
    traded = np.isin(executed["code"], [int(op) for op in TRADES])
    statistics = {
        "max_drawdown_pct": float(metrics.drawdown(price).max(initial=0.0)),
        "longest_drawdown_ns": float(_longest_ns(ts_ns, price)),
        "equity_sum": float(equity.sum()),
        "record_count": float(max(1, len(equity))),
        "turnover": float(np.abs(executed["value"][traded]).sum()),
        "fees": float(carry["fees"]),
        "funding": _bucket(record, PnlComponent.FUNDING_PNL),
        "slippage": slippage(record),
        "unknown_slippage_count": 0.0,
    }
    exposed_ns = int(np.diff(record.ts_ns)[invested[:-1]].sum()) if len(invested) > 1 else 0
    return metrics.metrics(ts_ns, price, trades, statistics, exposed_ns)


def _longest_ns(ts_ns: Ints, price: Floats) -> int:
    """Return the longest time from a peak to the last instant below it, ns."""
    if not len(price):
        return 0
    peak = np.maximum.accumulate(price)
    peaks = np.maximum.accumulate(np.where(price >= peak, np.arange(len(price)), 0))
    return int((ts_ns - ts_ns[peaks]).max())


def _bucket(record: CarryRecord, bucket: PnlComponent) -> float:
    """Return a P&L component over the whole run, in the share class."""
    return float(record.buckets[-1, int(bucket)]) if len(record.snapshots) else 0.0


def slippage(record: CarryRecord) -> float:
    """Return what swaps, transfers and flash loans cost beyond fees and gas: the rest of the transaction costs."""
    carry = record.carry
    rest = -_bucket(record, PnlComponent.TRANSACTION_COSTS) - float(carry["fees"]) - float(carry["gas_cost"])
    return rest if abs(rest) > 1e-9 * record.plan.strategy.capital else 0.0


def attribution(record: CarryRecord) -> dict[str, float]:
    """Split the change of equity by P&L component, without capital flows; the parts add up to it."""
    return {PnlComponent(k).name.lower(): _bucket(record, PnlComponent(k)) for k in range(len(PnlComponent))}


def figures(record: CarryRecord, benchmark: Floats | None) -> Figures:
    """Compute the named figures of ``result.json``.

    Rates in percent, times as text (UTC), amounts in the share class; None where a figure does not apply.
    ``benchmark``: as of ``benchmark_pnl``.
    """
    carry, capital = record.carry, record.plan.strategy.capital
    has_perps = bool(record.plan.holdings)
    ratio = float(record.unit_price[-1]) if len(record.snapshots) else 1.0
    days = float(record.ts_ns[-1] - record.ts_ns[0]) / DAY_NS if len(record.snapshots) else 0.0
    flows = float(record.fixed("flows")[-1]) if len(record.snapshots) else 0.0
    named: Figures = {
        "ratio": ratio,
        "apy": _yearly(ratio, days),
        "apr": 100.0 * (ratio - 1.0) * metrics.DAYS_PER_YEAR / days if days > 0.0 else None,
        "units": known(carry["units"]),
        "unit_price": ratio,
        "flows": flows,
        "settlements": int(carry["settlement_count"]) if has_perps else None,
        "rate_sum": float(carry["rate_sum"]) if has_perps else None,
        "funding": _bucket(record, PnlComponent.FUNDING_PNL),
        "basis": _bucket(record, PnlComponent.BASIS_PNL),
        "fees": float(carry["fees"]),
        "gas": float(carry["gas_cost"]),
        "leverage": leverage(record),
        "min_ratio": known(carry["margin_min"]) if has_perps else None,
        "min_ratio_at": hour(carry["margin_min_ns"]) if has_perps else None,
        "warn": hour(carry["warn_ns"]) if has_perps else None,
        "liquidation": hour(carry["low_ns"]) if has_perps else None,
        "hf_start": known(carry["hf_start"]),
        "hf_min": known(carry["hf_min"]),
        "hf_min_at": hour(carry["hf_min_ns"]),
        "ltv": known(carry["ltv"]) if carry["hf_min"] == carry["hf_min"] else None,
        "resizes": int(carry["resize_count"]),
        "rebalances": int(carry["rebalance_count"]),
        "liquidations": int(carry["liquidation_count"]),
        "rollbacks": int(carry["rollback_count"]),
        **_prices(record),
        **_per_coin(record),
        **_legs(record),
        "benchmark": None if benchmark is None else known(benchmark[-1] if benchmark[0] == 0.0 else math.nan),
    }
    assert capital > 0.0, "a run has capital"
    return named


def _yearly(ratio: float, days: float) -> float | None:
    """Annualise a growth factor over days by compounding, in percent; None for no time, no value, or an overflow."""
    if not (days > 0.0 and ratio > 0.0):
        return None
    power = math.log(ratio) * metrics.DAYS_PER_YEAR / days
    return 100.0 * math.expm1(power) if power < 700.0 else None


def leverage(record: CarryRecord) -> float | None:
    """Return collateral over equity of the legs that owe, at the first instant with a debt; None without one."""
    debts = [int(leg["debt"]) for leg in record.carry["legs"][: int(record.carry["leg_count"])] if leg["debt"] >= 0]
    products = [
        int(leg["product"]) for leg in record.carry["legs"][: int(record.carry["leg_count"])] if leg["debt"] >= 0
    ]
    if not debts:
        return None
    owed = -record.values[:, debts].sum(axis=1)
    held = record.values[:, products].sum(axis=1)
    instants = np.flatnonzero(owed > 0.0)
    if not len(instants):
        return None
    return known(held[instants[0]] / (held[instants[0]] - owed[instants[0]]))


def _prices(record: CarryRecord) -> Figures:
    """Return prices at both ends of the run: of the first spot leg, the first perpetual and the first LST."""
    prices: Figures = dict.fromkeys(("spot0", "spotT", "perp0", "perpT", "rate0", "rateT"))
    if not len(record.snapshots):
        return prices
    for leg in record.carry["legs"][: int(record.carry["leg_count"])]:
        series = int(leg["price_series"])
        if series >= 0 and prices["spot0"] is None:
            prices["spot0"], prices["spotT"] = known(record.series(series)[0]), known(record.series(series)[-1])
        lst = int(record.books["balances"][int(leg["product"])]["rate_series"]) if leg["product"] >= 0 else -1
        if lst >= 0 and prices["rate0"] is None:
            prices["rate0"], prices["rateT"] = known(record.series(lst)[0]), known(record.series(lst)[-1])
    if record.plan.holdings:
        prices["perp0"], prices["perpT"] = known(record.mark(0)[0]), known(record.mark(0)[-1])
    return prices


def _per_coin(record: CarryRecord) -> Figures:
    """Return funding and basis per coin; empty unless a spot leg is sized in coins and a perpetual hedges."""
    units = [leg.size.value for leg in record.plan.strategy.legs if leg.kind == "spot" and leg.size.kind == "units"]
    if not (units and units[0] and record.plan.holdings):
        return {}
    funding = _bucket(record, PnlComponent.FUNDING_PNL) / units[0]
    basis = _bucket(record, PnlComponent.BASIS_PNL) / units[0]
    return {"funding_per_coin": funding, "basis_per_coin": basis, "total_per_coin": funding + basis}


def _legs(record: CarryRecord) -> Figures:
    """Return quantities of the legs, in the share class unless stated.

    ``q``: first quantity of the perpetuals (contracts, without sign). ``perp_mtm``: their P&L without funding and fees.
    ``onchain``: on-chain assets less debt at the end.
    """
    named: Figures = {"q": None, "onchain": None, "perp_mtm": None}
    if not len(record.snapshots):
        return named
    if record.plan.holdings:
        held = np.abs(record.quantities.sum(axis=1))
        there = np.flatnonzero(held > 0.0)
        named["q"] = float(held[there[0]]) if len(there) else 0.0
        realized = sum(
            float(record.books["holdings"][holding]["realized"]) * _last(record.quote_price(holding))
            for holding in range(len(record.plan.holdings))
        )
        named["perp_mtm"] = realized + float(record.results[-1].sum())
    if any(leg.kind in ("lend", "stake", "loop") for leg in record.plan.strategy.legs):
        named["onchain"] = float(record.on_chain()[-1])
    return named


def _last(price: Floats | float) -> float:
    return float(price[-1]) if isinstance(price, np.ndarray) else price


def benchmark_pnl(record: CarryRecord, apr: Floats | None) -> Floats | None:
    """Compute the P&L of the benchmark on the same capital: the rate at each instant accrues until the next one.

    ``apr``: a fraction a year at each instant of the feed. Returns ``(n_instants,) float64`` in the share class, NaN
    before the first rate and after the last; None without rates.
    """
    if apr is None or len(apr) < len(record.snapshots) or not len(record.snapshots):
        return None
    rates = apr[: len(record.snapshots)]
    hours = np.diff(record.ts_ns) / (DAY_NS / 24)
    earned = np.concatenate([[0.0], rates[:-1] * hours / HOURS_PER_YEAR])
    if not np.isfinite(rates).any():
        return None
    first = int(np.flatnonzero(np.isfinite(rates))[0])
    total = np.full(len(rates), math.nan)
    earned[first] = 0.0
    total[first:] = record.plan.strategy.capital * np.cumsum(earned[first:])
    return total


def swept(record: CarryRecord, trades: Columns) -> Mapping[str, float | int | None]:
    """Return the figures that a sweep keeps: the metrics, and the figures named in ``metrics.SWEPT``."""
    named = figures(record, None)
    kept = {name: value for name, value in named.items() if name in metrics.SWEPT and not isinstance(value, str)}
    return {**metrics_of(record, trades), **kept}
