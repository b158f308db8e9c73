"""Price levels of an order book, and the queue position of resting orders.

Two books exist: the strategy's view and the simulated venue's, which may see updates at different times. Both are fed
by quotes (top of book only) or by order book updates (level by level).

Levels are sorted worst first, best last: changes at the top of the book, which are the most frequent, move nothing. At
most LEVELS_MAX levels of a side are kept; the worst is dropped.

A quote replaces the best price and says nothing about deeper levels: those better than it are removed, those worse stay
as last seen. An order book is known from its first snapshot until an update is missing or leaves it crossed; then it is
unknown until the next snapshot.

Sides: BUY (1) is the bid side, SELL (-1) the ask side.
"""

import math

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.ticks import BookRow, QueueKind
from tightloop.core.domain.types import Record

BUY, SELL = 1, -1


@hot
def _levels(book: Record, side: int) -> Record:
    """Return the level array of a side, worst first."""
    return book.bids if side > 0 else book.asks


@hot
def _is_better(side: int, price: float, than: float) -> bool:
    """Tell whether ``price`` is better than ``than`` for a resting order: higher on the bid side, lower on the ask."""
    return price > than if side > 0 else price < than


@leaf
def best(book: Record, side: int) -> float:
    """Return the best price of a side; NaN if the side is empty."""
    if side > 0:
        return book.bids[book.bid_count - 1].price if book.bid_count > 0 else math.nan
    return book.asks[book.ask_count - 1].price if book.ask_count > 0 else math.nan


@hot
def is_best(book: Record, side: int, price: float) -> bool:
    """Tell whether ``price`` is currently the best price of a side."""
    if side > 0:
        return book.bid_count > 0 and book.bids[book.bid_count - 1].price == price
    return book.ask_count > 0 and book.asks[book.ask_count - 1].price == price


@hot
def replace_best(book: Record, side: int, qty: float) -> float:
    """Set the quantity at the best price of a side; return the previous quantity."""
    level = book.bids[book.bid_count - 1] if side > 0 else book.asks[book.ask_count - 1]
    before = level.qty
    level.qty = qty
    return before


@leaf
def qty_at(book: Record, side: int, price: float) -> float:
    """Return the quantity last seen at a price; 0 if the level is unknown."""
    levels = book.bids if side > 0 else book.asks
    index = (book.bid_count if side > 0 else book.ask_count) - 1
    while index >= 0 and _is_better(side, levels[index].price, price):
        index -= 1
    return levels[index].qty if index >= 0 and levels[index].price == price else 0.0


@leaf
def set_level(book: Record, side: int, price: float, qty: float) -> float:
    """Set the quantity at a price, 0 removes the level; return the previous quantity.

    If the side is full, a new level displaces the worst one, or is ignored if it would be the worst itself.
    """
    levels = book.bids if side > 0 else book.asks
    count = book.bid_count if side > 0 else book.ask_count
    index = count
    while index > 0 and _is_better(side, levels[index - 1].price, price):
        index -= 1
    # levels[:index] are no better than the price.
    before = 0.0
    if index > 0 and levels[index - 1].price == price:
        before = levels[index - 1].qty
        if qty > 0.0:
            levels[index - 1].qty = qty
        else:
            for k in range(index, count):
                levels[k - 1].price, levels[k - 1].qty = levels[k].price, levels[k].qty
            count -= 1
    elif qty > 0.0:
        if count == limits.LEVELS_MAX:
            if index == 0:
                return 0.0  # side is full and the new level would be its worst
            for k in range(1, index):
                levels[k - 1].price, levels[k - 1].qty = levels[k].price, levels[k].qty
            index -= 1
        else:
            for k in range(count, index, -1):
                levels[k].price, levels[k].qty = levels[k - 1].price, levels[k - 1].qty
            count += 1
        levels[index].price, levels[index].qty = price, qty
    if side > 0:
        book.bid_count = count
    else:
        book.ask_count = count
    return before


