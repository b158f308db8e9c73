"""Result of a run on bars or ticks: tables and summary from the recorder. Names and columns are the contract's."""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.core.domain.enums import (
    InstanceState,
    OrderKind,
    OrderState,
    Role,
    RowKind,
    Section,
    TimeInForce,
    WarningCode,
)
from tightloop.core.state import state_hash
from tightloop.core.trading.ledger import CAPITAL, EXTERNAL, FEES, FUNDING, REALIZED
from tightloop.model.signal.conditions import Condition
from tightloop.model.signal.plan import Plan
from tightloop.model.signal.read import Strategy
from tightloop.runtime.results import metrics
from tightloop.runtime.results.denials import denied, largest_denied
from tightloop.runtime.results.reasons import EXIT_REASONS, REASONS, VERDICTS
from tightloop.runtime.results.recorder import Columns, Recorder
from tightloop.runtime.results.result import Identity, Result, Table, digest, summary, warning_lines

WARNINGS = {
    WarningCode.DAILY_LOSS_STOP: "daily loss limit: no entries until the next UTC day ({count} times, first {first})",
    WarningCode.DRAWDOWN_STOP: "drawdown limit reached at {first}: no entries until the end of the run",
    WarningCode.DRAWDOWN_NEAR: "drawdown came within a fifth of its limit ({count} times, first at {first})",
    WarningCode.CROSSED_HOLE: "orders that waited through a hole and filled after it: {count} (first at {first})",
    WarningCode.LIQUIDATED: "liquidations: {count} (first at {first})",
    WarningCode.UNKNOWN_ORDER: "{count} events came for orders that were not open (first at {first})",
    WarningCode.ILLEGAL_EVENT: "{count} order events were illegal and changed nothing (first at {first})",
    WarningCode.KILLED: "the kill switch was used {count} times (first at {first})",
    WarningCode.FEED_SILENT: "the feed fell silent for longer than on_stale allows while a position was held "
    "({count} times, first at {first})",
    WarningCode.RUINED: "ruined at {first}: equity was {value:.2f}, not above 0; no entries are taken from then on",
    WarningCode.STOP_UNTOUCHED: "{count} bars of an entry opened beyond its stop or its liquidation price and closed "
    "on the good side: that part of the bar lay before the entry, so it does not count as touched (first at {first})",
    WarningCode.SIZE_REDUCED: "percentage sizes were reduced to what free cash covers "
    "({count} entries, first at {first})",
    WarningCode.REPEATED_FILL: "{count} executions were told again and booked once (first at {first})",
    WarningCode.MISSING_FILL: "{count} executions were booked by the venue's sum, untold (first at {first})",
    WarningCode.FOREIGN: "{count} executions on the account were of others (first at {first})",
    WarningCode.CORRECTED: "{count} positions or balances were corrected to what the venue has (first at {first})",
    WarningCode.NOT_PROTECTED: "{count} positions were closed: the venue refused their stop (first at {first})",
    WarningCode.POISON: "{count} events could not be applied and were left out (first at {first})",
}


