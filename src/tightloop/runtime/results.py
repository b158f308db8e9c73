"""From what a recorder kept to the tables and the summary that a user reads. Names and columns are the contract's."""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop import __version__
from tightloop.core.ledger import FEES, FUNDING, REALIZED
from tightloop.core.state import state_hash
from tightloop.core.types import (
    InstanceState,
    OrderKind,
    OrderState,
    Reason,
    Role,
    RowKind,
    Section,
    TimeInForce,
    WarningCode,
)
from tightloop.model.conditions import Condition
from tightloop.model.plan import Plan
from tightloop.runtime import metrics
from tightloop.runtime.recorder import Columns, Recorder

Table = dict[str, npt.NDArray[Any] | list[Any]]

EXIT_REASONS = {
    Role.STOP_LOSS: "stop_loss", Role.TAKE_PROFIT: "take_profit", Role.TRAILING: "trailing", Role.ZE1: "ZE1",
    Role.E1: "E1", Role.TIME: "time", Role.LIQUIDATION: "liquidation", Role.MANUAL: "manual", Role.ENTRY: "manual",
}  # fmt: skip
VERDICTS = ("FALSE", "TRUE", "UNKNOWN")
WARNINGS = {
    WarningCode.DAILY_LOSS_STOP: "daily loss limit: no entries until the next UTC day ({count} times, first {first})",
    WarningCode.DRAWDOWN_STOP: "drawdown limit reached at {first}: no entries until the end of the run",
    WarningCode.DRAWDOWN_NEAR: "drawdown came within a fifth of its limit ({count} times, first at {first})",
    WarningCode.CROSSED_HOLE: "{count} orders waited through a hole and filled at the next bar (first at {first})",
    WarningCode.LIQUIDATED: "{count} positions were liquidated (first at {first})",
    WarningCode.UNKNOWN_ORDER: "{count} events came for orders that were not open (first at {first})",
    WarningCode.ILLEGAL_EVENT: "{count} order events were illegal and changed nothing (first at {first})",
    WarningCode.KILLED: "the kill switch was used {count} times (first at {first})",
}


@dataclass(slots=True)
class Result:
    """One run: ``summary`` is result.json, ``tables`` are the Parquet files by name, ``bars`` what it ran on."""

    summary: dict[str, Any]
    tables: dict[str, Table]
    quality: list[dict[str, Any]]


def iso(ts_ns: int) -> str:
    """A time as text: seconds, or as many digits as it has."""
    text = str(np.datetime64(int(ts_ns), "ns")).rstrip("0")
    return (text.removesuffix(".")) + "Z"


def digest(*parts: object) -> str:
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()


