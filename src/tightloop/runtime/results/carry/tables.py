"""Tables of a carry run with a row per instruction, execution or event: orders, fills, signals, events."""

import json
import math
from collections import defaultdict, deque
from typing import Any

import numpy as np

from tightloop.core.domain.carry import GO, Instruction, Level, Monitor, PnlComponent, RebalanceReason, Rollback
from tightloop.core.domain.enums import Reason, RowKind, WarningCode
from tightloop.model.carry.plan import CarryPlan
from tightloop.runtime.results.carry.record import CarryRecord
from tightloop.runtime.results.carry.trades import TradeBook
from tightloop.runtime.results.result import Table

TRADED = (Instruction.SPOT_BUY, Instruction.SPOT_SELL, Instruction.PERP_TRADE)
EVENT_NAMES = {
    Instruction.SPOT_BUY: "SPOT_TRADE", Instruction.SPOT_SELL: "SPOT_TRADE", Instruction.PERP_TRADE: "PERP_TRADE",
    Instruction.TRANSFER: "TRANSFER", Instruction.SUPPLY: "COLLATERAL_SUPPLIED",
    Instruction.WITHDRAW: "COLLATERAL_WITHDRAWN", Instruction.BORROW: "LOAN_CREATED",
    Instruction.REPAY: "LOAN_REPAID", Instruction.STAKE: "STAKE_DEPOSIT", Instruction.SWAP: "SWAP",
    Instruction.REDEEM: "REDEMPTION_ASKED", Instruction.FLASH_BORROW: "FLASH_BORROW",
    Instruction.FLASH_REPAY: "FLASH_REPAID", Instruction.WRAP: "WRAP", Instruction.GAS: "GAS_FEE_PAID",
    Instruction.PAY_OUT: "PAID_OUT", Instruction.SELL_DUST: "DUST_SOLD", Instruction.ARRIVED: "ARRIVED",
}  # fmt: skip
WARNED = {
    WarningCode.MARGIN_LOW: "MARGIN_WARNING", WarningCode.BAND_LEFT: "REBALANCE_TRIGGER",
    WarningCode.LIQUIDATED: "LIQUIDATION", WarningCode.ROLLED_BACK: "ROLLED_BACK",
    WarningCode.DELTA_LEFT: "DELTA_LEFT", WarningCode.REWARD_UNPRICED: "REWARD_UNPRICED",
    WarningCode.NOT_PAYABLE: "WITHDRAWAL_WAITS", WarningCode.RUINED: "RUINED",
    WarningCode.BUNDLE_DENIED: "DENIED", WarningCode.KILLED: "KILL_SWITCH",
    WarningCode.DAILY_LOSS_STOP: "DAILY_LOSS_STOP", WarningCode.DRAWDOWN_STOP: "DRAWDOWN_STOP",
    WarningCode.DRAWDOWN_NEAR: "DRAWDOWN_NEAR", WarningCode.OUTCOME_UNKNOWN: "OUTCOME_UNKNOWN",
}  # fmt: skip
MEASURES = {
    RebalanceReason.LIQUIDATION: "share",
    RebalanceReason.HEALTH_FACTOR: "ltv",
    RebalanceReason.MARGIN: "share",
    RebalanceReason.DELTA: "delta",
    RebalanceReason.LTV: "ltv",
    RebalanceReason.EQUITY: "size",
    RebalanceReason.WITHDRAWAL: "share",
    RebalanceReason.DEPOSIT: "capital",
    RebalanceReason.DUST: "value",
    RebalanceReason.ENTRY: "capital",
    RebalanceReason.SIGNAL: "side",
}
"""Meaning of the value of a rebalance: the share that is reduced, the capital that is put in, or the measurement."""
REDUCES = {RebalanceReason.HEALTH_FACTOR: "health_factor", RebalanceReason.MARGIN: "margin_ratio"}
"""Rules that only reduce, by what they measure: denied while no place is left for a bundle, and by nothing else."""


_Event = tuple[int, int, str, str | None, str | None, float, float, str | None]
"""Time, rank within one instant, event, venue, asset, amount, value in the share class, note."""