class _Tables:
    """Turns recorded columns of codes and indices into the columns of the result tables."""

    def __init__(self, plan: Plan, recorder: Recorder, session_id: str) -> None:
        self.plan = plan
        self.recorder = recorder
        self.session_id = session_id
        self.state = plan.states[0]
        self.instruments = [str(instrument) for instrument in plan.instruments]
        count = int(self.state["instance_count"])
        self.strategy_names = [
            plan.strategies[int(self.state["instances"][k]["strategy"])].read.name for k in range(count)
        ]
        self.signal_names: dict[int, str] = {}

    def signal(self, number: int) -> str | None:
        """Return a signal's id, ``sig_`` and 12 hex digits, the same in every replay; None for 0 (no signal)."""
        if number == 0:
            return None
        if number not in self.signal_names:
            self.signal_names[number] = "sig_" + digest(self.session_id, number)[:12]
        return self.signal_names[number]

    def common(self, columns: Columns) -> Table:
        """Return the columns that several tables share: signal and session ids, names of strategy and instrument."""
        n = len(columns["instance"])
        return {
            "signal_id": [self.signal(k) for k in columns["signal_id"].tolist()],
            "session_id": [self.session_id] * n,
            "strategy": np.array(self.strategy_names, object)[columns["instance"]],
            "instrument": np.array(self.instruments, object)[columns["instrument"]],
        }

    def trades(self) -> Table:
        """Build ``trades.parquet``: closed trades in order of their exits, then the open ones."""
        closed = self.recorder.columns(RowKind.TRADE)
        common = self.common(closed)
        table: Table = {
            "trade_id": closed["slot"],
            "instrument": common["instrument"],
            "strategy": common["strategy"],
            "side": _words(closed["side"], {1: "LONG", -1: "SHORT"}),
            "qty": closed["qty"],
            "entry_ts": closed["entry_ns"],
            "entry_price": closed["price"],
            "exit_ts": closed["exit_ns"],
            "exit_price": closed["exit_price"],
            "pnl": closed["pnl"],
            "fees": closed["fee"],
            "funding": closed["funding"],
            "slippage": closed["slippage"],
            "exit_reason": _words(closed["role"], EXIT_REASONS),
            "signal_id": common["signal_id"],
            "session_id": common["session_id"],
        }
        self._append_open(table)
        return table

    def _append_open(self, table: Table) -> None:
        """Append trades that are open at the end: exits are null; their P&L so far is in the equity, not here."""
        for k in range(int(self.state["instance_count"])):
            position = self.state["positions"][k]
            if position["qty"] == 0.0:
                continue
            row = {
                "trade_id": int(position["trade_id"]),
                "instrument": self.instruments[int(self.state["instances"][k]["instrument"])],
                "strategy": self.strategy_names[k],
                "side": "LONG" if position["qty"] > 0 else "SHORT",
                "qty": float(position["entry_qty"]),
                "entry_ts": int(position["opened_ns"]),
                "entry_price": float(position["entry_value"] / position["entry_qty"]),
                "exit_ts": None,
                "exit_price": math.nan,
                "pnl": math.nan,
                "fees": float(position["fees"]),
                "funding": float(position["funding"]),
                "slippage": float(position["slippage"]),
                "exit_reason": None,
                "signal_id": self.signal(int(position["signal_id"])),
                "session_id": self.session_id,
            }
            for name, column in table.items():
                is_number = isinstance(row[name], int | float)
                kind = np.asarray(column).dtype if is_number else np.dtype(object)
                table[name] = np.concatenate([np.asarray(column, kind), np.array([row[name]], kind)])

    def orders(self) -> Table:
        """Build ``orders.parquet``: one row per order, in the order in which they were made, with its last state."""
        submitted, ended = self.recorder.columns(RowKind.SUBMIT), self.recorder.columns(RowKind.ORDER)
        # Denied orders are never submitted, and what was forced or found comes from the venue: they have one row.
        unsent = ~np.isin(ended["order_id"], submitted["order_id"])
        made = {name: np.concatenate([column, ended[name][unsent]]) for name, column in submitted.items()}
        by_id = np.argsort(made["order_id"], kind="stable")
        made = {name: column[by_id] for name, column in made.items()}
        last = self._last_states(made, ended)
        common = self.common(made)
        return {
            "order_id": _order_ids(made["order_id"]),
            "signal_id": common["signal_id"],
            "session_id": common["session_id"],
            "strategy": common["strategy"],
            "instrument": common["instrument"],
            "side": _words(made["side"], {1: "BUY", -1: "SELL"}),
            "type": _words(made["order_kind"], {int(k): k.name.lower() for k in OrderKind}),
            "role": _words(made["role"], {int(r): r.name.lower() for r in Role}),
            "tif": _words(made["tif"], {int(t): t.name for t in TimeInForce}),
            "qty": last["qty"],
            "price": made["price"],
            "stop_price": last["stop_price"],
            "reduce_only": made["reduce_only"] != 0,
            "state": _words(last["code"], {int(o): o.name for o in OrderState}),
            "reason": _words(last["reason"], REASONS),
            "filled_qty": last["threshold"],
            "avg_price": last["exit_price"],
            "submitted_ts": made["ts_ns"],
            "updated_ts": last["ts_ns"],
        }

    def _last_states(self, made: Columns, ended: Columns) -> Columns:
        """Return for each order the columns of its last state: its final row, else what State holds of it.

        ``made``: one row per order, sorted by id. ``ended``: rows of orders that reached a final state, in any order.
        """
        names = ("code", "reason", "qty", "threshold", "exit_price", "stop_price", "ts_ns")
        last = {name: made[name].copy() for name in names}
        by_id = np.argsort(ended["order_id"], kind="stable")
        ids = ended["order_id"][by_id]
        rank = np.searchsorted(ids, made["order_id"], side="right") - 1  # a fill after the end tells the end again
        has_ended = rank >= 0
        has_ended[has_ended] = ids[rank[has_ended]] == made["order_id"][has_ended]
        for name in names:
            last[name][has_ended] = ended[name][by_id[rank[has_ended]]]
        row_of = {int(made["order_id"][k]): k for k in np.flatnonzero(~has_ended)}
        for slot in range(int(self.state["order_high"])):
            order = self.state["orders"][slot]
            if int(order["id"]) in row_of:
                k, filled = row_of[int(order["id"])], float(order["filled_qty"])
                last["code"][k], last["reason"][k], last["qty"][k] = order["state"], order["reason"], order["qty"]
                last["threshold"][k], last["stop_price"][k] = filled, order["stop_price"]
                last["exit_price"][k] = order["filled_value"] / filled if filled > 0 else math.nan
        venue = self.plan.venues[0]
        for order in venue["orders"][: int(venue["order_high"])]:
            if order["kind"] == OrderKind.TRAILING and int(order["id"]) in row_of:
                last["stop_price"][row_of[int(order["id"])]] = order[
                    "stop_price"
                ]  # a trail moves silently between reports
        return last

    def fills(self) -> Table:
        """Build ``fills.parquet``: one row per fill, in order of time; prices include slippage."""
        fills = self.recorder.columns(RowKind.FILL)
        common = self.common(fills)
        n = len(fills["instance"])
        return {
            "fill_id": np.arange(1, n + 1),
            "order_id": _order_ids(fills["order_id"]),
            "trade_id": fills["slot"],
            "signal_id": common["signal_id"],
            "session_id": common["session_id"],
            "strategy": common["strategy"],
            "instrument": common["instrument"],
            "ts": fills["entry_ns"],
            "side": _words(fills["side"], {1: "BUY", -1: "SELL"}),
            "role": _words(fills["role"], {int(r): r.name.lower() for r in Role}),
            "qty": fills["qty"],
            "price": fills["price"],
            "fee": fills["fee"],
            "slippage": fills["slippage"],
            "liquidity": _words(fills["is_maker"], {0: "taker", 1: "maker"}),
        }

    def signals(self) -> Table:
        """Build ``signals.parquet``: sections that fired and S1 signals that a guard suppressed, with conditions."""
        sections, parts = self.recorder.columns(RowKind.SECTION), self.recorder.columns(RowKind.CONDITION)
        suppressed = (sections["code"] == Section.S1) & (sections["reason"] != 0)
        return {
            "ts": sections["ts_ns"],
            **self.common(sections),
            "section": _words(sections["code"], {int(section): section.name for section in Section}),
            "event": _words(suppressed, {0: "fired", 1: "suppressed"}),
            "reason": _words(sections["reason"], REASONS),
            "price": sections["price"],
            "conditions": self._conditions(parts, len(sections["ts_ns"])),
        }

    def _conditions(self, parts: Columns, count: int) -> list[str]:
        """Write the conditions of each of ``count`` sections as JSON; ``parts`` come in the order of their sections."""
        ends = np.cumsum(np.bincount(parts["section"], minlength=count)).tolist()
        columns = [parts[name].tolist() for name in ("slot", "code", "value", "threshold", "exit_price")]
        texts = [self._condition(*row) for row in zip(*columns, strict=True)]
        return [f"[{','.join(texts[begin:end])}]" for begin, end in pairwise([0, *ends])]

    def _condition(self, slot: int, code: int, value: float, threshold: float, high: float) -> str:
        condition: Condition = self.plan.conditions[slot]
        limit = f"[{_json(threshold)},{_json(high)}]" if condition.operator == "between" else _json(threshold)
        named = [operand for operand in condition.operands if isinstance(operand, str)]
        return (
            f'{{"variant":{json.dumps(condition.variant)},"operator":{json.dumps(condition.operator)},'
            f'"value":{_json(value)},"threshold":{limit},"verdict":"{VERDICTS[code]}"'
            + (f',"threshold_variant":{json.dumps(named[0])}}}' if named else "}")
        )

    def transitions(self) -> Table:
        """Build ``transitions.parquet``: changes of the instances' states, with their reasons."""
        changes = self.recorder.columns(RowKind.TRANSITION)
        states = {int(state): state.name for state in InstanceState}
        return {
            "ts": changes["ts_ns"],
            **self.common(changes),
            "from_state": _words(changes["slot"], states),
            "to_state": _words(changes["code"], states),
            "reason": _words(changes["reason"], REASONS),
        }

    def warnings(self) -> list[str]:
        """Write the warnings of the run: one line for each code, with its count and its first time."""
        lines = warning_lines(self.recorder.columns(RowKind.WARNING), WARNINGS)
        if unknown := int(self.state["statistics"]["unknown_slippage_count"]):
            lines.append(f"the slippage of {unknown} fills is not known: what they lost to it is in price_realized")
        return lines


