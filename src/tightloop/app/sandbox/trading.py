"""The account's orders at an exchange: taken, matched, changed, ended; and what others do to the account.

Nothing here knows a wire, a clock or a thread: ``now_ns`` is moved by ``engine.py``, which adds the market's time,
conditional orders and funding. All that acts raises Declined when the exchange refuses, and then nothing has changed.
What happened is kept in ``happenings``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

from tightloop.app.sandbox import matching
from tightloop.app.sandbox.account import FEE_DIGITS, Ledger
from tightloop.app.sandbox.board import Board
from tightloop.app.sandbox.listing import Listing
from tightloop.app.sandbox.records import (
    AccountPosition,
    BookedOrder,
    Declined,
    Execution,
    Happening,
    No,
    OrderTold,
    SettingsTold,
    Standing,
    Ticket,
)

MARKET_MARGIN = 1.0005  # margin of a market order is asked for at a price this much worse


class Trading(ABC):
    """Orders of one account on the boards of an exchange."""

    def __init__(self, boards: dict[str, Board], wallet: float, now_ns: int) -> None:
        self.boards = boards
        self.now_ns = now_ns
        self.ledger = Ledger(boards, wallet)
        self.orders: dict[int, BookedOrder] = {}
        self.executions: list[Execution] = []
        self.happenings: list[Happening] = []
        self._resting: dict[str, list[BookedOrder]] = {symbol: [] for symbol in boards}
        self._by_client: dict[str, list[int]] = {}
        self._off_grid: set[str] = set()
        self._next_order = 4_000_001
        self.accepts_repeat: Callable[[str], bool] = lambda _symbol: False

    @abstractmethod
    def has_waiting(self, symbol: str | None) -> bool:
        """Return whether conditional orders wait, of a symbol or of all."""

    @abstractmethod
    def on_done(self, order: BookedOrder) -> None:
        """Take note that an order filled in full or ended."""

    # Orders -----------------------------------------------------------------------------------------------------------

    def submit(self, ticket: Ticket, origin: str = "client", algo_id: int | None = None) -> BookedOrder:
        """Take an order. Raises Declined."""
        board = self.boards[ticket.symbol]
        if origin == "client":
            self._admit(ticket, board)
        order = BookedOrder(self._next_order, ticket, self.now_ns, self.now_ns, origin=origin, algo_id=algo_id)
        self._next_order += 1
        self.orders[order.order_id] = order
        self._by_client.setdefault(ticket.client_id, []).append(order.order_id)
        self._tell(order, "NEW")
        enough = ticket.tif != "FOK" or takeable_all(board, ticket, self.now_ns)
        if enough:
            matching.take(board, order, self.now_ns, self.fillable, self._fill)
        if order.is_open:
            if ticket.price is None or ticket.tif in ("IOC", "FOK"):
                self._end(order, Standing.EXPIRED, "EXPIRED")
            else:
                self._rest(order)
        return order

    def _rest(self, order: BookedOrder) -> None:
        ticket = order.ticket
        assert ticket.price is not None, "orders without a price do not rest"
        order.ahead = self.boards[ticket.symbol].lots_at(ticket.is_buy, ticket.price, self.now_ns)
        self._resting[ticket.symbol].append(order)

    def check(self, ticket: Ticket) -> None:
        """Raise Declined if an order would be refused now."""
        self._admit(ticket, self.boards[ticket.symbol])

    def _admit(self, ticket: Ticket, board: Board) -> None:
        if not board.listing.is_trading:
            raise Declined(No.NOT_TRADING)
        known = self._by_client.get(ticket.client_id)
        is_repeated = known is not None and any(self.orders[number].is_open for number in known)
        if is_repeated and not self.accepts_repeat(ticket.symbol):
            raise Declined(No.ID_REPEATED)
        if (ticket.position_side != "BOTH") != self.ledger.settings.hedge_mode:
            raise Declined(No.POSITION_SIDE)
        closes = self._closes(ticket)
        if ticket.is_reduce_only and not closes:
            raise Declined(No.REDUCE_ONLY)
        worst = board.ask if ticket.is_buy else board.bid
        if ticket.price is None and worst is None:
            raise Declined(No.NO_LIQUIDITY)
        if ticket.tif == "GTX" and ticket.price is not None and matching.would_take(board, ticket.is_buy, ticket.price):
            raise Declined(No.WOULD_TAKE)
        if not ticket.is_reduce_only and not (closes and self.ledger.settings.hedge_mode):
            self._check_margin(ticket, ticket.price if ticket.price is not None else (worst or 0.0) * MARKET_MARGIN)

    def _closes(self, ticket: Ticket) -> bool:
        held = self.ledger.holding(ticket.symbol, ticket.position_side).lots
        return held != 0 and (held > 0) != ticket.is_buy

    def _check_margin(self, ticket: Ticket, price: float) -> None:
        listing, ledger = self.boards[ticket.symbol].listing, self.ledger
        opened = ledger.opening_lots(
            ticket.symbol, ticket.position_side, ticket.lots if ticket.is_buy else -ticket.lots
        )
        if not opened:
            return
        notional = listing.qty(opened) * price
        leverage = ledger.leverage(ticket.symbol)
        if leverage > listing.tier(notional)[0].leverage_max:
            raise Declined(No.LEVERAGE)
        if notional / leverage + notional * listing.taker_rate > ledger.available(self.reserved):
            raise Declined(No.MARGIN)

    @property
    def reserved(self) -> float:
        """Margin of all open orders."""
        resting = (order for orders in self._resting.values() for order in orders)
        return sum(self.ledger.reserved(order, order.ticket.price or 0.0) for order in resting)

    def fillable(self, order: BookedOrder) -> int:
        """Return the lots an order may fill now."""
        if not order.is_open:
            return 0
        if not order.ticket.is_reduce_only:
            return order.left
        held = self.ledger.holding(order.ticket.symbol, order.ticket.position_side).lots
        return min(order.left, max(0, held if not order.ticket.is_buy else -held))

    def _fill(self, order: BookedOrder, lots: int, price: float, is_maker: bool) -> None:
        """Fill lots of an order; the fill is a public trade."""
        ticket = order.ticket
        board = self.boards[ticket.symbol]
        printed = board.print_trade(price, lots, ticket.is_buy == is_maker, self.now_ns)
        self.happenings.append(printed)
        rate = board.listing.maker_rate if is_maker else board.listing.taker_rate
        qty = board.listing.qty(lots)
        fee = 0.0 if order.origin == "adl" else round(qty * price * rate, FEE_DIGITS)
        fill = Execution(
            printed.trade_id, order.order_id, ticket.client_id, ticket.symbol, ticket.is_buy, lots, price, fee, 0.0,
            is_maker, self.now_ns, ticket.position_side,
        )  # fmt: skip
        self.ledger.book(fill, is_insured=order.origin == "liquidation")
        self.executions.append(fill)
        order.fills.append(fill)
        order.filled += lots
        order.quote += qty * price
        order.updated_ns = self.now_ns
        order.standing = Standing.PARTIALLY_FILLED if order.left else Standing.FILLED
        if not order.left and order in self._resting[ticket.symbol]:
            self._resting[ticket.symbol].remove(order)
        self._tell(order, "CALCULATED" if order.origin == "liquidation" else "TRADE", fill)
        holding = self.ledger.holding(ticket.symbol, ticket.position_side)
        self.happenings.append(self.ledger.told("ORDER", [holding], 0.0, self.now_ns))
        if not order.left:
            self.on_done(order)
        self._knock_out(ticket.symbol, order)

    def _knock_out(self, symbol: str, but: BookedOrder) -> None:
        """End reducing orders that have nothing left to reduce."""
        for order in list(self._resting[symbol]):
            if order is not but and order.ticket.is_reduce_only and not self._closes(order.ticket):
                order.is_knocked_out = True
                self._end(order, Standing.EXPIRED, "EXPIRED")

    def knock_out(self, symbol: str | None) -> None:
        """End the oldest open reducing order, as the venue does when another one takes its position."""
        for order in [found for found in self.open_orders(symbol) if found.ticket.is_reduce_only][:1]:
            order.is_knocked_out = True
            self._end(order, Standing.EXPIRED, "EXPIRED")

    def _end(self, order: BookedOrder, standing: Standing, what: str) -> None:
        if order in self._resting[order.ticket.symbol]:
            self._resting[order.ticket.symbol].remove(order)
        order.standing, order.updated_ns = standing, self.now_ns
        self._tell(order, what)
        self.on_done(order)

    def _tell(self, order: BookedOrder, what: str, fill: Execution | None = None) -> None:
        told = OrderTold(order, what, order.standing, order.filled, order.quote, fill, self.now_ns)
        self.happenings.append(told)

    def find(self, symbol: str, order_id: int | None, client_id: str | None) -> BookedOrder | None:
        """Return an order by its number, else the newest with a client id, of a symbol; None if there is none."""
        number = order_id
        if number is None:
            known = self._by_client.get(client_id or "")
            number = known[-1] if known else None
        order = self.orders.get(number) if number is not None else None
        return order if order is not None and order.ticket.symbol == symbol else None

    def cancel(self, order: BookedOrder | None) -> BookedOrder:
        """Take an order back. Raises Declined if it is not open."""
        if order is None or not order.is_open:
            raise Declined(No.NO_SUCH_ORDER)
        self._end(order, Standing.CANCELED, "CANCELED")
        return order

    def fill_in_full(self, order: BookedOrder) -> None:
        """Fill what is left of an open order at its price, as maker."""
        price = order.ticket.price
        wanted = self.fillable(order)
        if price is not None and wanted:
            self._fill(order, wanted, price, True)

    def amend(self, order: BookedOrder | None, lots: int, price: float) -> BookedOrder:
        """Change quantity and price of a resting order; it goes to the end of its queue. Raises Declined."""
        if order is None or not order.is_open or order.ticket.price is None:
            raise Declined(No.NO_SUCH_ORDER)
        ticket = order.ticket
        if lots == ticket.lots and price == ticket.price:
            raise Declined(No.NO_CHANGE)
        board = self.boards[ticket.symbol]
        if ticket.tif == "GTX" and matching.would_take(board, ticket.is_buy, price):
            raise Declined(No.WOULD_TAKE)
        if lots <= order.filled:
            self._end(order, Standing.CANCELED, "CANCELED")
            return order
        order.ticket = replace(ticket, lots=lots, price=price)
        order.updated_ns = self.now_ns
        self._tell(order, "AMENDMENT")
        self._resting[ticket.symbol].remove(order)
        matching.take(board, order, self.now_ns, self.fillable, self._fill)
        if order.is_open:
            self._rest(order)
        return order

    def open_orders(self, symbol: str | None = None) -> list[BookedOrder]:
        """Return the open orders of a symbol, or of all, by number."""
        chosen = [symbol] if symbol is not None else list(self._resting)
        return sorted((order for name in chosen for order in self._resting[name]), key=lambda order: order.order_id)

    # What others do to the account ------------------------------------------------------------------------------------

    def take_over(self, holding: AccountPosition, client_id: str, origin: str, lots: int | None = None) -> BookedOrder:
        """Close a position, or ``lots`` of it, by force: ``liquidation`` or ``adl``; open orders of it are canceled."""
        for order in [found for found in self._resting[holding.symbol] if origin == "liquidation"]:
            self._end(order, Standing.CANCELED, "CANCELED")
        size = abs(holding.lots) if lots is None else min(lots, abs(holding.lots))
        ticket = Ticket(client_id, holding.symbol, holding.lots < 0, "LIQUIDATION", "IOC", size)
        ticket.position_side = holding.position_side
        return self._force(ticket, origin)

    def trade_outside(self, symbol: str, lots: int, client_id: str) -> BookedOrder:
        """Trade signed lots by the hand of an outsider, at market, whatever it takes."""
        return self._force(Ticket(client_id, symbol, lots > 0, "MARKET", "GTC", abs(lots)), "outside")

    def _force(self, ticket: Ticket, origin: str) -> BookedOrder:
        """Fill an order in full: from the levels, and at the mark price what they do not have."""
        order = self.submit(ticket, origin)
        if order.left:
            order.standing = Standing.NEW
            self._fill(order, order.left, self._mark_on_grid(ticket.symbol), False)
        return order

    def _mark_on_grid(self, symbol: str) -> float:
        listing = self.boards[symbol].listing
        return listing.price(max(1, listing.ticks(self.ledger.mark(symbol))))

    # Settings ---------------------------------------------------------------------------------------------------------

    def set_leverage(self, symbol: str, leverage: int) -> None:
        """Set the leverage of a symbol. Raises Declined above what the smallest tier allows."""
        if not 1 <= leverage <= self.boards[symbol].listing.tiers[0].leverage_max:
            raise Declined(No.LEVERAGE)
        self.ledger.settings.leverage[symbol] = leverage
        self.happenings.append(SettingsTold(symbol, leverage, self.now_ns))

    def set_shared_margin(self, symbol: str, is_shared: bool) -> None:
        """Set shared or isolated margin. Raises Declined with a position or orders, or if it is so already."""
        if self.ledger.is_shared(symbol) == is_shared:
            raise Declined(No.NO_CHANGE)
        if any(found.symbol == symbol for found in self.ledger.open_holdings()):
            raise Declined(No.HAS_POSITION)
        if self._resting[symbol] or self.has_waiting(symbol):
            raise Declined(No.HAS_ORDERS)
        self.ledger.settings.shared_margin[symbol] = is_shared

    def set_hedge_mode(self, is_on: bool) -> None:
        """Set two positions a symbol, or one. Raises Declined with positions or orders, or if it is so already."""
        if self.ledger.settings.hedge_mode == is_on:
            raise Declined(No.NO_CHANGE)
        if self.ledger.open_holdings():
            raise Declined(No.HAS_POSITION)
        if self.open_orders() or self.has_waiting(None):
            raise Declined(No.HAS_ORDERS)
        self.ledger.settings.hedge_mode = is_on

    def move_money(self, amount: float) -> None:
        """Bring money in, or take it out with a negative amount."""
        self.ledger.move(amount, self.now_ns)
        why = "DEPOSIT" if amount >= 0.0 else "WITHDRAW"
        self.happenings.append(self.ledger.told(why, [], amount, self.now_ns))

    def relist(self, listing: Listing) -> None:
        """Change the rules of a symbol from now on."""
        board = self.boards[listing.symbol]
        if listing.tick_units != board.listing.tick_units:
            self._off_grid.add(listing.symbol)
        board.listing = listing


def takeable_all(board: Board, ticket: Ticket, now_ns: int) -> bool:
    """Return whether the levels have all of an order."""
    return matching.takeable(board, ticket.is_buy, ticket.price, now_ns) >= ticket.lots
