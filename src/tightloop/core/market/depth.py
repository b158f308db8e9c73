"""Price levels of both sides of a market: those of the simulated venue, with who rests where, and the strategy's own.

Levels are kept best last, so that what happens at the top of the book costs one look. A quote says what is best and
nothing of the rest: better levels are gone, worse ones stay as they were last seen. An order book is told level by
level: it is known from a snapshot on, and no longer once an update is missing or leaves it crossed.
"""

import math

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.ticks import BookRow, QueueKind
from tightloop.core.domain.types import Record

BUY, SELL = 1, -1


@hot
def _levels(own: Record, side: int) -> Record:
    return own.bids if side > 0 else own.asks


@hot
def _is_better(side: int, price: float, than: float) -> bool:
    return price > than if side > 0 else price < than


@leaf
def best(own: Record, side: int) -> float:
    """The best price of a side; NaN without one."""
    if side > 0:
        return own.bids[own.bid_count - 1].price if own.bid_count > 0 else math.nan
    return own.asks[own.ask_count - 1].price if own.ask_count > 0 else math.nan


@hot
def is_best(own: Record, side: int, price: float) -> bool:
    """Whether a price is the best one of its side now."""
    if side > 0:
        return own.bid_count > 0 and own.bids[own.bid_count - 1].price == price
    return own.ask_count > 0 and own.asks[own.ask_count - 1].price == price


@hot
def replace_best(own: Record, side: int, qty: float) -> float:
    """A new quantity at the best price of a side; what it was before."""
    level = own.bids[own.bid_count - 1] if side > 0 else own.asks[own.ask_count - 1]
    before = level.qty
    level.qty = qty
    return before


@leaf
def qty_at(own: Record, side: int, price: float) -> float:
    """The quantity last seen at a price; 0 where none was."""
    levels = own.bids if side > 0 else own.asks
    at = (own.bid_count if side > 0 else own.ask_count) - 1
    while at >= 0 and _is_better(side, levels[at].price, price):
        at -= 1
    return levels[at].qty if at >= 0 and levels[at].price == price else 0.0


@leaf
def set_level(own: Record, side: int, price: float, qty: float) -> float:
    """Write the quantity at a price, 0 removes it; what it was before. The worst level goes when there is no room."""
    levels = own.bids if side > 0 else own.asks
    count = own.bid_count if side > 0 else own.ask_count
    at = count
    while at > 0 and _is_better(side, levels[at - 1].price, price):
        at -= 1
    # Below `at` are levels that are no better than the price.
    before = 0.0
    if at > 0 and levels[at - 1].price == price:
        before = levels[at - 1].qty
        if qty > 0.0:
            levels[at - 1].qty = qty
        else:
            for k in range(at, count):
                levels[k - 1].price, levels[k - 1].qty = levels[k].price, levels[k].qty
            count -= 1
    elif qty > 0.0:
        if count == limits.LEVELS_MAX:
            if at == 0:
                return 0.0  # worse than everything that is kept
            for k in range(1, at):
                levels[k - 1].price, levels[k - 1].qty = levels[k].price, levels[k].qty
            at -= 1
        else:
            for k in range(count, at, -1):
                levels[k].price, levels[k].qty = levels[k - 1].price, levels[k - 1].qty
            count += 1
        levels[at].price, levels[at].qty = price, qty
    if side > 0:
        own.bid_count = count
    else:
        own.ask_count = count
    return before


@leaf
def drop_best(own: Record, side: int) -> float:
    """Forget the best level of a side; the quantity it had."""
    if side > 0:
        own.bid_count -= 1
        return own.bids[own.bid_count].qty
    own.ask_count -= 1
    return own.asks[own.ask_count].qty


# Order books ----------------------------------------------------------------------------------------------------------


@leaf
def lose(own: Record) -> None:
    """Nothing is known of the book until its next snapshot."""
    own.is_known = 0
    own.bid_count = 0
    own.ask_count = 0


@leaf
def is_taken(own: Record, seq: int, flags: int) -> bool:
    """Whether a row changes the book; sees to what its number says of the rows before it.

    A snapshot always does. Updates count one by one: one that is missing voids the book, one that is older than what
    is known is not used, and before a snapshot nothing is.
    """
    if flags & BookRow.IS_SNAPSHOT:
        if flags & BookRow.IS_FIRST:
            lose(own)
            own.is_known = 1
        own.last_seq = seq
        return True
    if own.is_known == 0 or seq < own.last_seq:
        return False
    if seq > own.last_seq + 1:
        lose(own)
        return False
    own.last_seq = seq
    return True


