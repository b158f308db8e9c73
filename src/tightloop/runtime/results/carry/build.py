"""Result of a carry run: tables and summary from snapshots and log. Names and columns are the contract's."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tightloop.core.domain.carry import BUCKETS, RebalanceReason, Rollback
from tightloop.core.domain.enums import Reason, RowKind, WarningCode
from tightloop.core.state import state_hash
from tightloop.model.carry.plan import CarryPlan
from tightloop.model.times import iso
from tightloop.runtime.feeds.carry import CarryFeed, Floats
from tightloop.runtime.feeds.carry_tape import make_tape
from tightloop.runtime.results import metrics
from tightloop.runtime.results.build import WARNINGS
from tightloop.runtime.results.carry import figures as carry_figures
from tightloop.runtime.results.carry.published import legacy_attribution
from tightloop.runtime.results.carry.record import BUCKET_NAMES, CarryRecord
from tightloop.runtime.results.carry.tables import REDUCES, CarryTables
from tightloop.runtime.results.carry.trades import TradeBook
from tightloop.runtime.results.recorder import Columns, Recorder
from tightloop.runtime.results.result import Identity, Result, Table, summary, warning_lines

RESIDUAL = 1e-8
"""Fraction of the capital by which the components of an instant may miss its change of equity: rounding."""
OF_ACCOUNT = (
    WarningCode.RUINED, WarningCode.KILLED, WarningCode.DAILY_LOSS_STOP, WarningCode.DRAWDOWN_STOP,
    WarningCode.DRAWDOWN_NEAR,
)  # fmt: skip
SAID = {
    **{code: WARNINGS[code] for code in OF_ACCOUNT},
    WarningCode.LIQUIDATED: "liquidations: {count} (first at {first})",
    WarningCode.MARGIN_LOW: "the margin ratio fell below its warning {count} times (first at {first}: {value:.4f})",
    WarningCode.DELTA_LEFT: "a liquidation at {first} left {value:.6g} units without a hedge",
    WarningCode.REWARD_UNPRICED: "{count} rewards have no market price and are not valued (first at {first})",
    WarningCode.NOT_PAYABLE: "a withdrawal could not be paid out of free equity at {first}: {value:.2f} are missing",
}  # fmt: skip


REMEDIES = {
    Reason.KILLED: "re-arm it to continue",
    Reason.RUINED: "no equity is left to add with",
    Reason.MAX_DRAWDOWN: "write account: {max_drawdown_pct: ...} for another limit, null for none",
    Reason.DAILY_LOSS: "write account: {daily_loss_pct: ...} for another limit, null for none",
    Reason.UNKNOWN_OUTCOME: "find out the outcome of the bundle that was not answered",
}
"""What to do about an account stop that denied an addition."""


def build_carry(
    plan: CarryPlan,
    feed: CarryFeed,
    snapshots: Floats,
    recorder: Recorder,
    *,
    seed: int = 0,
    warnings: Sequence[str] = (),
    quality: Sequence[dict[str, Any]] = (),
    benchmark_apr: Floats | None = None,
) -> Result:
    """Build tables and summary of a carry run that ended or was interrupted: of the instants that have a snapshot.

    ``snapshots``: a row for each finished instant. ``benchmark_apr``: a rate (fraction a year) at each instant of the
    feed, NaN where unknown; None without a benchmark. Raises AssertionError when the attribution does not add up.
    """
    record = CarryRecord(plan, feed, snapshots, recorder)
    strategy = plan.strategy
    identity = Identity(
        strategy=strategy.name, family="carry", config_hash=strategy.config_hash, data_hash=feed.data_hash, seed=seed,
        settle_asset=strategy.share_class, instruments=plan.instruments, timeframe=strategy.timeframe, feed=None,
        capital=strategy.capital,
    )  # fmt: skip
    book = TradeBook(record)
    tables = CarryTables(record, book, identity.session_id)
    benchmark = carry_figures.benchmark_pnl(record, benchmark_apr)
    attributed = _attribution(record)
    frames: dict[str, Table] = {
        "trades": book.table(identity.session_id),
        "orders": tables.orders(),
        "fills": tables.fills(),
        "equity": _equity(record),
        "signals": tables.signals(),
        "positions": _positions(record),
        "attribution": attributed,
        "series": _series(record, benchmark),
        "events": tables.events(),
    }
    denied = _denied(record.rows(RowKind.WARNING))
    return Result(
        summary(
            identity, record.ts_ns, record.fixed("equity"), state_hash(plan.states, plan.arena),
            metrics=carry_figures.metrics_of(record, book.closed()),
            figures={**carry_figures.figures(record, benchmark), **_published(record)},
            attribution=carry_figures.attribution(record), account=_limits(record),
            warnings=[*strategy.warnings, *warnings, *_said(record), *(str(row["text"]) for row in denied)],
            denied=denied,
        ),
        frames,
        list(quality),
    )  # fmt: skip


def _published(record: CarryRecord) -> dict[str, Any]:
    """Return the attribution of a published run that this one reproduces (no identity); empty for any other run."""
    if not record.plan.strategy.legacy.is_on or len(record.snapshots) < len(record.feed.instants):
        return {}
    tape = make_tape(record.plan, record.feed)
    return {"legacy_attribution": legacy_attribution(record.plan, tape, record.snapshots)}


def _limits(record: CarryRecord) -> dict[str, Any]:
    """Return bands, reserve and stops in force; None is off."""
    bands = record.plan.strategy.bands
    return {
        "equity_band": bands.equity, "delta_band": bands.delta, "ltv_band": bands.ltv, "hf_floor": bands.hf_floor,
        "margin_warn": bands.margin_warn, "margin_resize": bands.margin_resize,
        "margin_liquidate": bands.margin_liquidate, "reserve": record.plan.strategy.reserve,
        "daily_loss_pct": record.plan.strategy.stops.daily_loss_pct,
        "max_drawdown_pct": record.plan.strategy.stops.max_drawdown_pct,
    }  # fmt: skip


def _said(record: CarryRecord) -> list[str]:
    """Write the warnings of the run: one line for each kind, and for each reason of bundles that were rolled back."""
    warned = record.rows(RowKind.WARNING)
    lines = warning_lines(warned, SAID)
    undone = warned["code"] == int(WarningCode.ROLLED_BACK)
    for reason in dict.fromkeys(warned["value"][undone].astype(int).tolist()):
        chosen = np.flatnonzero(undone & (warned["value"] == reason))
        why = Rollback(reason).name.lower().replace("_", " ")
        lines.append(f"{len(chosen)} bundles were rolled back (first at {iso(int(warned['ts_ns'][chosen[0]]))}): {why}")
    return lines


def _denied(warned: Columns) -> list[dict[str, Any]]:
    """List denied additions by reason, then reductions that no place was left for; in rows as of ``denials.denied``."""
    denied = warned["code"] == int(WarningCode.BUNDLE_DENIED)
    reduces = np.isin(warned["order_id"], [int(band) for band in REDUCES])
    return _denied_of(warned, denied & ~reduces, "added") + _denied_of(warned, denied & reduces, "reduced")


def _denied_of(warned: Columns, denied: NDArray[np.bool_], what: str) -> list[dict[str, Any]]:
    """List chosen denials by reason; ``what`` was not done."""
    rows: list[dict[str, Any]] = []
    for reason in dict.fromkeys(warned["reason"][denied].tolist()):
        chosen = np.flatnonzero(denied & (warned["reason"] == reason))
        first = iso(int(warned["ts_ns"][chosen[0]]))
        bands = ", ".join(dict.fromkeys(RebalanceReason(int(band)).name.lower() for band in warned["order_id"][chosen]))
        name, remedy = Reason(reason).name.lower(), REMEDIES[Reason(reason)]
        text = f"denied {len(chosen)} times by {name} (first at {first}; {bands}): nothing was {what}; {remedy}"
        rows.append({"reason": name, "check": name, "limit": None, "count": len(chosen), "text": text})
    return rows


def _equity(record: CarryRecord) -> Table:
    """Build ``equity.parquet``, in the share class; the drawdown is that of a unit's price, which flows do not move."""
    _, price = carry_figures.from_the_start(record)
    return {
        "ts": record.ts_ns,
        "equity": record.fixed("equity"),
        "cash": record.cash(),
        "drawdown_pct": metrics.drawdown(price)[1:],
        "flows": record.fixed("flows"),
    }