@leaf
def drop_best(book: Record, side: int) -> float:
    """Remove the best level of a side; return its quantity."""
    if side > 0:
        book.bid_count -= 1
        return book.bids[book.bid_count].qty
    book.ask_count -= 1
    return book.asks[book.ask_count].qty


# Order books ----------------------------------------------------------------------------------------------------------


@leaf
def lose(book: Record) -> None:
    """Mark the book unknown and empty it, until the next snapshot."""
    book.is_known = 0
    book.bid_count = 0
    book.ask_count = 0


@leaf
def is_taken(book: Record, seq: int, flags: int) -> bool:
    """Check a row's sequence number; tell whether the row applies to the book.

    Snapshot rows always apply. Updates are numbered consecutively: after a missing one the book is unknown, outdated
    ones are ignored, and none applies before the first snapshot.
    """
    if flags & BookRow.IS_SNAPSHOT:
        if flags & BookRow.IS_FIRST:
            lose(book)
            book.is_known = 1
        book.last_seq = seq
        return True
    if book.is_known == 0 or seq < book.last_seq:
        return False
    if seq > book.last_seq + 1:
        lose(book)
        return False
    book.last_seq = seq
    return True


@leaf
def end_update(book: Record) -> bool:
    """Finish an update; return whether the book is known. A crossed or locked book becomes unknown."""
    if book.bid_count > 0 and book.ask_count > 0:
        if book.bids[book.bid_count - 1].price >= book.asks[book.ask_count - 1].price:
            lose(book)
    return book.is_known != 0


@leaf
def best_qty(book: Record, side: int) -> float:
    """Return the quantity at the best price of a side; NaN if the side is empty."""
    if side > 0:
        return book.bids[book.bid_count - 1].qty if book.bid_count > 0 else math.nan
    return book.asks[book.ask_count - 1].qty if book.ask_count > 0 else math.nan


@leaf
def qty_of_best(book: Record, side: int, many: int) -> float:
    """Return the total quantity of the best ``many`` levels of a side."""
    levels = book.bids if side > 0 else book.asks
    index = (book.bid_count if side > 0 else book.ask_count) - 1
    last, qty = index - many, 0.0
    while index >= 0 and index > last:
        qty += levels[index].qty
        index -= 1
    return qty


@leaf
def take_best(book: Record, side: int, qty: float) -> None:
    """Subtract a taken quantity from the best level of a side."""
    if side > 0:
        book.bids[book.bid_count - 1].qty -= qty
    else:
        book.asks[book.ask_count - 1].qty -= qty


@leaf
def drop_empty(book: Record, side: int) -> None:
    """Remove best levels without remaining quantity."""
    while not best_qty(book, side) > 0.0 and (book.bid_count if side > 0 else book.ask_count) > 0:
        drop_best(book, side)


@leaf
def price_of(book: Record, side: int, qty: float) -> float:
    """Return the price of the last level that a market order of ``qty`` would reach; NaN if the side is empty.

    If the side holds less than ``qty``, the price of its worst level.
    """
    levels = book.bids if side > 0 else book.asks
    index = (book.bid_count if side > 0 else book.ask_count) - 1
    if index < 0:
        return math.nan
    left = qty - levels[index].qty
    while left > 0.0 and index > 0:
        index -= 1
        left -= levels[index].qty
    return levels[index].price


@leaf
def take_all(book: Record, side: int, qty: float) -> float:
    """Take ``qty`` from a side that is not empty; return the average price.

    Quantity beyond the known levels is priced at the last level.
    """
    touch, left, beyond, price = best(book, side), qty, 0.0, best(book, side)
    while left > 0.0 and best(book, side) > 0.0:
        price, shown = best(book, side), best_qty(book, side)
        beyond += min(shown, left) * (price - touch)
        if shown > left:
            take_best(book, side, left)
        else:
            drop_best(book, side)
        left -= min(shown, left)
    return touch + (beyond + left * (price - touch)) / qty