def _words(codes: npt.NDArray[Any], names: Mapping[Any, str | None]) -> npt.NDArray[np.object_]:
    """Map codes to names by a lookup table; codes are small whole numbers, a code without a name becomes None."""
    lowest = min((int(code) for code in names), default=0)
    table = np.full(max((int(code) for code in names), default=0) - lowest + 1, None, object)
    for code, name in names.items():
        table[int(code) - lowest] = name
    return np.asarray(table[codes.astype(np.int64) - lowest], object)


def _json(value: float) -> str:
    return repr(value) if math.isfinite(value) else "null"


def _order_ids(numbers: npt.NDArray[np.int64]) -> list[str]:
    """Write order ids as ``event-index``: the event that made the order, the order's place within that event."""
    return [f"{number >> 16}-{number & 0xFFFF}" for number in numbers.tolist()]


def config_hash(strategies: Sequence[Strategy]) -> str:
    """Return the hash of one strategy, or of several that share an account."""
    if len(strategies) == 1:
        return strategies[0].config_hash
    return digest(*(strategy.config_hash for strategy in strategies))[:16]


def build(
    plan: Plan, recorder: Recorder, *, data_digest: str, seed: int, warnings: list[str], quality: list[dict[str, Any]]
) -> Result:
    """Build tables and summary of a run that ended or was interrupted.

    ``data_digest``: hash of the data that were read. ``warnings``: lines to list between those of the strategies and
    those of the run. ``quality``: the gate's report of each dataset.
    """
    state = plan.states[0]
    identity = Identity(
        strategy=" + ".join(strategy.read.name for strategy in plan.strategies),
        config_hash=config_hash(plan.strategies), data_hash=data_digest, seed=seed, settle_asset=plan.settle_asset,
        instruments=plan.instruments, timeframe=plan.timeframe, feed=list(plan.feed) or None, capital=plan.capital,
    )  # fmt: skip
    tables = _Tables(plan, recorder, identity.session_id)
    equity = recorder.equity()
    ts_ns, values = equity["ts_ns"].astype(np.int64), equity["equity"].astype(np.float64)
    frames: dict[str, Table] = {
        "trades": tables.trades(),
        "orders": tables.orders(),
        "fills": tables.fills(),
        "equity": {
            "ts": ts_ns, "equity": values, "cash": equity["cash"].astype(np.float64),
            "drawdown_pct": metrics.drawdown(values),
        },
        "signals": tables.signals(),
        "transitions": tables.transitions(),
    }  # fmt: skip
    multipliers = {str(i): float(state["instruments"][k]["multiplier"]) for k, i in enumerate(plan.instruments)}
    largest = largest_denied(frames["orders"], frames["signals"], frames["equity"], multipliers)
    return Result(
        summary(
            identity, ts_ns, values, state_hash(plan.states, plan.arena),
            metrics=figures_of(plan, ts_ns, values, recorder.columns(RowKind.TRADE)),
            attribution=attribution(state), account=account_of(plan.strategies[0]),
            warnings=[w for s in plan.strategies for w in s.warnings] + warnings + tables.warnings(),
            denied=denied(frames["orders"], plan.strategies, largest),
        ),
        frames,
        quality,
    )  # fmt: skip