def _positions(record: CarryRecord) -> Table:
    """Build ``positions.parquet``: non-zero balances and perpetuals at each instant; values add up to the equity."""
    plan = record.plan
    names = [(each.venue, each.kind, each.asset) for each in plan.balances]
    names += [(each.venue, "perp", each.symbol) for each in plan.holdings]
    amounts = np.hstack([record.amounts, record.quantities])
    values = np.hstack([record.values, record.results])
    row, column = np.nonzero(amounts)
    return {
        "ts": record.ts_ns[row],
        "venue": _named([name[0] for name in names], column),
        "kind": _named([name[1] for name in names], column),
        "asset": _named([name[2] for name in names], column),
        "amount": amounts[row, column],
        "value": values[row, column],
    }


def _named(names: list[str], indices: Any) -> Any:
    """Return the name for each index."""
    return np.array(names, object)[indices]


def _attribution(record: CarryRecord) -> Table:
    """Build ``attribution.parquet``: the change of each P&L component at each instant, in the share class.

    Raises AssertionError when the components of an instant do not add up to its change of equity less capital flows.
    """
    steps = np.diff(record.buckets, axis=0, prepend=np.zeros((1, BUCKETS)))
    equity, flows = record.fixed("equity"), record.fixed("flows")
    capital = record.plan.strategy.capital
    change = np.diff(equity, prepend=capital) - np.diff(flows, prepend=0.0)
    scale = np.maximum(capital, np.abs(equity))
    gap = np.abs(steps.sum(axis=1) - change) / scale
    assert not len(gap) or float(gap.max()) <= RESIDUAL, "the buckets of a step add up to its change of equity"
    used = np.flatnonzero((steps != 0.0).any(axis=0))
    used = used if len(used) else np.arange(1)
    return {
        "ts": np.repeat(record.ts_ns, len(used)),
        "bucket": np.tile(np.array(BUCKET_NAMES, object)[used], len(steps)),
        "amount": steps[:, used].ravel(),
    }


