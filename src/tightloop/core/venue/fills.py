"""What an order of the simulated venue of ticks fills at, and how much: the touch of a quote, levels of a book."""

import math

from tightloop.core import limits, rounding
from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import EventKind, OrderKind, Reason, SlippageKind, TimeInForce
from tightloop.core.domain.types import Record
from tightloop.core.market import depth
from tightloop.core.venue import cash as venue_cash
from tightloop.core.venue import matching
from tightloop.core.venue import orders as venue_orders

LEAST_SHARE = 1e-6
"""Of the touch: what is left of a price that ran out of buyers, where there is no increment."""


@leaf
def remaining(venue: Record, order: Record) -> float:
    """What is left of an order, and of what there is to reduce."""
    qty = order.qty - order.filled_qty
    if order.reduce_only != 0:
        held = venue.positions[order.instance].qty
        qty = min(qty, abs(held)) if held * order.side < 0.0 else 0.0
    return qty


@leaf
def fill(venue: Record, slot: int, price: float, market: float, qty: float, is_maker: bool) -> None:
    """One fill at ``price`` where the market was ``market``: position, event, what its OCO group loses."""
    order = venue.orders[slot]
    own = venue.instruments[order.instrument]
    costs = venue.costs[order.instance]
    multiplier = own.rules.multiplier
    order.filled_qty += qty
    matching.apply_fill(venue, order.instance, order.side * qty, price, order.leverage, own)
    event = venue_orders.push(venue, EventKind.ORDER_FILLED.value, order.instrument, order.instance, venue.ts_ns)
    event.order_id = order.id
    event.order_slot = venue.order_slot[slot]
    event.price = price
    event.qty = qty
    event.is_maker = 1 if is_maker else 0
    event.amount = price * qty * multiplier * (costs.maker_rate if is_maker else costs.taker_rate)
    venue.wallet -= event.amount
    event.rate = (price - market) * order.side * qty * multiplier
    order.fill_count += 1
    oco, order_id = order.oco, order.id
    if order.qty - order.filled_qty <= order.qty * limits.QUANTITY_TOLERANCE:
        venue_orders.remove(venue, slot)
    if oco != 0:
        matching.cancel_siblings(venue, own, oco, order_id, venue.ts_ns)


@leaf
def make(venue: Record, slot: int, most: float) -> float:
    """A resting order fills at its own price, at most ``most``; how much it did."""
    order = venue.orders[slot]
    qty = min(remaining(venue, order), most)
    if qty <= 0.0:
        if order.reduce_only != 0 and venue.positions[order.instance].qty * order.side >= 0.0:
            venue_orders.end_order(
                venue, slot, EventKind.ORDER_CANCELED.value, Reason.NOTHING_TO_REDUCE.value, venue.ts_ns
            )
        return 0.0
    order_id, wanted = order.id, qty
    if venue_cash.is_asked(venue, order):
        rules, rate = venue.instruments[order.instrument].rules, venue.costs[order.instance].maker_rate
        qty = venue_cash.part_at(venue_cash.free(venue, order_id), rules, qty, order.price, rate)
    if qty > 0.0:
        fill(venue, slot, order.price, order.price, qty, True)
    if qty < wanted * (1.0 - limits.QUANTITY_TOLERANCE):
        venue_cash.end_unpaid(venue, slot, order_id, venue.ts_ns)
    return qty


@leaf
def _each_touch(venue: Record, own: Record, order: Record) -> float:
    """How much further away each further touch quantity is, in the unit of the price; 0 in a book without end."""
    assert venue.costs[order.instance].depth_spreads >= 0.0, "further away is worse"
    bid, ask = depth.best(own, depth.BUY), depth.best(own, depth.SELL)
    return max(ask - bid, own.rules.price_increment) * venue.costs[order.instance].depth_spreads


@leaf
def _depth(shown: float, qty: float) -> float:
    """A touch quantity that can be divided by."""
    return max(shown, qty * 1e-6)


@leaf
def _is_limited(order: Record) -> bool:
    return order.kind == OrderKind.LIMIT or order.kind == OrderKind.STOP_LIMIT