def account_of(strategy: Strategy) -> dict[str, Any]:
    """Return the account's limits in force, and the preset that they come from, if any."""
    named = {} if strategy.preset is None else {"preset": strategy.preset}
    return {**named, **strategy.read.account.model_dump()}


def figures_of(
    plan: Plan, ts_ns: npt.NDArray[np.int64], equity: npt.NDArray[np.float64], closed: Columns
) -> dict[str, float | int | None]:
    """Compute the metrics of a run from its equity records, closed trades and the statistics in its State.

    ``ts_ns`` and ``equity``: every record, or the first and last of each UTC day. A position that is open at the end
    counts as exposed up to the last record.
    """
    state = plan.states[0]
    statistics = {name: float(state["statistics"][name]) for name in state["statistics"].dtype.names}
    exposed_ns = int(state["statistics"]["exposed_ns"])
    if state["open_position_count"] > 0 and len(ts_ns):
        exposed_ns += int(ts_ns[-1]) - int(state["statistics"]["exposed_since_ns"])
    return metrics.metrics(ts_ns, equity, closed, statistics, exposed_ns)


def attribution(state: Any) -> dict[str, float]:
    """Split the change of equity (settle asset) by source; the parts add up to it."""
    balances, statistics = state["balances"], state["statistics"]
    slippage = float(statistics["slippage"])  # unknown slippage of fills stays in price_realized
    corrected = -float(balances[CAPITAL]) - float(state["capital"]) - float(balances[EXTERNAL])
    parts = {
        "price_realized": -float(balances[REALIZED]) + slippage,
        "price_unrealized": float(state["unrealized"]),
        "slippage": -slippage,
        "fees": -float(balances[FEES]),
        "funding": -float(balances[FUNDING]),
    }
    return parts | ({"corrections": corrected} if corrected != 0.0 else {})