def _finite(values: Floats) -> Floats:
    """Replace infinities by NaN: a health factor is infinite without debt, and a curve has nothing to show there."""
    return np.where(np.isfinite(values), values, math.nan)


def _series(record: CarryRecord, benchmark: Floats | None) -> Table:
    """Build ``series.parquet``: price of a unit, risk ratios, the benchmark's P&L on the same capital.

    ``hf_low``, ``ltv_high`` and ``margin_ratio`` are the worst of an instant, before and after the allocator acted.
    """
    hf = _finite(record.fixed("hf"))
    owes = np.isfinite(hf)
    table: Table = {
        "ts": record.ts_ns,
        "unit_price": record.unit_price,
        "units": record.fixed("units"),
        "flows": record.fixed("flows"),
        "hf": hf,
        "ltv": np.where(owes, record.fixed("ltv"), math.nan),
        "hf_low": _finite(record.fixed("hf_low")),
        "ltv_high": np.where(np.isfinite(record.fixed("hf_low")), record.fixed("ltv_high"), math.nan),
        "margin_ratio": record.fixed("margin_ratio"),
        "delta": record.fixed("delta"),
        "exposure": record.exposure(),
        "funding": record.buckets[:, BUCKET_NAMES.index("funding_pnl")],
        "benchmark": np.full(len(record.ts_ns), math.nan) if benchmark is None else benchmark,
    }
    for venue, ratio in record.venue_margins().items():
        table[f"margin_ratio_{venue}"] = ratio
    return table