@leaf
def touch_gives(venue: Record, own: Record, order: Record, market: float, shown: float) -> float:
    """How much an order could take now where the touch at ``market`` shows ``shown``: as far as its limit allows.

    With participation that share of the touch; else what is more than the touch lies ever further away (see beyond),
    and a limit takes it up to its own price. Whole fills (``partial_fills: false``) do not look at quantities.
    """
    if not market > 0.0 or not reaches(order, market):
        return 0.0
    if venue.costs[order.instance].participation > 0.0:
        return shown * venue.costs[order.instance].participation
    step = _each_touch(venue, own, order)
    if not _is_limited(order) or venue.is_partial == 0 or not step > 0.0:
        return math.inf
    assert shown >= 0.0, "a touch shows a quantity"
    touches = (order.price - market) * order.side / step * (1.0 + limits.QUANTITY_TOLERANCE)
    return shown + rounding.qty_floor(touches * _depth(shown, remaining(venue, order)), own.rules.lot_size)


@leaf
def beyond(venue: Record, own: Record, order: Record, market: float, shown: float, qty: float) -> float:
    """The average price of ``qty`` when ``shown`` is all the touch has: each further touch costs some spreads more."""
    costs = venue.costs[order.instance]
    price = market
    if qty > shown and costs.depth_spreads > 0.0:
        more = qty - shown
        # The marginal price rises in a straight line from the touch on.
        price += order.side * _each_touch(venue, own, order) * more / _depth(shown, qty) * 0.5 * more / qty
    return slipped(venue, order, price, market, qty, shown)


@leaf
def reaches(order: Record, price: float) -> bool:
    """Whether an order may take at this price."""
    if not _is_limited(order):
        return True
    return price <= order.price if order.side > 0 else price >= order.price


@leaf
def _price_for(venue: Record, own: Record, order: Record, qty: float) -> float:
    """What a quantity would cost now, on average: the levels of a book, or the touch of a quote and beyond."""
    market = depth.best(own, -order.side)
    if own.has_book != 0:
        taken, further, shown = _walk(venue, own, order, qty, False)
        return slipped(venue, order, market + further / taken, market, taken, shown) if taken > 0.0 else market
    shown = depth.qty_at(own, -order.side, market)
    if venue.costs[order.instance].participation > 0.0:
        shown *= venue.costs[order.instance].participation
    return beyond(venue, own, order, market, shown, qty)


@leaf
def _covered(venue: Record, own: Record, order: Record, qty: float) -> float:
    """The part of a quantity that the cash pays for at what it would cost now, floored to the lot."""
    if qty <= 0.0 or not venue_cash.is_asked(venue, order):
        return qty
    money, rate = venue_cash.free(venue, order.id), venue.costs[order.instance].taker_rate
    if venue_cash.covers(money, own.rules, qty, _price_for(venue, own, order, qty), rate):
        return qty
    low, high = 0.0, qty
    for _ in range(venue_cash.BISECTIONS):
        middle = 0.5 * (low + high)
        if venue_cash.covers(money, own.rules, middle, _price_for(venue, own, order, middle), rate):
            low = middle
        else:
            high = middle
    return rounding.qty_floor(low, own.rules.lot_size)


@leaf
def take_touch(venue: Record, own: Record, slot: int) -> None:
    """Take from a quote what it gives the order."""
    order = venue.orders[slot]
    market = depth.best(own, -order.side)
    qty = remaining(venue, order)
    if qty <= 0.0 or not reaches(order, market):
        return
    shown = depth.qty_at(own, -order.side, market)
    qty = min(qty, touch_gives(venue, own, order, market, shown))
    if venue.costs[order.instance].participation > 0.0:
        shown *= venue.costs[order.instance].participation
    order_id, wanted = order.id, qty
    qty = _covered(venue, own, order, qty)
    if qty > 0.0:
        fill(venue, slot, beyond(venue, own, order, market, shown, qty), market, qty, False)
    if qty < wanted * (1.0 - limits.QUANTITY_TOLERANCE):
        venue_cash.end_unpaid(venue, slot, order_id, venue.ts_ns)


@leaf
def take_print(venue: Record, own: Record, slot: int, shown: float, wanted: float) -> None:
    """Take from the print in hand, which showed ``shown``, what the cash pays for."""
    order = venue.orders[slot]
    order_id, qty = order.id, wanted
    if venue_cash.is_asked(venue, order):
        price = beyond(venue, own, order, own.last, max(shown, qty), qty)
        rate = venue.costs[order.instance].taker_rate
        qty = venue_cash.part_at(venue_cash.free(venue, order_id), own.rules, qty, price, rate)
    if qty > 0.0:
        fill(venue, slot, beyond(venue, own, order, own.last, max(shown, qty), qty), own.last, qty, False)
    if qty < wanted * (1.0 - limits.QUANTITY_TOLERANCE):
        venue_cash.end_unpaid(venue, slot, order_id, venue.ts_ns)


