"""What a fill does in plain Python: position, wallet, order, trade; and how an order or a trade ends."""

from dataclasses import dataclass, field
from typing import Any

from differential.account import Account
from differential.domain import Instance, Order, Position

EXIT_REASONS = {"ze1": "ZE1", "e1": "E1"}
COOLDOWN_OF = {"ze1": "ZE1", "take_profit": "ZE1", "time": "ZE1", "e1": "E1", "liquidation": "E1"}


@dataclass
class Books:
    """Orders, fills and trades of a run, as rows are told."""

    account: Account
    orders: list[Order] = field(default_factory=list)
    fills: list[dict[str, Any]] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)

    def fill(
        self, own: Instance, order: Order, qty: float, price: float, met: float, liquidity: str, now_ns: int
    ) -> None:
        """Fill an order. ``met`` is the price before slippage, ``now_ns`` when it became known."""
        instrument, strategy = own.instrument, own.strategy
        ts_ns = instrument.bars[instrument.at].ts_ns
        unit = instrument.multiplier
        fee = qty * price * unit * strategy.fee_bps(instrument, liquidity) / 1e4
        slippage = order.side * (price - met) * qty * unit
        order.paid += qty * price
        order.filled_qty += qty
        order.state = "FILLED" if order.filled_qty >= order.qty * (1 - 1e-12) else "PARTIALLY_FILLED"
        order.updated_ts = now_ns
        account = self.account
        account.wallet -= fee
        account.fees += fee
        account.slippage += slippage
        account.turnover += qty * price * unit
        strategy.result -= fee
        position = own.position
        if not order.reduce_only:
            if position is None:
                position = own.position = Position(strategy.side, strategy.leverage, ts_ns)
                strategy.entries_today += 1
                own.state = "POSITION_ACTIVE"
            if position.qty:
                position.entry = (position.entry * position.qty + price * qty) / (position.qty + qty)
            else:
                position.entry = price  # price * qty / qty is another float
            position.qty += qty
            position.bought += qty
        else:
            assert position is not None, "what reduces has something to reduce"
            gain = position.side * (price - position.entry) * qty * unit
            position.realized += gain
            account.wallet += gain
            strategy.result += gain
            position.qty -= qty
            position.sold += qty
            position.sold_for += qty * price
        position.fees += fee
        position.slippage += slippage
        self.fills.append(
            {
                "strategy": strategy.name,
                "instrument": instrument.name,
                "ts": ts_ns,
                "side": "BUY" if order.side > 0 else "SELL",
                "role": order.role,
                "qty": qty,
                "price": price,
                "fee": fee,
                "slippage": slippage,
                "liquidity": liquidity,
            }
        )
        if order.reduce_only:
            self._after_reduction(own, position, order, now_ns)

    def _after_reduction(self, own: Instance, position: Position, order: Order, now_ns: int) -> None:
        if position.qty > 1e-12 * position.bought:
            if own.stop and own.stop.is_open and own.stop is not order:
                own.stop.qty = position.qty
            return
        position.qty = 0.0
        self.trades.append(self.trade(own, position, order.role, own.instrument.bars[own.instrument.at].ts_ns))
        own.position = None
        for other in (own.stop, own.exit, *own.targets):
            if other and other.is_open:
                other.end("CANCELED", "exit", now_ns)
        own.stop = own.exit = None
        own.targets = []
        section = "E1" if own.state == "EMERGENCY_EXIT" else COOLDOWN_OF.get(order.role, "")
        own.free_ts = now_ns + own.strategy.cooldown_ns(section)
        own.state = "MONITORING"
        strategy = own.strategy
        money = position.bought * position.entry * own.instrument.multiplier
        own.doubt.of(money + self.trades[-1]["pnl"], money)  # a gain of nothing is no loss, but for a float's last bits
        if self.trades[-1]["pnl"] < 0:
            strategy.losses_in_row += 1
            strategy.last_loss_ts = now_ns
        else:
            strategy.losses_in_row = 0

    def trade(self, own: Instance, position: Position, role: str | None, exit_ts: int | None) -> dict[str, Any]:
        """The row of a trade, of an open one with what it has realised so far."""
        is_closed = exit_ts is not None
        return {
            "instrument": own.instrument.name,
            "strategy": own.strategy.name,
            "side": "LONG" if position.side > 0 else "SHORT",
            "qty": position.bought,
            "entry_ts": position.entry_ts,
            "entry_price": position.entry,
            "exit_ts": exit_ts,
            "exit_price": position.sold_for / position.sold if is_closed else None,
            "pnl": position.realized - position.fees + position.funding if is_closed else None,
            "fees": position.fees,
            "funding": position.funding,
            "slippage": position.slippage,
            "exit_reason": EXIT_REASONS.get(role, role) if role else None,
        }

    def give_up(self, own: Instance, state: str, reason: str, now_ns: int, section: str = "O1") -> None:
        """End an entry that was not filled whole; without a position the instance rests as after a cancel."""
        assert own.entry is not None
        own.entry.end(state, reason, now_ns)
        if own.position is None:
            own.state = "MONITORING"
            own.free_ts = now_ns + own.strategy.cooldown_ns(section)