@leaf
def ahead_at(book: Record, side: int, price: float) -> float:
    """Return the quantity resting at a price, ahead of an order that joins now.

    Infinite if it is unknown: the book is unknown, or was cut off above that price.
    """
    if book.has_book != 0:
        count = book.bid_count if side > 0 else book.ask_count
        if book.is_known == 0:
            return math.inf
        worst = book.bids[0].price if side > 0 else book.asks[0].price
        if count == limits.LEVELS_MAX and _is_better(side, worst, price):
            return math.inf
    return qty_at(book, side, price)


# Queues ---------------------------------------------------------------------------------------------------------------


@leaf
def join_queue(venue: Record, book: Record, slot: int) -> None:
    """Initialise the queue position of an order that starts to rest: behind all quantity at its price."""
    order = venue.orders[slot]
    venue.queue_ahead[slot] = ahead_at(book, order.side, order.price)
    venue.queue_traded[slot] = 0.0


@leaf
def trade_ahead(venue: Record, slot: int, qty: float) -> None:
    """Advance the queue by a print of ``qty`` at the order's price."""
    venue.queue_ahead[slot] -= qty
    venue.queue_traded[slot] += qty


@leaf
def _share_behind(venue: Record, front: float, back: float) -> float:
    """Return the estimated share of a cancelled quantity that was queued behind the order, 0 to 1; NaN if undefined.

    ``front`` and ``back`` are the quantities ahead of and behind the order. Probability queue models LOG2 and POWER3 as
    in hftbacktest 2.4 (documentation, "Order Fill", "Probability Queue Models").
    """
    whole = back + front
    if venue.queue_kind == QueueKind.LOG2:
        if not (1.0 + back > 0.0 and 1.0 + whole > 0.0):
            return math.nan
        below = math.log(1.0 + whole)
        return math.log(1.0 + back) / below if below != 0.0 else 1.0
    assert venue.queue_kind == QueueKind.POWER3, "a queue has a known kind"
    return 1.0 - math.pow(front / whole, venue.queue_power) if whole != 0.0 else math.nan


@leaf
def qty_changed(venue: Record, slot: int, before: float, now: float) -> None:
    """Update the queue position after the quantity at the order's price changed from ``before`` to ``now``.

    What prints do not explain was cancelled, ahead of or behind the order; RISK_AVERSE assumes all of it was behind.
    """
    front = venue.queue_ahead[slot]
    if venue.queue_kind == QueueKind.RISK_AVERSE or front == math.inf:
        venue.queue_ahead[slot] = min(front, now)
        venue.queue_traded[slot] = 0.0
        return
    canceled = before - now - venue.queue_traded[slot]
    venue.queue_traded[slot] = 0.0
    if canceled < 0.0:
        venue.queue_ahead[slot] = min(front, now)
        return
    back = before - front
    behind = _share_behind(venue, front, back)
    estimate = front - (1.0 - behind) * canceled + min(back - behind * canceled, 0.0)
    venue.queue_ahead[slot] = min(estimate, now) if estimate == estimate else now


@leaf
def look_again(venue: Record, book: Record, slot: int) -> None:
    """Cap the queue position by the quantity a snapshot shows; who left the queue is unknown."""
    order = venue.orders[slot]
    venue.queue_ahead[slot] = min(venue.queue_ahead[slot], ahead_at(book, order.side, order.price))
    venue.queue_traded[slot] = 0.0


@hot
def is_reached(venue: Record, slot: int, lot: float) -> bool:
    """Tell whether trades have consumed the queue ahead of an order by at least half a lot.

    ``queue_ahead`` turns negative by the quantity that traded beyond the queue; that quantity fills the order.
    """
    ahead = venue.queue_ahead[slot]
    if ahead == math.inf:
        return False  # queue length unknown
    return math.floor(-ahead / lot + 0.5) > 0.0 if lot > 0.0 else ahead < 0.0
