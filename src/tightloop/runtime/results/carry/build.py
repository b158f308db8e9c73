"""From what a carry run left behind to tables and a summary that a user reads. Names and columns are the contract's."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tightloop import __version__
from tightloop.core.domain.carry import BUCKETS, RebalanceReason, Rollback
from tightloop.core.domain.enums import Reason, RowKind, WarningCode
from tightloop.core.state import state_hash
from tightloop.model.carry.plan import CarryPlan
from tightloop.model.times import iso
from tightloop.runtime.feeds.carry import CarryFeed, Floats
from tightloop.runtime.feeds.carry_tape import make_tape
from tightloop.runtime.results import metrics
from tightloop.runtime.results.build import WARNINGS, Result, Table, digest
from tightloop.runtime.results.carry import figures as carry_figures
from tightloop.runtime.results.carry.published import legacy_attribution
from tightloop.runtime.results.carry.record import BUCKET_NAMES, CarryRecord
from tightloop.runtime.results.carry.tables import CarryTables
from tightloop.runtime.results.carry.trades import TradeBook
from tightloop.runtime.results.recorder import Columns, Recorder

RESIDUAL = 1e-8
"""Of the capital: as far as the buckets of a step may be from its change of equity."""
OF_ACCOUNT = (
    WarningCode.RUINED, WarningCode.KILLED, WarningCode.DAILY_LOSS_STOP, WarningCode.DRAWDOWN_STOP,
    WarningCode.DRAWDOWN_NEAR,
)  # fmt: skip
SAID = {
    **{code: WARNINGS[code] for code in OF_ACCOUNT},
    WarningCode.LIQUIDATED: "liquidations: {count} (first at {first})",
    WarningCode.MARGIN_LOW: "the margin ratio fell below its warning {count} times (first at {first}: {value:.4f})",
    WarningCode.DELTA_LEFT: "a liquidation at {first} left {value:.6g} units without their hedge",
    WarningCode.REWARD_UNPRICED: "{count} rewards have no market price and are not valued (first at {first})",
    WarningCode.NOT_PAYABLE: "a withdrawal could not be paid out of free equity at {first}: {value:.2f} are missing",
}  # fmt: skip


REMEDIES = {
    Reason.KILLED: "re-arm it to go on",
    Reason.RUINED: "there is no equity to add with",
    Reason.MAX_DRAWDOWN: "write account: {max_drawdown_pct: ...} for another limit, null for none",
    Reason.DAILY_LOSS: "write account: {daily_loss_pct: ...} for another limit, null for none",
    Reason.UNKNOWN_OUTCOME: "look up what became of the bundle that was not answered",
}
"""What to do about a stop that denied something."""


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
    """Tables and summary of a run that ended or was interrupted: of the instants that have a snapshot.

    ``benchmark_apr``: a yearly rate (a fraction) at each instant of the feed, NaN where it is not known.
    """
    record = CarryRecord(plan, feed, snapshots, recorder)
    session_id = "ses_" + digest(plan.strategy.config_hash, feed.data_hash, seed, __version__)[:12]
    book = TradeBook(record)
    tables = CarryTables(record, book, session_id)
    benchmark = carry_figures.benchmark_pnl(record, benchmark_apr)
    attributed = _attribution(record)
    frames: dict[str, Table] = {
        "trades": book.table(session_id),
        "orders": tables.orders(),
        "fills": tables.fills(),
        "equity": _equity(record),
        "signals": tables.signals(),
        "positions": _positions(record),
        "attribution": attributed,
        "series": _series(record, benchmark),
        "events": tables.events(),
    }
    summary = {
        **_identity(record, seed, session_id),
        "metrics": carry_figures.metrics_of(record, book.closed()),
        "figures": {**carry_figures.figures(record, benchmark), **_published(record)},
        "attribution": carry_figures.attribution(record),
        "account": _limits(record),
        "warnings": [*plan.strategy.warnings, *warnings, *_said(record)],
        "denied": _denied(record.rows(RowKind.WARNING)),
    }
    return Result(summary, frames, list(quality))


def _identity(record: CarryRecord, seed: int, session_id: str) -> dict[str, Any]:
    plan, ts_ns = record.plan, record.ts_ns
    equity = record.fixed("equity")
    strategy = plan.strategy
    return {
        "strategy": strategy.name,
        "family": "carry",
        "config_hash": strategy.config_hash,
        "data_hash": record.feed.data_hash,
        "engine_version": __version__,
        "seed": seed,
        "session_id": session_id,
        "settle_asset": strategy.share_class,
        "instruments": [str(instrument) for instrument in plan.instruments],
        "timeframe": strategy.timeframe,
        "feed": None,
        "from": iso(int(ts_ns[0])) if len(ts_ns) else None,
        "to": iso(int(ts_ns[-1])) if len(ts_ns) else None,
        "initial_equity": strategy.capital,
        "final_equity": float(equity[-1]) if len(equity) else strategy.capital,
        "state_hash": state_hash(plan.states, plan.arena),
    }


def _published(record: CarryRecord) -> dict[str, Any]:
    """What a reproduction of a published run is compared with: its attribution, which is no identity."""
    if not record.plan.strategy.legacy.is_on or len(record.snapshots) < len(record.feed.instants):
        return {}
    tape = make_tape(record.plan, record.feed)
    return {"legacy_attribution": legacy_attribution(record.plan, tape, record.snapshots)}


def _limits(record: CarryRecord) -> dict[str, Any]:
    """Bands, reserve and stops in force; None is off."""
    bands = record.plan.strategy.bands
    return {
        "equity_band": bands.equity, "delta_band": bands.delta, "ltv_band": bands.ltv, "hf_floor": bands.hf_floor,
        "margin_warn": bands.margin_warn, "margin_resize": bands.margin_resize,
        "margin_liquidate": bands.margin_liquidate, "reserve": record.plan.strategy.reserve,
        "daily_loss_pct": record.plan.strategy.stops.daily_loss_pct,
        "max_drawdown_pct": record.plan.strategy.stops.max_drawdown_pct,
    }  # fmt: skip


def _said(record: CarryRecord) -> list[str]:
    """Warnings in words: each kind once, with how often and when first."""
    own = record.rows(RowKind.WARNING)
    found = []
    for code, text in SAID.items():
        chosen = np.flatnonzero(own["code"] == int(code))
        if len(chosen):
            first = iso(int(own["ts_ns"][chosen[0]]))
            found.append(text.format(count=len(chosen), first=first, value=float(own["value"][chosen[0]])))
    undone = own["code"] == int(WarningCode.ROLLED_BACK)
    for reason in dict.fromkeys(own["value"][undone].astype(int).tolist()):
        chosen = np.flatnonzero(undone & (own["value"] == reason))
        why = Rollback(reason).name.lower().replace("_", " ")
        found.append(f"{len(chosen)} bundles were rolled back (first at {iso(int(own['ts_ns'][chosen[0]]))}): {why}")
    found += [str(row["text"]) for row in _denied(own)]
    return found


def _denied(warned: Columns) -> list[dict[str, Any]]:
    """What rules would have added and might not, by the reason: rows as of ``denials.denied``."""
    found: list[dict[str, Any]] = []
    denied = warned["code"] == int(WarningCode.BUNDLE_DENIED)
    for reason in dict.fromkeys(warned["reason"][denied].tolist()):
        chosen = np.flatnonzero(denied & (warned["reason"] == reason))
        first = iso(int(warned["ts_ns"][chosen[0]]))
        bands = ", ".join(dict.fromkeys(RebalanceReason(int(at)).name.lower() for at in warned["order_id"][chosen]))
        name, remedy = Reason(reason).name.lower(), REMEDIES[Reason(reason)]
        text = f"denied {len(chosen)} times by {name} (first at {first}; {bands}): nothing was added; {remedy}"
        found.append({"reason": name, "check": name, "limit": None, "count": len(chosen), "text": text})
    return found


def _equity(record: CarryRecord) -> Table:
    """Equity and cash in the share class; the drawdown is that of a unit, which flows do not move."""
    _, price = carry_figures.from_the_start(record)
    return {
        "ts": record.ts_ns,
        "equity": record.fixed("equity"),
        "cash": record.cash(),
        "drawdown_pct": metrics.drawdown(price)[1:],
        "flows": record.fixed("flows"),
    }


def _positions(record: CarryRecord) -> Table:
    """Every balance and every perpetual at every instant that holds some; values add up to the equity."""
    plan = record.plan
    names = [(own.venue, own.kind, own.asset) for own in plan.balances]
    names += [(own.venue, "perp", own.symbol) for own in plan.holdings]
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


def _named(names: list[str], at: Any) -> Any:
    """The name of each number."""
    return np.array(names, object)[at]


def _attribution(record: CarryRecord) -> Table:
    """What each bucket did at each instant. AssertionError when they are not the change of equity less flows."""
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
    """Without a debt a health factor is infinite, and a curve has nothing to show."""
    return np.where(np.isfinite(values), values, math.nan)


def _series(record: CarryRecord, benchmark: Floats | None) -> Table:
    """Curves: a unit, its risk, what the benchmark made of the same capital.

    ``hf_low``, ``ltv_high`` and ``margin_ratio`` are the worst of the instant, before and after what was done about it.
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