ORDER_COLUMNS = (
    "order_id", "signal_id", "session_id", "strategy", "instrument", "side", "type", "role", "tif", "qty", "price",
    "stop_price", "reduce_only", "state", "reason", "filled_qty", "avg_price", "submitted_ts", "updated_ts", "leg",
    "source", "target",
)  # fmt: skip


def label(plan: CarryPlan, balance: int) -> str | None:
    """Write a balance as ``venue:kind:asset``; None for -1, the world outside the account."""
    if balance < 0:
        return None
    name = plan.balances[balance]
    return f"{name.venue}:{name.kind}:{name.asset}"


class CarryTables:
    """Builds tables from the log's rows; orders are paired with their executions once, for orders and fills alike."""

    def __init__(self, record: CarryRecord, book: TradeBook, session_id: str) -> None:
        self.record = record
        self.plan = record.plan
        self.book = book
        self.session_id = session_id
        self.commanded = record.rows(RowKind.INSTRUCT)
        self.executed = record.rows(RowKind.INSTRUCTION_EXECUTED)
        self.warned = record.rows(RowKind.WARNING)
        bundles = record.rows(RowKind.BUNDLE)
        self._ended = dict(zip(bundles["order_id"].tolist(), bundles["reason"].tolist(), strict=True))
        self._ended_ns = dict(zip(bundles["order_id"].tolist(), bundles["ts_ns"].tolist(), strict=True))
        self._order_of: dict[int, str] = {}
        self._rows = sorted(self._orders() + self._denied(), key=lambda row: row["submitted_ts"])

    # Orders

    def _orders(self) -> list[dict[str, Any]]:
        """Return a row per instruction, paired with its execution.

        Executions come in the order of the instructions of their bundle, so the next one of a bundle is the match. Of a
        bundle that was rolled back only gas is executed.
        """
        done: dict[int, deque[int]] = defaultdict(deque)
        for k, bundle in enumerate(self.executed["order_id"].tolist()):
            done[bundle].append(k)
        rows: list[dict[str, Any]] = []
        place = 0
        columns = {name: column.tolist() for name, column in self.commanded.items()}
        for k, op in enumerate(columns["code"]):
            bundle = columns["order_id"][k]
            if op == GO:
                place = 0
                continue
            place += 1
            ended = self._ended.get(bundle)
            takes_place = ended == Rollback.NONE or (
                ended is not None and op == Instruction.GAS and columns["qty"][k] > 0
            )
            row = done[bundle].popleft() if takes_place and done[bundle] else None
            name = f"{bundle >> 16}-{bundle & 0xFFFF}.{place}"
            if row is not None:
                self._order_of[row] = name
            rows.append(self._order({key: column[k] for key, column in columns.items()}, name, row, ended))
        return rows

    def _order(self, instruction: dict[str, Any], name: str, row: int | None, ended: int | None) -> dict[str, Any]:
        """Build one instruction's row; ``row``: its execution, ``ended``: its bundle's outcome; None while open."""
        op = Instruction(instruction["code"])
        instrument, side = self._instrument(op, instruction["side"], instruction["instance"], instruction["qty"])
        qty = abs(instruction["qty"])
        if op == Instruction.SPOT_BUY:
            qty = instruction["threshold"] if row is None else float(self.executed["threshold"][row])
        elif row is not None:
            qty = abs(float(self.executed["qty"][row]))
        state, reason = "OPEN", None
        if row is not None:
            state = "FILLED"
        elif ended is not None:
            state, reason = "CANCELED", f"rolled_back: {Rollback(ended).name.lower()}"
        stop = instruction["stop_price"] if op == Instruction.PERP_TRADE else math.nan
        price = float(self.executed["price"][row]) if row is not None and op in TRADED else math.nan
        return {
            "order_id": name, "signal_id": None, "session_id": self.session_id, "strategy": self.plan.strategy.name,
            "instrument": instrument, "side": side, "type": "market", "role": op.name.lower(), "tif": "IOC",
            "qty": qty, "price": math.nan, "stop_price": stop,
            "reduce_only": False, "state": state, "reason": reason,
            "filled_qty": qty if row is not None else 0.0, "avg_price": price,
            "submitted_ts": instruction["ts_ns"],
            "updated_ts": self._ended_ns.get(instruction["order_id"], instruction["ts_ns"]),
            "leg": self.plan.strategy.legs[instruction["side"]].name if instruction["side"] >= 0 else None,
            "source": label(self.plan, instruction["slot"]), "target": label(self.plan, instruction["oco"]),
        }  # fmt: skip

    def _denied(self) -> list[dict[str, Any]]:
        """Return a row per denied addition of a rule; nothing of it was sent to a venue."""
        rows: list[dict[str, Any]] = []
        for k in np.flatnonzero(self.warned["code"] == int(WarningCode.BUNDLE_DENIED)).tolist():
            ts_ns, band = int(self.warned["ts_ns"][k]), RebalanceReason(int(self.warned["order_id"][k]))
            row: dict[str, Any] = dict.fromkeys(ORDER_COLUMNS)
            row |= {
                "order_id": f"denied-{len(rows) + 1}", "session_id": self.session_id,
                "strategy": self.plan.strategy.name, "type": "bundle", "role": band.name.lower(), "qty": math.nan,
                "price": math.nan, "stop_price": math.nan, "reduce_only": False, "state": "DENIED",
                "reason": Reason(int(self.warned["reason"][k])).name.lower(), "filled_qty": 0.0,
                "avg_price": math.nan, "submitted_ts": ts_ns, "updated_ts": ts_ns,
            }  # fmt: skip
            rows.append(row)
        return rows

    def _instrument(self, op: Instruction, leg: int, holding: int, qty: float) -> tuple[str | None, str | None]:
        """Return instrument and side of a trade; (None, None) for any other instruction."""
        if op == Instruction.PERP_TRADE:
            return str(self.plan.holdings[holding]), "BUY" if qty > 0 else "SELL"
        if op in TRADED:
            return str(self.plan.strategy.legs[leg].instrument), "BUY" if op == Instruction.SPOT_BUY else "SELL"
        return None, None

    def orders(self) -> Table:
        """Build ``orders.parquet``: instructions sent to venues; a bundle takes place as a whole or not at all."""
        table: Table = {name: [row[name] for row in self._rows] for name in ORDER_COLUMNS}
        for name in ("qty", "price", "stop_price", "filled_qty", "avg_price"):
            table[name] = np.array(table[name], np.float64)
        return table

    # Fills

    def fills(self) -> Table:
        """Build ``fills.parquet``: every execution, whether instructed or forced by a venue.

        ``fee``, ``slippage`` and ``value`` are in the share class, ``given`` and ``taken`` in the tokens of source and
        target.
        """
        columns = {name: column.tolist() for name, column in self.executed.items()}
        count = len(columns["ts_ns"])
        trades = self.book.numbers()
        sides: list[tuple[str | None, str | None]] = []
        qty, costs = [], []
        for k in range(count):
            op = Instruction(columns["code"][k])
            holding = columns["oco"][k] if op == Instruction.PERP_TRADE else -1
            sides.append(self._instrument(op, columns["side"][k], holding, columns["qty"][k]))
            qty.append(columns["threshold"][k] if op == Instruction.SPOT_BUY else abs(columns["qty"][k]))
            costs.append(self._costs(op, {name: column[k] for name, column in columns.items()}))
        is_perp = [code == Instruction.PERP_TRADE for code in columns["code"]]
        return {
            "fill_id": np.arange(1, count + 1),
            "order_id": [self._order_of.get(k) for k in range(count)],
            "trade_id": [trades.get(k) for k in range(count)],
            "signal_id": [None] * count,
            "session_id": [self.session_id] * count,
            "strategy": [self.plan.strategy.name] * count,
            "instrument": [instrument for instrument, _ in sides],
            "ts": np.array(columns["ts_ns"], np.int64),
            "side": [side for _, side in sides],
            "role": [Instruction(code).name.lower() for code in columns["code"]],
            "qty": np.array(qty, np.float64),
            "price": np.array(
                [
                    price if code in TRADED else math.nan
                    for price, code in zip(columns["price"], columns["code"], strict=True)
                ],
                np.float64,
            ),
            "fee": np.array([fee for fee, _ in costs], np.float64),
            "slippage": np.array([slippage for _, slippage in costs], np.float64),
            "liquidity": ["taker" if code in TRADED else None for code in columns["code"]],
            "source": [label(self.plan, at) for at in columns["slot"]],
            "target": [
                None if perp else label(self.plan, at) for at, perp in zip(columns["oco"], is_perp, strict=True)
            ],
            "given": np.array([abs(given) for given in columns["qty"]], np.float64),
            "taken": np.array(columns["threshold"], np.float64),
            "value": np.array(columns["value"], np.float64),
        }

    def _costs(self, op: Instruction, executed: dict[str, Any]) -> tuple[float, float]:
        """Return fee and slippage of one execution, in the share class.

        What a conversion loses in value is a fee for transfers, flash loans and spot trades, and slippage for swaps.
        """
        if op == Instruction.GAS:
            return executed["value"], 0.0
        if op == Instruction.PAY_OUT:
            return 0.0, 0.0
        fee = executed["fee"] * self._worth(executed["role"], executed["ts_ns"]) if executed["role"] >= 0 else 0.0
        if op == Instruction.PERP_TRADE:
            return fee, 0.0
        lost = executed["value"] - executed["threshold"] * self._worth(executed["oco"], executed["ts_ns"])
        if abs(lost) <= 1e-9 * abs(executed["value"]):
            return fee, 0.0
        is_fee = op in (Instruction.TRANSFER, Instruction.FLASH_REPAY, Instruction.SPOT_BUY, Instruction.SPOT_SELL)
        return (fee + lost, 0.0) if is_fee else (fee, lost)

    def _worth(self, balance: int, ts_ns: int) -> float:
        """Return the value of one unit of a balance at a time, in the share class."""
        worth = self.record.unit_value(balance)
        if not isinstance(worth, np.ndarray):
            return float(worth)
        at = int(self.record.place(np.array([ts_ns]))[0])
        return float(worth[at]) if at < len(worth) else math.nan

    # Signals

    def signals(self) -> Table:
        """Build ``signals.parquet``: bands that were left, margin warnings, denied additions, bundles rolled back."""
        rows = [row for k in range(len(self.warned["ts_ns"])) if (row := self._signal(k)) is not None]
        names = ("ts", "section", "event", "reason", "conditions")
        columns: dict[str, list[Any]] = {name: [row[at] for row in rows] for at, name in enumerate(names)}
        count = len(rows)
        return {
            "ts": np.array(columns["ts"], np.int64),
            "signal_id": [None] * count,
            "session_id": [self.session_id] * count,
            "strategy": [self.plan.strategy.name] * count,
            "instrument": [None] * count,
            "section": columns["section"],
            "event": columns["event"],
            "reason": columns["reason"],
            "price": np.full(count, math.nan),
            "conditions": columns["conditions"],
        }

    def _signal(self, k: int) -> tuple[int, str, str, str | None, str] | None:
        """Return a warning's row: time, section, event, reason, conditions; None for codes that are no signal."""
        code, ts_ns = int(self.warned["code"][k]), int(self.warned["ts_ns"][k])
        value, number = float(self.warned["value"][k]), int(self.warned["order_id"][k])
        bands = self.plan.strategy.bands
        if code == WarningCode.BAND_LEFT:
            band = RebalanceReason(number)
            limit = {
                RebalanceReason.MARGIN: bands.margin_resize,
                RebalanceReason.DELTA: bands.delta,
                RebalanceReason.LTV: bands.ltv,
                RebalanceReason.EQUITY: bands.equity,
                RebalanceReason.HEALTH_FACTOR: bands.hf_floor,
            }.get(band)
            return ts_ns, band.name, "fired", None, _condition(MEASURES[band], "outside", value, limit)
        if code == WarningCode.MARGIN_LOW:
            return ts_ns, "WARN", "fired", None, _condition("margin_ratio", "<", value, bands.margin_warn)
        if code == WarningCode.BUNDLE_DENIED:
            reason = Reason(int(self.warned["reason"][k])).name.lower()
            band = RebalanceReason(number)
            condition = _condition(MEASURES[band], "adds", value, None)
            if band in REDUCES:  # of what only reduces the value is the measurement
                limit = bands.hf_floor if band is RebalanceReason.HEALTH_FACTOR else bands.margin_resize
                condition = _condition(REDUCES[band], "<", value, limit)
            return ts_ns, band.name, "suppressed", reason, condition
        if code == WarningCode.ROLLED_BACK:
            return ts_ns, "BUNDLE", "suppressed", Rollback(int(value)).name.lower(), "[]"
        return None

    # Events

    def events(self) -> Table:
        """Build ``events.parquet``: everything that changed money or risk, in order of time.

        At one instant funding and rewards come first, then executions, then rules that acted and risks that changed
        level.
        """
        rows: list[_Event] = []
        columns = {name: column.tolist() for name, column in self.executed.items()}
        for k, code in enumerate(columns["code"]):
            op = Instruction(code)
            at = columns["slot"][k] if columns["slot"][k] >= 0 else columns["oco"][k]
            venue, asset = self._where(op, at)
            leg = self.plan.strategy.legs[columns["side"][k]].name if columns["side"][k] >= 0 else None
            rows.append(
                (columns["ts_ns"][k], 1, EVENT_NAMES[op], venue, asset, columns["qty"][k], columns["value"][k], leg)
            )
        for at, instrument in enumerate(self.plan.holdings):
            places, received = self.record.funding(at)
            times = self.record.ts_ns[places]
            for ts_ns, amount in zip(times.tolist(), received.tolist(), strict=True):
                rows.append((ts_ns, 0, "FUNDING_PAYMENT", instrument.venue, instrument.symbol, amount, amount, None))
        rows += self._rewards()
        rows += self._risks()
        for k, code in enumerate(self.warned["code"].tolist()):
            if code in {int(known) for known in WARNED}:
                number = int(self.warned["order_id"][k])
                note = RebalanceReason(number).name.lower() if code == WarningCode.BAND_LEFT else None
                if code == WarningCode.BUNDLE_DENIED:
                    reason = Reason(int(self.warned["reason"][k]))
                    note = f"{RebalanceReason(number).name.lower()}: {reason.name.lower()}"
                value = float(self.warned["value"][k])
                ts_ns = int(self.warned["ts_ns"][k])
                rows.append((ts_ns, 2, WARNED[WarningCode(code)], None, None, value, math.nan, note))
        rows.sort(key=lambda row: row[:2])
        return {
            "ts": np.array([row[0] for row in rows], np.int64),
            "event": [row[2] for row in rows],
            "venue": [row[3] for row in rows],
            "asset": [row[4] for row in rows],
            "amount": np.array([row[5] for row in rows], np.float64),
            "value": np.array([row[6] for row in rows], np.float64),
            "note": [row[7] for row in rows],
        }

    def _rewards(self) -> list["_Event"]:
        """Return a row per reward that was paid and valued: nothing else moves its P&L component."""
        paid = np.diff(self.record.buckets[:, int(PnlComponent.STAKING_YIELD_REWARDS)], prepend=0.0)
        return [
            (int(self.record.ts_ns[at]), 0, "REWARD_DISTRIBUTION", None, None, math.nan, float(paid[at]), None)
            for at in np.flatnonzero(paid)
        ]

    def _risks(self) -> list["_Event"]:
        """Return a row per change of a monitored risk's level."""
        changes = self.record.rows(RowKind.MONITOR)
        return [
            (ts_ns, 2, Monitor(code).name, None, None, value, math.nan, Level(level).name.lower())
            for ts_ns, code, level, value in zip(
                *(changes[name].tolist() for name in ("ts_ns", "code", "reason", "value")), strict=True
            )
        ]

    def _where(self, op: Instruction, number: int) -> tuple[str | None, str | None]:
        """Return venue and asset of an execution."""
        if op == Instruction.PERP_TRADE:
            return self.plan.holdings[number].venue, self.plan.holdings[number].symbol
        balance = self.plan.balances[number]
        return balance.venue, balance.asset


def _condition(variant: str, operator: str, value: float, threshold: float | None) -> str:
    """Write one condition as the JSON list of the column ``conditions``."""
    return json.dumps(
        [{"variant": variant, "operator": operator, "value": value, "threshold": threshold, "verdict": "TRUE"}],
        separators=(",", ":"),
    )
