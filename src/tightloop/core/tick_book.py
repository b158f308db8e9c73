"""What the simulated venue knows of a market of ticks: price levels of both sides, the last print, who rests where.

Levels are kept best last, so that what happens at the top of the book costs one look. A quote says what is best and
nothing of the rest: better levels are gone, worse ones stay as they were last seen.
"""

import math

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.types import QueueKind, Record

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


# Queues ---------------------------------------------------------------------------------------------------------------


@leaf
def join_queue(venue: Record, own: Record, slot: int) -> None:
    """An order begins to rest behind all that is shown at its price."""
    order = venue.orders[slot]
    venue.queue_ahead[slot] = qty_at(own, order.side, order.price)
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
    if venue.queue_kind == QueueKind.RISK_AVERSE:
        venue.queue_ahead[slot] = min(front, now)
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


@hot
def is_reached(venue: Record, slot: int, lot: float) -> bool:
    """The queue ahead of an order is used up, and something was left for it."""
    ahead = venue.queue_ahead[slot]
    return math.floor(-ahead / lot + 0.5) > 0.0 if lot > 0.0 else ahead < 0.0
