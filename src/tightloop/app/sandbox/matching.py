"""Who trades with whom: takers walk the levels, resting orders meet prints and quotes of the market.

Price, then time. A resting order begins behind what stands at its price (``ahead``). Prints at its price use that up,
then it; a print beyond its price reaches it at once, and so does a quote that crosses it. What stands ahead shrinks to
the market's quantity when that becomes smaller, and is nothing once the order is better than the market. Every fill is
a public trade with a number of its own, a print that hits us is split; so the sequence of numbers has no holes. Our
orders are not part of the published levels, and never trade with each other.
"""

from collections.abc import Callable

from tightloop.app.sandbox.board import Board
from tightloop.app.sandbox.markets.source import MarketRow
from tightloop.app.sandbox.records import BookedOrder

Fill = Callable[[BookedOrder, int, float, bool], None]
"""Fills lots of an order at a price, as maker or not."""
Fillable = Callable[[BookedOrder], int]
"""Returns the lots an order may fill now: those left, of a reducing order no more than the position has."""


def would_take(board: Board, is_buy: bool, price: float) -> bool:
    """Return whether a limit order would trade at once."""
    best = board.ask if is_buy else board.bid
    return best is not None and (price >= best if is_buy else price <= best)


def takeable(board: Board, is_buy: bool, price: float | None, now_ns: int) -> int:
    """Return the lots a taker finds up to a price (None: at any)."""
    levels = board.levels(not is_buy, now_ns)
    return sum(lots for tick, lots in levels if price is None or _reaches(is_buy, price, board.listing.price(tick)))


def _reaches(is_buy: bool, limit: float, price: float) -> bool:
    return price <= limit if is_buy else price >= limit


def take(board: Board, order: BookedOrder, now_ns: int, fillable: Fillable, fill: Fill) -> None:
    """Match a taker with the levels, best first."""
    ticket = order.ticket
    for tick, lots in board.levels(not ticket.is_buy, now_ns):
        price = board.listing.price(tick)
        if ticket.price is not None and not _reaches(ticket.is_buy, ticket.price, price):
            return
        wanted = min(lots, fillable(order))
        if not wanted:
            return
        board.take(not ticket.is_buy, price, wanted)
        fill(order, wanted, price, False)


def meet_print(
    resting: list[BookedOrder], row: MarketRow, fillable: Fillable, fill: Fill, tell: Callable[[int], None]
) -> None:
    """Match a print of the market with resting orders; ``tell`` publishes lots of it that met none."""
    left = row.lots
    for order in _by_priority(resting, is_buy=row.is_buyer_maker):
        price = order.ticket.price
        assert price is not None, "orders without a price do not rest"
        if not left or not _reaches(order.ticket.is_buy, price, row.price):
            break
        if price == row.price:
            passed = min(order.ahead, left)
            if passed:
                order.ahead -= passed
                left -= passed
                tell(passed)
        wanted = min(left, fillable(order))
        if wanted:
            left -= wanted
            fill(order, wanted, price, True)
    if left:
        tell(left)


def meet_quote(board: Board, resting: list[BookedOrder], fillable: Fillable, fill: Fill) -> None:
    """Match a quote with resting orders: those it crosses fill up to its quantity, the others may move up."""
    for is_buy in (True, False):
        best, opposite = (board.bid, board.ask) if is_buy else (board.ask, board.bid)
        lots, opposite_lots = (board.bid_lots, board.ask_lots) if is_buy else (board.ask_lots, board.bid_lots)
        assert best is not None, "a quote has two sides"
        assert opposite is not None, "a quote has two sides"
        for order in _by_priority(resting, is_buy=is_buy):
            price = order.ticket.price
            assert price is not None, "orders without a price do not rest"
            if _reaches(is_buy, price, opposite):
                wanted = min(opposite_lots, fillable(order))
                if wanted:
                    opposite_lots -= wanted
                    board.take(not is_buy, opposite, wanted)
                    fill(order, wanted, price, True)
            elif price == best:
                order.ahead = min(order.ahead, lots)
            elif price > best if is_buy else price < best:
                order.ahead = 0


def _by_priority(resting: list[BookedOrder], *, is_buy: bool) -> list[BookedOrder]:
    """Return one side's resting orders by price, then by number."""
    side = [order for order in resting if order.ticket.is_buy == is_buy]
    return sorted(
        side, key=lambda order: (-(order.ticket.price or 0.0) if is_buy else order.ticket.price, order.order_id)
    )