@leaf
def _walk(venue: Record, own: Record, order: Record, wanted: float, takes: bool) -> tuple[float, float, float]:
    """Go through the levels an order reaches for ``wanted``: how much they give, that quantity times its distance from
    the touch, and what the levels show together. ``takes``: what they give is gone from them."""
    assert own.has_book != 0, "levels are those of a book"
    levels = own.asks if order.side > 0 else own.bids
    at = (own.ask_count if order.side > 0 else own.bid_count) - 1
    share = venue.costs[order.instance].participation
    market, shown, taken, further = depth.best(own, -order.side), 0.0, 0.0, 0.0
    while at >= 0 and taken < wanted and reaches(order, levels[at].price):
        qty = levels[at].qty * share if share > 0.0 else levels[at].qty
        qty = min(qty, wanted - taken)
        shown += levels[at].qty
        taken += qty
        further += qty * (levels[at].price - market)
        if takes:
            levels[at].qty -= qty
        at -= 1
    return taken, further, shown


@leaf
def walk_book(venue: Record, own: Record, slot: int) -> None:
    """Take from a book, level by level, as far as the order's limit allows: one fill at the average price."""
    order = venue.orders[slot]
    order_id, wanted, market = order.id, remaining(venue, order), depth.best(own, -order.side)
    is_unpaid = False
    if venue_cash.is_asked(venue, order):
        given, _, _ = _walk(venue, own, order, wanted, False)
        wanted = _covered(venue, own, order, given)
        is_unpaid = wanted < given * (1.0 - limits.QUANTITY_TOLERANCE)
    taken, further, shown = _walk(venue, own, order, wanted, True)
    if taken > 0.0:
        depth.drop_empty(own, -order.side)
        fill(venue, slot, slipped(venue, order, market + further / taken, market, taken, shown), market, taken, False)
    if is_unpaid:
        venue_cash.end_unpaid(venue, slot, order_id, venue.ts_ns)


@leaf
def slipped(venue: Record, order: Record, price: float, market: float, qty: float, shown: float) -> float:
    """A price with the slippage that the costs say, no worse than a limit's own."""
    if venue.costs[order.instance].slippage_kind != SlippageKind.NONE:
        price *= 1.0 + order.side * matching.slippage_rate(venue, order, qty, shown)
    own = venue.instruments[order.instrument]
    price = max(price, own.rules.price_increment, market * LEAST_SHARE)
    if _is_limited(order):
        price = min(price, order.price) if order.side > 0 else max(price, order.price)
    return price


@leaf
def take(venue: Record, slot: int) -> None:
    """An order takes what it can now; what it leaves is over (IOC, FOK), rests (a limit) or waits (a market order)."""
    order = venue.orders[slot]
    own = venue.instruments[order.instrument]
    order_id, held = order.id, venue.positions[order.instance].qty
    if order.reduce_only != 0 and held * order.side >= 0.0:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.NOTHING_TO_REDUCE.value, venue.ts_ns)
        return
    if order.tif == TimeInForce.FOK and not has_all(venue, own, order):
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_FOK.value, venue.ts_ns)
        return
    if order.tif == TimeInForce.FOK and venue_cash.is_asked(venue, order):
        wanted = remaining(venue, order)
        if _covered(venue, own, order, wanted) < wanted * (1.0 - limits.QUANTITY_TOLERANCE):
            venue_cash.end_unpaid(venue, slot, order_id, venue.ts_ns)
            return
    if own.has_book != 0:
        walk_book(venue, own, slot)
    elif depth.best(own, -order.side) > 0.0:
        take_touch(venue, own, slot)
    if order.id == order_id and order.tif == TimeInForce.IOC:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_IOC.value, venue.ts_ns)


@leaf
def has_all(venue: Record, own: Record, order: Record) -> bool:
    """A fill-or-kill order would get all it wants: what any order of its limit and size could take now."""
    side, wanted = -order.side, remaining(venue, order) * (1.0 - limits.QUANTITY_TOLERANCE)
    if own.has_book == 0:
        market = depth.best(own, side)
        shown = depth.qty_at(own, side, market) if market > 0.0 else 0.0
        return touch_gives(venue, own, order, market, shown) >= wanted
    levels, share = own.asks if order.side > 0 else own.bids, venue.costs[order.instance].participation
    at = (own.ask_count if order.side > 0 else own.bid_count) - 1
    given = 0.0
    while at >= 0 and reaches(order, levels[at].price):
        given += levels[at].qty * share if share > 0.0 else levels[at].qty
        at -= 1
    return given >= wanted
