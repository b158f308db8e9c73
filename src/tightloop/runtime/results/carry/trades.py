"""Trades of a carry run, from flat to flat: positions in perpetuals, and coins of spot legs.

Coins move on chain, earn yield there and come back as more or fewer of them. So a spot trade ends when nothing of the
asset is left in any balance, and its P&L is that of the quantity that was both bought and sold; yield is in the
attribution.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from tightloop.core.domain.carry import Instruction, RebalanceReason
from tightloop.core.domain.enums import RowKind, WarningCode
from tightloop.runtime.results.carry.record import CarryRecord
from tightloop.runtime.results.recorder import Columns
from tightloop.runtime.results.result import Table

FLAT = 1e-9
"""Fraction below which a rest is rounding error: of equity for spot, of the quantity for perpetuals."""
PERP, SPOT = 0, 1
Key = tuple[int, int]
"""PERP and the index of a holding, or SPOT and the index of a leg."""


@dataclass(slots=True)
class Deal:
    """One execution of a trade; ``row``: index among the executed instructions, -1 for a liquidation by the venue."""

    ts_ns: int
    key: Key
    qty: float
    price: float
    fee: float
    reason: str
    row: int


@dataclass(slots=True)
class CarryTrade:
    """A position from flat to flat; amounts in the share class, ``exit_ns`` 0 while it is open."""

    number: int
    key: Key
    side: int
    entry_ns: int
    entry_qty: float = 0.0
    entry_value: float = 0.0
    exit_qty: float = 0.0
    exit_value: float = 0.0
    fees: float = 0.0
    funding: float = 0.0
    exit_ns: int = 0
    reason: str = ""
    pnl: float = math.nan
    deals: list[int] = field(default_factory=list)


class TradeBook:
    """Builds trades from deals in order of time; all are built when it is made."""

    def __init__(self, record: CarryRecord) -> None:
        self.record = record
        self.trades: list[CarryTrade] = []
        self._open: dict[Key, CarryTrade] = {}
        for deal in self._deals():
            self._take(deal)
        for trade in self.trades:
            self._fund(trade)

    # Deals

    def _deals(self) -> list[Deal]:
        """Return executions of spot and perpetual trades and liquidations, in the order of the step."""
        executed = self.record.rows(RowKind.INSTRUCTION_EXECUTED)
        deals: list[tuple[int, int, Deal]] = []
        kinds = {Instruction.SPOT_BUY: 1.0, Instruction.SPOT_SELL: -1.0}
        for k in np.flatnonzero(np.isin(executed["code"], [int(op) for op in (*kinds, Instruction.PERP_TRADE)])):
            ts_ns, op = int(executed["ts_ns"][k]), int(executed["code"][k])
            fee = float(executed["fee"][k]) * self._worth(int(executed["role"][k]), ts_ns)
            if op == Instruction.PERP_TRADE:
                key, qty = (PERP, int(executed["oco"][k])), float(executed["qty"][k])
            else:
                leg = int(executed["side"][k])
                instrument = str(self.record.plan.strategy.legs[leg].instrument)
                key = (SPOT, self.record.spot_legs()[instrument])
                coins = executed["threshold"][k] if op == Instruction.SPOT_BUY else executed["qty"][k]
                qty = kinds[Instruction(op)] * float(coins)
            deals.append(
                (ts_ns, int(executed["seq"][k]), Deal(ts_ns, key, qty, float(executed["price"][k]), fee, "", int(k)))
            )
        deals += self._liquidations()
        deals.sort(key=lambda each: each[:2])
        ordered = [deal for _, _, deal in deals]
        self._name(ordered)
        return ordered

    def _liquidations(self) -> list[tuple[int, int, Deal]]:
        """Return liquidations as deals; quantity and price are in two rows of warnings.

        The venue's LIQUIDATED row has the price, and the DELTA_LEFT row after it the quantity. The holding is not in
        either: it is the one whose quantity before the instant was the opposite.
        """
        warned = self.record.rows(RowKind.WARNING)
        lost = np.flatnonzero(warned["code"] == int(WarningCode.DELTA_LEFT))
        deals, held = [], self.record.quantities
        for k in lost:
            ts_ns, qty = int(warned["ts_ns"][k]), float(warned["value"][k])
            instant = int(self.record.place(np.array([ts_ns]))[0])
            before = held[instant - 1] if instant > 0 else np.zeros(held.shape[1])
            holding = int(np.argmin(np.abs(before + qty))) if held.shape[1] else 0
            price = float(warned["value"][k - 1])
            deal = Deal(ts_ns, (PERP, holding), qty, price, 0.0, "liquidation", -1)
            deals.append((ts_ns, int(warned["seq"][k]), deal))
        return deals

    def _name(self, deals: list[Deal]) -> None:
        """Set each deal's reason: the band that acted last; stop or target for a signal leg without instruction."""
        warned = self.record.rows(RowKind.WARNING)
        bands = np.flatnonzero(warned["code"] == int(WarningCode.BAND_LEFT))
        times = warned["ts_ns"][bands]
        commanded = self.record.rows(RowKind.INSTRUCT)
        for deal in deals:
            if deal.reason:
                continue
            band = int(np.searchsorted(times, deal.ts_ns, side="right")) - 1
            deal.reason = RebalanceReason(int(warned["order_id"][bands[band]])).name.lower() if band >= 0 else "signal"
            if deal.key[0] == PERP and self.record.plan.strategy.legs[self._leg(deal.key)].signal is not None:
                same = (commanded["ts_ns"] == deal.ts_ns) & (commanded["instance"] == deal.key[1])
                deal.reason = "signal" if bool((same & (commanded["qty"] == deal.qty)).any()) else "stop"

    def _leg(self, key: Key) -> int:
        return int(self.record.books["holdings"][key[1]]["leg"]) if key[0] == PERP else key[1]

    def _worth(self, balance: int, ts_ns: int) -> float:
        """Return the value of one unit of a balance at a time, in the share class; 0 for -1, no balance."""
        if balance < 0:
            return 0.0
        return self._at(self.record.unit_value(balance), ts_ns)

    def _at(self, series: "np.ndarray[tuple[int], np.dtype[np.float64]] | float", ts_ns: int) -> float:
        """Return a series' value at a time; a float stays as it is, NaN without any instant."""
        if not isinstance(series, np.ndarray):
            return float(series)
        instant = int(self.record.place(np.array([ts_ns]))[0])
        return float(series[min(instant, len(series) - 1)]) if len(series) else math.nan

    # Trades

    def _take(self, deal: Deal) -> None:
        """Apply a deal to the open trade of its key; what exceeds a perpetual's position opens the opposite trade."""
        trade = self._open.get(deal.key)
        if trade is None:
            trade = self._begin(deal)
        if deal.qty * trade.side > 0.0:
            trade.entry_qty += abs(deal.qty)
            trade.entry_value += abs(deal.qty) * deal.price
            trade.fees += deal.fee
            trade.deals.append(deal.row)
            return
        held = trade.entry_qty - trade.exit_qty
        closing = abs(deal.qty) if deal.key[0] == SPOT else min(abs(deal.qty), held)
        share = closing / abs(deal.qty)
        trade.exit_qty += closing
        trade.exit_value += closing * deal.price
        trade.fees += deal.fee * share
        trade.deals.append(deal.row)
        is_flat = self._is_gone(deal) if deal.key[0] == SPOT else held - closing <= FLAT * trade.entry_qty
        if is_flat:
            self._end(trade, deal)
        rest = abs(deal.qty) - closing
        if rest > FLAT * abs(deal.qty):
            flipped = Deal(
                deal.ts_ns, deal.key, math.copysign(rest, deal.qty), deal.price, deal.fee * (1.0 - share), deal.reason,
                deal.row,
            )  # fmt: skip
            self._take(flipped)

    def _begin(self, deal: Deal) -> CarryTrade:
        trade = CarryTrade(len(self.trades) + 1, deal.key, 1 if deal.qty > 0.0 else -1, deal.ts_ns)
        self.trades.append(trade)
        self._open[deal.key] = trade
        return trade

    def _is_gone(self, deal: Deal) -> bool:
        """Check whether nothing of a spot leg's asset is left in any balance at the end of the instant."""
        coin = int(self.record.carry["legs"][deal.key[1]]["coin"])
        asset = int(self.record.books["balances"][coin]["asset"])
        left = self._at(self.record.asset_value(asset), deal.ts_ns)
        return abs(left) <= FLAT * abs(self._at(self.record.fixed("equity"), deal.ts_ns))

    def _end(self, trade: CarryTrade, deal: Deal) -> None:
        trade.exit_ns = deal.ts_ns
        trade.reason = deal.reason
        if deal.reason == "stop":
            gained = trade.side * (deal.price - trade.entry_value / trade.entry_qty)
            trade.reason = "take_profit" if gained > 0.0 else "stop_loss"
        del self._open[trade.key]

    def _fund(self, trade: CarryTrade) -> None:
        """Set a trade's funding over its holding time, and its P&L once it has ended."""
        record = self.record
        if trade.key[0] == PERP:
            instants, received = record.funding(trade.key[1])
            times = record.ts_ns[instants]
            inside = (times > trade.entry_ns) & ((times <= trade.exit_ns) | (trade.exit_ns == 0))
            trade.funding = float(received[inside].sum())
            quote = record.quote_price(trade.key[1])
        else:
            quote = record.paid_in(trade.key[1])
        if trade.exit_ns:
            gained = trade.exit_value / trade.exit_qty - trade.entry_value / trade.entry_qty
            both = min(trade.entry_qty, trade.exit_qty)
            trade.pnl = trade.side * both * gained * self._at(quote, trade.exit_ns) - trade.fees + trade.funding

    def instrument(self, key: Key) -> str:
        """Return the instrument of a key as result files write it."""
        plan = self.record.plan
        return str(plan.holdings[key[1]] if key[0] == PERP else plan.strategy.legs[key[1]].instrument)

    def table(self, session_id: str) -> Table:
        """Build ``trades.parquet``; trades that are open at the end have null exits."""
        closed = [trade.exit_ns > 0 for trade in self.trades]
        count = len(self.trades)
        return {
            "trade_id": np.array([trade.number for trade in self.trades], np.int64),
            "instrument": [self.instrument(trade.key) for trade in self.trades],
            "strategy": [self.record.plan.strategy.name] * count,
            "side": ["LONG" if trade.side > 0 else "SHORT" for trade in self.trades],
            "qty": np.array([trade.entry_qty for trade in self.trades], np.float64),
            "entry_ts": np.array([trade.entry_ns for trade in self.trades], np.int64),
            "entry_price": np.array([trade.entry_value / trade.entry_qty for trade in self.trades], np.float64),
            "exit_ts": [trade.exit_ns if done else None for trade, done in zip(self.trades, closed, strict=True)],
            "exit_price": np.array(
                [trade.exit_value / trade.exit_qty if trade.exit_ns else math.nan for trade in self.trades], np.float64
            ),
            "pnl": np.array([trade.pnl for trade in self.trades], np.float64),
            "fees": np.array([trade.fees for trade in self.trades], np.float64),
            "funding": np.array([trade.funding for trade in self.trades], np.float64),
            "slippage": np.zeros(count),
            "exit_reason": [trade.reason if done else None for trade, done in zip(self.trades, closed, strict=True)],
            "signal_id": [None] * count,
            "session_id": [session_id] * count,
        }

    def closed(self) -> Columns:
        """Return the columns of closed trades that the metrics need."""
        closed = [trade for trade in self.trades if trade.exit_ns]
        return {
            "pnl": np.array([trade.pnl for trade in closed], np.float64),
            "entry_ns": np.array([trade.entry_ns for trade in closed], np.int64),
            "exit_ns": np.array([trade.exit_ns for trade in closed], np.int64),
        }

    def numbers(self) -> dict[int, int]:
        """Return the trade number of each executed row that belongs to one; of a flip, the trade that it closed."""
        numbers: dict[int, int] = {}
        for trade in self.trades:
            for row in trade.deals:
                numbers.setdefault(row, trade.number)
        return numbers