class _Tables:
    """Turns columns of codes and indexes into columns that people read."""

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
        """``sig_`` and 12 hex digits: the same in every replay of the session."""
        if number == 0:
            return None
        if number not in self.signal_names:
            self.signal_names[number] = "sig_" + digest(self.session_id, number)[:12]
        return self.signal_names[number]

    def common(self, columns: Columns) -> Table:
        n = len(columns["instance"])
        return {
            "signal_id": [self.signal(int(k)) for k in columns["signal_id"]],
            "session_id": [self.session_id] * n,
            "strategy": [self.strategy_names[int(k)] for k in columns["instance"]],
            "instrument": [self.instruments[int(k)] for k in columns["instrument"]],
        }

    def trades(self) -> Table:
        closed = self.recorder.columns(RowKind.TRADE)
        common = self.common(closed)
        table: Table = {
            "trade_id": [int(k) for k in closed["slot"]],
            "instrument": common["instrument"],
            "strategy": common["strategy"],
            "side": ["LONG" if s > 0 else "SHORT" for s in closed["side"]],
            "qty": closed["qty"].tolist(),
            "entry_ts": [int(t) for t in closed["entry_ns"]],
            "entry_price": closed["price"].tolist(),
            "exit_ts": [int(t) for t in closed["exit_ns"]],
            "exit_price": closed["exit_price"].tolist(),
            "pnl": closed["pnl"].tolist(),
            "fees": closed["fee"].tolist(),
            "funding": closed["funding"].tolist(),
            "slippage": closed["slippage"].tolist(),
            "exit_reason": [EXIT_REASONS[Role(int(r))] for r in closed["role"]],
            "signal_id": common["signal_id"],
            "session_id": common["session_id"],
        }
        self._append_open(table)
        return table

    def _append_open(self, table: Table) -> None:
        """Trades that are open at the end: null exits; their P&L so far is in the equity, not here."""
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
                "exit_price": None,
                "pnl": None,
                "fees": float(position["fees"]),
                "funding": float(position["funding"]),
                "slippage": float(position["slippage"]),
                "exit_reason": None,
                "signal_id": self.signal(int(position["signal_id"])),
                "session_id": self.session_id,
            }
            for name, column in table.items():
                assert isinstance(column, list)
                column.append(row[name])

    def orders(self) -> Table:
        """One row an order, in the order they were made, with its last state."""
        submitted, ended = self.recorder.columns(RowKind.SUBMIT), self.recorder.columns(RowKind.ORDER)
        last = {int(order_id): k for k, order_id in enumerate(ended["order_id"])}
        still = {}
        for slot in range(int(self.state["order_high"])):
            order = self.state["orders"][slot]
            if order["id"]:
                still[int(order["id"])] = order
        denied = ended["code"] == int(OrderState.DENIED) if len(ended["order_id"]) else np.zeros(0, bool)
        rows: list[dict[str, Any]] = [
            self._order(submitted, k, ended, last, still) for k in range(len(submitted["order_id"]))
        ]
        rows += [self._order(ended, int(k), ended, last, still) for k in np.flatnonzero(denied)]
        rows.sort(key=lambda row: row["number"])
        names = [name for name in rows[0] if name != "number"] if rows else _ORDER_COLUMNS
        return {name: [row[name] for row in rows] for name in names}

    def _order(
        self, columns: Columns, k: int, ended: Columns, last: dict[int, int], still: dict[int, Any]
    ) -> dict[str, Any]:
        order_id = int(columns["order_id"][k])
        at = last.get(order_id)
        if at is not None:
            state, reason = int(ended["code"][at]), int(ended["reason"][at])
            qty, filled = float(ended["qty"][at]), float(ended["threshold"][at])
            average, updated = float(ended["exit_price"][at]), int(ended["ts_ns"][at])
            stop = float(ended["stop_price"][at])
        else:
            order = still[order_id]
            state, reason = int(order["state"]), int(order["reason"])
            qty, filled = float(order["qty"]), float(order["filled_qty"])
            average = float(order["filled_value"] / order["filled_qty"]) if filled > 0 else math.nan
            updated, stop = int(columns["ts_ns"][k]), float(order["stop_price"])
        return {
            "number": order_id,
            "order_id": f"{order_id >> 16}-{order_id & 0xFFFF}",
            "signal_id": self.signal(int(columns["signal_id"][k])),
            "session_id": self.session_id,
            "strategy": self.strategy_names[int(columns["instance"][k])],
            "instrument": self.instruments[int(columns["instrument"][k])],
            "side": "BUY" if columns["side"][k] > 0 else "SELL",
            "type": OrderKind(int(columns["order_kind"][k])).name.lower(),
            "role": Role(int(columns["role"][k])).name.lower(),
            "tif": TimeInForce(int(columns["tif"][k])).name,
            "qty": qty,
            "price": _known(float(columns["price"][k])),
            "stop_price": _known(stop),
            "reduce_only": bool(columns["reduce_only"][k]),
            "state": OrderState(state).name,
            "reason": Reason(reason).name.lower() if reason else None,
            "filled_qty": filled,
            "avg_price": _known(average),
            "submitted_ts": int(columns["ts_ns"][k]),
            "updated_ts": updated,
        }

    def fills(self) -> Table:
        own = self.recorder.columns(RowKind.FILL)
        common = self.common(own)
        n = len(own["instance"])
        return {
            "fill_id": list(range(1, n + 1)),
            "order_id": [f"{int(k) >> 16}-{int(k) & 0xFFFF}" for k in own["order_id"]],
            "trade_id": [int(k) for k in own["slot"]],
            "signal_id": common["signal_id"],
            "session_id": common["session_id"],
            "strategy": common["strategy"],
            "instrument": common["instrument"],
            "ts": [int(t) for t in own["entry_ns"]],
            "side": ["BUY" if s > 0 else "SELL" for s in own["side"]],
            "role": [Role(int(r)).name.lower() for r in own["role"]],
            "qty": own["qty"].tolist(),
            "price": own["price"].tolist(),
            "fee": own["fee"].tolist(),
            "slippage": [_known(float(s)) for s in own["slippage"]],
            "liquidity": ["maker" if m else "taker" for m in own["is_maker"]],
        }

    def signals(self) -> Table:
        own, parts = self.recorder.columns(RowKind.SECTION), self.recorder.columns(RowKind.CONDITION)
        n = len(own["instance"])
        lists: list[list[dict[str, Any]]] = [[] for _ in range(n)]
        for k in range(len(parts["slot"])):
            lists[int(parts["section"][k])].append(self._condition(parts, k))
        common = self.common(own)
        suppressed = [int(c) == Section.S1 and int(r) != 0 for c, r in zip(own["code"], own["reason"], strict=True)]
        return {
            "ts": [int(t) for t in own["ts_ns"]],
            **common,
            "section": [Section(int(c)).name for c in own["code"]],
            "event": ["suppressed" if s else "fired" for s in suppressed],
            "reason": [Reason(int(r)).name.lower() if r else None for r in own["reason"]],
            "price": own["price"].tolist(),
            "conditions": [json.dumps(conditions, separators=(",", ":")) for conditions in lists],
        }

    def _condition(self, parts: Columns, k: int) -> dict[str, Any]:
        condition: Condition = self.plan.conditions[int(parts["slot"][k])]
        threshold: Any = _known(float(parts["threshold"][k]))
        if condition.operator == "between":
            threshold = [threshold, _known(float(parts["exit_price"][k]))]
        named = [operand for operand in condition.operands if isinstance(operand, str)]
        own: dict[str, Any] = {
            "variant": condition.variant,
            "operator": condition.operator,
            "value": _known(float(parts["value"][k])),
            "threshold": threshold,
            "verdict": VERDICTS[int(parts["code"][k])],
        }
        return own | ({"threshold_variant": named[0]} if named else {})

    def transitions(self) -> Table:
        own = self.recorder.columns(RowKind.TRANSITION)
        return {
            "ts": [int(t) for t in own["ts_ns"]],
            **self.common(own),
            "from_state": [InstanceState(int(s)).name for s in own["slot"]],
            "to_state": [InstanceState(int(s)).name for s in own["code"]],
            "reason": [Reason(int(r)).name.lower() if r else None for r in own["reason"]],
        }

    def warnings(self) -> list[str]:
        own = self.recorder.columns(RowKind.WARNING)
        found = []
        for code, text in WARNINGS.items():
            chosen = np.flatnonzero(own["code"] == int(code))
            if len(chosen):
                found.append(text.format(count=len(chosen), first=iso(int(own["ts_ns"][chosen[0]]))))
        return found