@leaf
def end_update(own: Record) -> bool:
    """After the last row of an update: whether the book is known. One that is crossed, or locked, is not."""
    if own.bid_count > 0 and own.ask_count > 0:
        if own.bids[own.bid_count - 1].price >= own.asks[own.ask_count - 1].price:
            lose(own)
    return own.is_known != 0


@leaf
def best_qty(own: Record, side: int) -> float:
    """The quantity at the best price of a side; NaN without one."""
    if side > 0:
        return own.bids[own.bid_count - 1].qty if own.bid_count > 0 else math.nan
    return own.asks[own.ask_count - 1].qty if own.ask_count > 0 else math.nan


@leaf
def qty_of_best(own: Record, side: int, many: int) -> float:
    """What the best levels of a side hold together, at most ``many`` of them."""
    levels = own.bids if side > 0 else own.asks
    at = (own.bid_count if side > 0 else own.ask_count) - 1
    last, qty = at - many, 0.0
    while at >= 0 and at > last:
        qty += levels[at].qty
        at -= 1
    return qty


@leaf
def take_best(own: Record, side: int, qty: float) -> None:
    """Somebody took a part of the best level of a side."""
    if side > 0:
        own.bids[own.bid_count - 1].qty -= qty
    else:
        own.asks[own.ask_count - 1].qty -= qty


@leaf
def drop_empty(own: Record, side: int) -> None:
    """Best levels of which nothing is left are gone."""
    while not best_qty(own, side) > 0.0 and (own.bid_count if side > 0 else own.ask_count) > 0:
        drop_best(own, side)


@leaf
def price_of(own: Record, side: int, qty: float) -> float:
    """The price of the last level that a quantity would take from a side; NaN without a level."""
    levels = own.bids if side > 0 else own.asks
    at = (own.bid_count if side > 0 else own.ask_count) - 1
    if at < 0:
        return math.nan
    left = qty - levels[at].qty
    while left > 0.0 and at > 0:
        at -= 1
        left -= levels[at].qty
    return levels[at].price


@leaf
def take_all(own: Record, side: int, qty: float) -> float:
    """Take a quantity from a side that has a level: the average price, what no level holds at the last one's."""
    touch, left, beyond, price = best(own, side), qty, 0.0, best(own, side)
    while left > 0.0 and best(own, side) > 0.0:
        price, shown = best(own, side), best_qty(own, side)
        beyond += min(shown, left) * (price - touch)
        if shown > left:
            take_best(own, side, left)
        else:
            drop_best(own, side)
        left -= min(shown, left)
    return touch + (beyond + left * (price - touch)) / qty


@leaf
def ahead_at(own: Record, side: int, price: float) -> float:
    """Who stands at a price; infinitely many where nobody knows: the book is lost, or does not reach so far."""
    if own.has_book != 0:
        count = own.bid_count if side > 0 else own.ask_count
        if own.is_known == 0:
            return math.inf
        worst = own.bids[0].price if side > 0 else own.asks[0].price
        if count == limits.LEVELS_MAX and _is_better(side, worst, price):
            return math.inf
    return qty_at(own, side, price)


# Queues ---------------------------------------------------------------------------------------------------------------


@leaf
def join_queue(venue: Record, own: Record, slot: int) -> None:
    """An order begins to rest behind all that is shown at its price."""
    order = venue.orders[slot]
    venue.queue_ahead[slot] = ahead_at(own, order.side, order.price)
    venue.queue_traded[slot] = 0.0


@leaf
def trade_ahead(venue: Record, slot: int, qty: float) -> None:
    """A print at the order's price uses up the queue from its front."""
    venue.queue_ahead[slot] -= qty
    venue.queue_traded[slot] += qty


@leaf
def _share_behind(venue: Record, front: float, back: float) -> float:
    """The part of what was canceled at a price that stood behind the order.

    Queue functions named as in hftbacktest 2.4 (its documentation, "Order Fill", "Probability Queue Models").
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
    """The quantity at the order's price changed: what prints did not take was canceled, before or behind the order."""
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
def look_again(venue: Record, own: Record, slot: int) -> None:
    """A snapshot: no more stand ahead of an order than are shown at its price, and who left is not known."""
    order = venue.orders[slot]
    venue.queue_ahead[slot] = min(venue.queue_ahead[slot], ahead_at(own, order.side, order.price))
    venue.queue_traded[slot] = 0.0


@hot
def is_reached(venue: Record, slot: int, lot: float) -> bool:
    """The queue ahead of an order is used up, and something was left for it."""
    ahead = venue.queue_ahead[slot]
    if ahead == math.inf:
        return False  # nobody knows how many stand there
    return math.floor(-ahead / lot + 0.5) > 0.0 if lot > 0.0 else ahead < 0.0
