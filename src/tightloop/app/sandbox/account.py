"""The account: wallet, positions, margin, income. One settle asset, USDT; margin isolated or shared, symbol by symbol.

The wallet is all money of the account, that of isolated positions too. An isolated position is given its initial
margin out of what is free, returns a part of it as it shrinks, and can lose no more than it has. Fees and funding are
rounded to eight decimals, as they are told; results are not rounded.
"""

from dataclasses import dataclass, field, replace

from tightloop.app.sandbox.board import Board
from tightloop.app.sandbox.records import AccountPosition, AccountTold, BookedOrder, Execution, Income

WALLET_DEFAULT = 10_000.0
LEVERAGE_DEFAULT = 20
FEE_DIGITS = 8


@dataclass(slots=True)
class AccountSettings:
    """How the account is set up. ``can_withdraw``: the key may. ``fee_burn``: fees are paid in another asset."""

    hedge_mode: bool = False
    multi_assets: bool = False
    fee_burn: bool = False
    can_withdraw: bool = False
    can_trade: bool = True
    leverage: dict[str, int] = field(default_factory=dict)
    shared_margin: dict[str, bool] = field(default_factory=dict)
    shared_by_default: bool = True


class Ledger:
    """Money and positions of the account."""

    def __init__(self, boards: dict[str, Board], wallet: float = WALLET_DEFAULT) -> None:
        self.boards = boards
        self.wallet = wallet
        self.settings = AccountSettings()
        self.holdings: dict[tuple[str, str], AccountPosition] = {}
        self.incomes: list[Income] = []
        self._next_income = 9_000_000

    def leverage(self, symbol: str) -> int:
        """Return the leverage of a symbol."""
        most = self.boards[symbol].listing.tiers[0].leverage_max
        return self.settings.leverage.get(symbol, min(LEVERAGE_DEFAULT, most))

    def is_shared(self, symbol: str) -> bool:
        """Return whether positions of a symbol share the margin of the account (CROSSED)."""
        return self.settings.shared_margin.get(symbol, self.settings.shared_by_default)

    def holding(self, symbol: str, position_side: str = "BOTH") -> AccountPosition:
        """Return a position, of 0 lots if there is none."""
        return self.holdings.setdefault((symbol, position_side), AccountPosition(symbol, position_side))

    def open_holdings(self) -> list[AccountPosition]:
        """Return the positions that are not flat, by symbol."""
        return [found for _, found in sorted(self.holdings.items()) if found.lots]

    def mark(self, symbol: str) -> float:
        """Return the price positions are valued at."""
        board = self.boards[symbol]
        mark = board.mark if board.mark is not None else board.middle
        assert mark is not None, f"{symbol} has a position and no price"
        return mark

    def unrealised(self, holding: AccountPosition) -> float:
        """Return the unrealised result of a position."""
        if not holding.lots:
            return 0.0
        qty = self.boards[holding.symbol].listing.qty(holding.lots)
        return qty * (self.mark(holding.symbol) - holding.entry)

    def notional(self, holding: AccountPosition) -> float:
        """Return the worth of a position at the mark price, positive."""
        if not holding.lots:
            return 0.0
        return abs(self.boards[holding.symbol].listing.qty(holding.lots)) * self.mark(holding.symbol)

    def maintenance(self, holding: AccountPosition) -> float:
        """Return the maintenance margin of a position."""
        return self.boards[holding.symbol].listing.maintenance(self.notional(holding))

    def initial(self, holding: AccountPosition) -> float:
        """Return the initial margin of a position."""
        return self.notional(holding) / self.leverage(holding.symbol)

    @property
    def isolated(self) -> float:
        """Money that isolated positions have."""
        return sum(found.margin for found in self.open_holdings())

    @property
    def shared(self) -> float:
        """Wallet without the money of isolated positions."""
        return self.wallet - self.isolated

    def available(self, reserved: float) -> float:
        """Return what new orders may use; ``reserved``: margin of open orders."""
        shared = [found for found in self.open_holdings() if self.is_shared(found.symbol)]
        used = sum(self.initial(found) for found in shared)
        return max(0.0, self.shared + sum(self.unrealised(found) for found in shared) - used - reserved)

    def opening_lots(self, symbol: str, position_side: str, signed: int) -> int:
        """Return how many lots of a change go beyond closing what is there."""
        held = self.holding(symbol, position_side).lots
        if held * signed >= 0:
            return abs(signed)
        return max(0, abs(signed) - abs(held))

    def book(self, fill: Execution, *, is_insured: bool) -> None:
        """Take a fill into position and wallet; it is told its gain, and its fee must be set.

        ``is_insured``: the insurance fund pays what an isolated position loses beyond its margin.
        """
        listing = self.boards[fill.symbol].listing
        holding = self.holding(fill.symbol, fill.position_side)
        signed = fill.lots if fill.is_buy else -fill.lots
        before = holding.lots
        if before * signed < 0:
            closed = min(abs(before), fill.lots)
            gain = listing.qty(closed) * (fill.price - holding.entry) * (1.0 if before > 0 else -1.0)
            if is_insured and not self.is_shared(fill.symbol):
                gain = max(gain, -holding.margin * closed / abs(before))
            fill.gain = gain
            holding.gain += gain
            holding.margin *= 1.0 - closed / abs(before)
            self.wallet += gain
            self._earn("REALIZED_PNL", fill.symbol, gain, fill.ts_ns, fill.trade_id)
        opened = self.opening_lots(fill.symbol, fill.position_side, signed)
        holding.lots = before + signed
        if opened:
            kept = abs(before) if before * signed > 0 else 0
            worth = listing.qty(kept) * holding.entry + listing.qty(opened) * fill.price
            holding.entry = worth / listing.qty(kept + opened) if kept else fill.price
            if not self.is_shared(fill.symbol):
                holding.margin += listing.qty(opened) * fill.price / self.leverage(fill.symbol)
        if not holding.lots:
            holding.entry = holding.margin = 0.0
        holding.updated_ns = fill.ts_ns
        self.wallet -= fill.fee
        self._earn("COMMISSION", fill.symbol, -fill.fee, fill.ts_ns, fill.trade_id)

    def settle(self, holding: AccountPosition, rate: float, ts_ns: int) -> Income | None:
        """Pay or receive funding on a position; None when it rounds to nothing."""
        qty = self.boards[holding.symbol].listing.qty(holding.lots)
        amount = round(-qty * self.mark(holding.symbol) * rate, FEE_DIGITS)
        if not amount:
            return None
        self.wallet += amount
        if not self.is_shared(holding.symbol):
            holding.margin += amount
        return self._earn("FUNDING_FEE", holding.symbol, amount, ts_ns)

    def move(self, amount: float, ts_ns: int) -> Income:
        """Bring money in, or take it out."""
        self.wallet += amount
        return self._earn("TRANSFER", "", amount, ts_ns)

    def _earn(self, kind: str, symbol: str, amount: float, ts_ns: int, trade_id: int | None = None) -> Income:
        self._next_income += 1
        income = Income(kind, symbol, amount, self._next_income, ts_ns, trade_id)
        self.incomes.append(income)
        return income

    def liquidation_price(self, holding: AccountPosition) -> float | None:
        """Return the mark price at which a position is taken over; None if there is none above 0."""
        if not holding.lots:
            return None
        listing = self.boards[holding.symbol].listing
        side, qty = (1.0 if holding.lots > 0 else -1.0), abs(listing.qty(holding.lots))
        rule, cumulated = listing.tier(self.notional(holding))
        money = holding.margin if not self.is_shared(holding.symbol) else self._spare(holding)
        price = (money + cumulated - side * qty * holding.entry) / (qty * (rule.maintenance_rate - side))
        return price if price > 0.0 else None

    def _spare(self, holding: AccountPosition) -> float:
        """Return what keeps a position of shared margin from liquidation, while the others stand still."""
        others = [found for found in self.open_holdings() if found is not holding and self.is_shared(found.symbol)]
        return self.shared + sum(self.unrealised(found) - self.maintenance(found) for found in others)

    def fallen(self) -> list[AccountPosition]:
        """Return the positions whose margin is below their maintenance margin."""
        shared = [found for found in self.open_holdings() if self.is_shared(found.symbol)]
        alone = [found for found in self.open_holdings() if not self.is_shared(found.symbol)]
        below = [found for found in alone if found.margin + self.unrealised(found) <= self.maintenance(found)]
        worth = self.shared + sum(self.unrealised(found) for found in shared)
        if shared and worth <= sum(self.maintenance(found) for found in shared):
            below += shared
        return below

    def reserved(self, order: BookedOrder, price: float) -> float:
        """Return the margin an open order takes; none for what reduces."""
        ticket = order.ticket
        if ticket.is_reduce_only:
            return 0.0
        opened = self.opening_lots(ticket.symbol, ticket.position_side, order.left if ticket.is_buy else -order.left)
        return self.boards[ticket.symbol].listing.qty(opened) * price / self.leverage(ticket.symbol)

    def told(self, why: str, symbols: list[AccountPosition], change: float, ts_ns: int) -> AccountTold:
        """Build what is told of the account."""
        return AccountTold(why, self.wallet, self.shared, tuple(replace(found) for found in symbols), change, ts_ns)
