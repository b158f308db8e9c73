"""The truth of an exchange: one account, its orders, and a market that is played.

Theory of operation. Nothing here knows a wire, a clock or a thread. ``advance(now_ns)`` plays the market up to a time;
``submit``, ``cancel``, ``amend`` and their like act at the time that was reached; all raise Declined when the exchange
refuses. What happened is kept until ``drain`` takes it; dialects make frames of it. Equal seeds and
equal calls give equal happenings, so a simulation plays the same exchange as a server.

Within ``advance`` come, in order of time: rows of the market; on each point of the grid of 100 ms (while a book
is watched) the published levels; on each whole second mark prices, stops by mark, liquidations, expiries, and
every ``funding_hours`` the settlement. Stops by last price are looked at after each print.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tightloop.app.sandbox import matching
from tightloop.app.sandbox.account import WALLET_DEFAULT
from tightloop.app.sandbox.board import BOOK_GRID_NS, Board
from tightloop.app.sandbox.listing import Listing
from tightloop.app.sandbox.markets.source import MarketRow, MarketSource
from tightloop.app.sandbox.records import (
    BookedOrder,
    Conditional,
    ConditionalTold,
    Declined,
    Happening,
    Marked,
    No,
    Standing,
)
from tightloop.app.sandbox.trading import Trading
from tightloop.model.times import HOUR_NS, SECOND_NS

FUNDING_HOURS = 8


class Exchange(Trading):
    """An exchange with one account. ``watched``: symbols whose books are published."""

    def __init__(self, market: MarketSource, seed: int, wallet: float = WALLET_DEFAULT) -> None:
        boards = {found.symbol: Board(found, seed, market.past) for found in market.listings}
        super().__init__(boards, wallet, market.start_ns)
        self.market = market
        self.conditionals: dict[int, Conditional] = {}
        self.rates: dict[str, list[tuple[int, float, float]]] = {symbol: [] for symbol in self.boards}
        self.funding_hours = dict.fromkeys(self.boards, FUNDING_HOURS)
        self.watched: set[str] = set()
        self.spikes: dict[str, tuple[float, int]] = {}
        self.refuse_at_trigger: Callable[[], bool] = lambda: False
        self._waiting: dict[str, list[Conditional]] = {symbol: [] for symbol in self.boards}
        self._next_algo = 1_000_001
        self._rows = market.rows()
        self._row = next(self._rows, None)
        self._prime()

    def _prime(self) -> None:
        """Play what lies before the start."""
        quotes: dict[str, MarketRow] = {}
        row = self._row
        while row is not None and row.ts_ns <= self.now_ns:
            if row.is_quote:
                quotes[row.symbol] = row
            else:
                self.boards[row.symbol].print_trade(row.price, row.lots, row.is_buyer_maker, row.ts_ns)
            row = next(self._rows, None)
        self._row = row
        for row in quotes.values():
            self.boards[row.symbol].quote(row.price, row.lots, row.ask, row.ask_lots, row.ts_ns)
        for board in self.boards.values():
            board.publish(self.now_ns)
            board.tick_mark()

    def drain(self) -> list[Happening]:
        """Return what happened since the last call."""
        happened, self.happenings = self.happenings, []
        for board in self.boards.values():
            board.close_aggregate()
        return happened

    # Time -------------------------------------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Play up to a time; one in the past changes nothing."""
        while self.now_ns < now_ns:
            step_ns = BOOK_GRID_NS if self.watched else SECOND_NS
            point = self.now_ns - self.now_ns % step_ns + step_ns
            until = min(point, now_ns)
            while self._row is not None and self._row.ts_ns <= until:
                self.now_ns = max(self.now_ns, self._row.ts_ns)
                self._play(self._row)
                self._row = next(self._rows, None)
            self.now_ns = until
            if until == point:
                self._tick()

    def _play(self, row: MarketRow) -> None:
        """Take in a row of the market."""
        board = self.boards[row.symbol]
        if not board.listing.is_trading:
            return
        if row.symbol in self.spikes or row.symbol in self._off_grid:
            row = self._moved(row, board.listing)
        resting = self._resting[row.symbol]
        if row.is_quote:
            quoted = board.quote(row.price, row.lots, row.ask, row.ask_lots, row.ts_ns)
            self.happenings.append(quoted)
            if resting:
                matching.meet_quote(board, resting, self.fillable, self._fill)
            return

        def tell(lots: int) -> None:
            self.happenings.append(board.print_trade(row.price, lots, row.is_buyer_maker, row.ts_ns))

        if resting:
            matching.meet_print(resting, row, self.fillable, self._fill, tell)
        else:
            tell(row.lots)
        if self._waiting[row.symbol]:
            self._look_at_stops(row.symbol, row.price, by_mark=False)

    def _moved(self, row: MarketRow, listing: Listing) -> MarketRow:
        """Return the row as a spike has it, on the grid of today's increments."""
        factor, until_ns = self.spikes.get(row.symbol, (1.0, row.ts_ns))
        if row.ts_ns >= until_ns:
            self.spikes.pop(row.symbol, None)
            factor = 1.0
        price = listing.price(max(1, listing.ticks(row.price * factor)))
        ask = listing.price(max(listing.ticks(price) + 1, listing.ticks(row.ask * factor))) if row.is_quote else 0.0
        return row._replace(price=price, ask=ask)

    def _tick(self) -> None:
        """Settle what is due at a point of the grid."""
        for symbol in sorted(self.watched):
            moved = self.boards[symbol].publish(self.now_ns)
            if moved is not None:
                self.happenings.append(moved)
        if self.now_ns % SECOND_NS:
            return
        for symbol, board in self.boards.items():
            if board.tick_mark():
                assert board.mark is not None, "tick_mark says that there is one"
                assert board.index is not None, "tick_mark says that there is one"
                due_ns = self.next_funding_ns(symbol)
                rate = self.market.rate(symbol, due_ns)
                self.happenings.append(Marked(symbol, board.mark, board.index, rate, due_ns, self.now_ns))
                if self._waiting[symbol]:
                    self._look_at_stops(symbol, board.mark, by_mark=True)
            if self.now_ns % (self.funding_hours[symbol] * HOUR_NS) == 0:
                self._settle(symbol)
        for holding in self.ledger.fallen():
            self.take_over(holding, f"autoclose-{self.now_ns // 1_000_000}", "liquidation")
        for resting in self._resting.values():
            for order in [due for due in resting if (due.ticket.expires_ns or self.now_ns + 1) <= self.now_ns]:
                self._end(order, Standing.EXPIRED, "EXPIRED")

    def next_funding_ns(self, symbol: str) -> int:
        """Return when funding is settled next."""
        period = self.funding_hours[symbol] * HOUR_NS
        return self.now_ns - self.now_ns % period + period

    def settled(self, symbol: str) -> list[tuple[int, float, float]]:
        """Return the rates that were settled with time and mark price, ascending, those before the start too."""
        period = self.funding_hours[symbol] * HOUR_NS
        before = (
            (minute.open_ns, self.market.rate(symbol, minute.open_ns), minute.open)
            for minute in self.boards[symbol].minutes
            if minute.open_ns % period == 0 and minute.open_ns <= self.market.start_ns
        )
        return [*before, *self.rates[symbol]]

    def _settle(self, symbol: str) -> None:
        """Settle funding of a symbol."""
        rate = self.market.rate(symbol, self.now_ns)
        board = self.boards[symbol]
        if board.mark is None:
            return
        self.rates[symbol].append((self.now_ns, rate, board.mark))
        for holding in [found for found in self.ledger.open_holdings() if found.symbol == symbol]:
            paid = self.ledger.settle(holding, rate, self.now_ns)
            if paid is not None:
                holdings = [] if self.ledger.is_shared(symbol) else [holding]
                self.happenings.append(self.ledger.told("FUNDING_FEE", holdings, paid.amount, self.now_ns))

    # Conditional orders -----------------------------------------------------------------------------------------------

    def wait(self, **wanted: Any) -> Conditional:
        """Take a conditional order: fields of Conditional without numbers and times. Raises Declined."""
        conditional = Conditional(algo_id=self._next_algo, created_ns=self.now_ns, updated_ns=self.now_ns, **wanted)
        ticket = conditional.ticket
        board = self.boards[ticket.symbol]
        if not board.listing.is_trading:
            raise Declined(No.NOT_TRADING)
        if any(found.ticket.client_id == ticket.client_id for found in self.waiting()):
            raise Declined(No.ID_REPEATED)
        if (ticket.position_side != "BOTH") != self.ledger.settings.hedge_mode:
            raise Declined(No.POSITION_SIDE)
        price = board.mark if conditional.by_mark else board.last
        if conditional.kind != "TRAILING_STOP_MARKET" and price is not None and _reached(conditional, price):
            raise Declined(No.WOULD_TRIGGER)
        self._next_algo += 1
        self.conditionals[conditional.algo_id] = conditional
        self._waiting[ticket.symbol].append(conditional)
        self._move(conditional, Standing.NEW)
        return conditional

    def waiting(self, symbol: str | None = None) -> list[Conditional]:
        """Return the conditional orders that wait, by number."""
        chosen = [symbol] if symbol is not None else list(self._waiting)
        return sorted((found for name in chosen for found in self._waiting[name]), key=lambda found: found.algo_id)

    def find_conditional(self, algo_id: int | None, client_id: str | None) -> Conditional | None:
        """Return a conditional order by its number, else the newest with a client id; None if there is none."""
        if algo_id is not None:
            return self.conditionals.get(algo_id)
        same = [found for found in self.conditionals.values() if found.ticket.client_id == client_id]
        return same[-1] if same else None

    def withdraw(self, conditional: Conditional | None) -> Conditional:
        """Take a conditional order back. Raises Declined if it does not wait."""
        if conditional is None or not conditional.is_open:
            raise Declined(No.NO_SUCH_ORDER)
        self._waiting[conditional.ticket.symbol].remove(conditional)
        self._move(conditional, Standing.CANCELED)
        return conditional

    def has_waiting(self, symbol: str | None) -> bool:
        """Return whether conditional orders wait, of a symbol or of all."""
        return bool(self.waiting(symbol))

    def on_done(self, order: BookedOrder) -> None:
        """Finish the conditional order whose order has ended."""
        if order.algo_id is not None and self.conditionals[order.algo_id].standing is Standing.TRIGGERED:
            self._move(self.conditionals[order.algo_id], Standing.FINISHED)

    def _move(self, conditional: Conditional, standing: Standing) -> None:
        conditional.standing, conditional.updated_ns = standing, self.now_ns
        self.happenings.append(ConditionalTold(conditional, standing, conditional.order_id, self.now_ns))

    def _look_at_stops(self, symbol: str, price: float, *, by_mark: bool) -> None:
        for conditional in list(self._waiting[symbol]):
            if conditional.by_mark == by_mark and conditional.is_open:
                _follow(conditional, price)
                if _reached(conditional, price):
                    self._trigger(conditional)

    def _trigger(self, conditional: Conditional) -> None:
        """Send the order of a conditional one. Of every other pair the fill is told before TRIGGERED."""
        self._waiting[conditional.ticket.symbol].remove(conditional)
        conditional.triggered_ns = self.now_ns
        self._move(conditional, Standing.TRIGGERING)
        ticket = replace(conditional.ticket)
        if conditional.closes_position:
            held = self.ledger.holding(ticket.symbol, ticket.position_side).lots
            ticket.lots, ticket.is_reduce_only = abs(held), True
        if conditional.algo_id % 4 > 1:
            ticket.client_id = f"auto{conditional.algo_id}"
        try:
            if self.refuse_at_trigger():
                raise Declined(No.MARGIN)
            self.check(ticket)
        except Declined as refused:
            conditional.note = refused.why.value
            self._move(conditional, Standing.REJECTED)
            return
        conditional.order_id = self._next_order
        is_late = conditional.algo_id % 2 == 1
        if not is_late:
            self._move(conditional, Standing.TRIGGERED)
        order = self.submit(ticket, algo_id=conditional.algo_id)
        if is_late:
            self._move(conditional, Standing.TRIGGERED)
            if not order.is_open:
                self._move(conditional, Standing.FINISHED)


def _reached(conditional: Conditional, price: float) -> bool:
    """Return whether a price triggers a conditional order."""
    trigger = conditional.trigger
    if conditional.callback is not None:
        if conditional.extreme is None:
            return False
        sign = 1.0 if conditional.ticket.is_buy else -1.0
        trigger = conditional.extreme * (1.0 + sign * conditional.callback)
    return price >= trigger if conditional.fires_upwards else price <= trigger


def _follow(conditional: Conditional, price: float) -> None:
    """Move the extreme of a trailing stop; it is active from its activation price on."""
    if conditional.callback is None:
        return
    is_buy = conditional.ticket.is_buy
    if conditional.extreme is None:
        is_active = price <= conditional.trigger if is_buy else price >= conditional.trigger
        conditional.extreme = price if is_active else None
    else:
        conditional.extreme = min(conditional.extreme, price) if is_buy else max(conditional.extreme, price)