_ORDER_COLUMNS = [
    "order_id",
    "signal_id",
    "session_id",
    "strategy",
    "instrument",
    "side",
    "type",
    "role",
    "tif",
    "qty",
    "price",
    "stop_price",
    "reduce_only",
    "state",
    "reason",
    "filled_qty",
    "avg_price",
    "submitted_ts",
    "updated_ts",
]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def data_hash(feed_rows: list[npt.NDArray[Any]]) -> str:
    """A digest of every row a run read."""
    own = hashlib.blake2b(digest_size=16)
    for rows in feed_rows:
        own.update(str(rows.dtype.itemsize).encode())
        own.update(np.ascontiguousarray(rows).view(np.uint8).data)
    return own.hexdigest()


def build(
    plan: Plan, recorder: Recorder, *, data_digest: str, seed: int, warnings: list[str], quality: list[dict[str, Any]]
) -> Result:
    """Tables and summary of a finished (or interrupted) run."""
    state = plan.states[0]
    config_hash = (
        digest(*(strategy.config_hash for strategy in plan.strategies))[:16]
        if len(plan.strategies) > 1
        else plan.strategies[0].config_hash
    )
    session_id = "ses_" + digest(config_hash, data_digest, seed, __version__)[:12]
    tables = _Tables(plan, recorder, session_id)
    equity = recorder.equity()
    ts_ns, values = equity["ts_ns"].astype(np.int64), equity["equity"].astype(np.float64)
    closed = recorder.columns(RowKind.TRADE)
    summary: dict[str, Any] = {
        "strategy": " + ".join(strategy.read.name for strategy in plan.strategies),
        "config_hash": config_hash,
        "data_hash": data_digest,
        "engine_version": __version__,
        "seed": seed,
        "session_id": session_id,
        "settle_asset": plan.settle_asset,
        "instruments": [str(instrument) for instrument in plan.instruments],
        "timeframe": plan.timeframe,
        "from": iso(int(ts_ns[0])) if len(ts_ns) else None,
        "to": iso(int(ts_ns[-1])) if len(ts_ns) else None,
        "initial_equity": plan.capital,
        "final_equity": float(values[-1]) if len(values) else plan.capital,
        "state_hash": state_hash(plan.states, plan.arena),
        "metrics": figures_of(plan, ts_ns, values, closed),
        "attribution": attribution(state),
        "account": plan.strategies[0].read.account.model_dump(),
        "warnings": [w for s in plan.strategies for w in s.warnings] + warnings + tables.warnings(),
    }
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
    return Result(summary, frames, quality)


def figures_of(
    plan: Plan, ts_ns: npt.NDArray[np.int64], equity: npt.NDArray[np.float64], closed: Columns
) -> dict[str, float | int | None]:
    """The metrics of a run that ended, from its records and what its State kept."""
    state = plan.states[0]
    statistics = {name: float(state["statistics"][name]) for name in state["statistics"].dtype.names}
    exposed_ns = int(state["statistics"]["exposed_ns"])
    if state["open_position_count"] > 0 and len(ts_ns):
        exposed_ns += int(ts_ns[-1]) - int(state["statistics"]["exposed_since_ns"])
    return metrics.metrics(ts_ns, equity, closed, statistics, exposed_ns)


def attribution(state: Any) -> dict[str, float]:
    """Where the change of equity came from; the parts add up to it."""
    balances, statistics = state["balances"], state["statistics"]
    slippage = float(statistics["slippage"])
    slippage = 0.0 if math.isnan(slippage) else slippage
    return {
        "price_realized": -float(balances[REALIZED]) + slippage,
        "price_unrealized": float(state["unrealized"]),
        "slippage": -slippage,
        "fees": -float(balances[FEES]),
        "funding": -float(balances[FUNDING]),
    }
