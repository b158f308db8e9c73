"""Fills on ticks: how much an order fills, and at what average price.

A taker takes either from an order book, level by level, or from the touch of a quote (its best bid or ask) with the
quantity shown there. Beyond that quantity the book is unknown, and the cost model decides:

    participation > 0       a fill takes at most that fraction of what is shown; nothing beyond it is assumed
    depth_spreads d > 0     beyond the touch, the marginal price worsens linearly: by d spreads for each further
                            quantity as large as the one shown
    d = 0                   the touch is unlimited

Slippage of the cost model comes on top. A limit price is never exceeded. What a taker takes from a book is gone until
the level is updated; the touch of a quote is not used up. ``instrument`` is a VENUE_INSTRUMENT; quantities
are in contracts, fees and slippage in the settle asset.

A spot buy fills only as far as free cash pays for it (``core/venue/cash.py``); the unpaid rest is canceled.
"""

import math

from tightloop.core import limits, rounding
from tightloop.core.compiled import leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import EventKind, OrderKind, Reason, SlippageKind, TimeInForce
from tightloop.core.domain.types import Record
from tightloop.core.market import depth
from tightloop.core.venue import cash as venue_cash
from tightloop.core.venue import orders as venue_orders
from tightloop.core.venue import positions as venue_positions
from tightloop.core.venue.slippage import slippage_rate

LEAST_SHARE = 1e-6
"""Lower bound of a fill price after slippage and depth, as a fraction of the touch, where no increment bounds it."""


@leaf
def remaining(venue: Record, order: Record) -> float:
    """Return the unfilled quantity of an order; of an exit at most the position it can reduce (else 0)."""
    qty = order.qty - order.filled_qty
    if order.reduce_only != 0:
        held = venue.positions[order.instance].qty
        qty = min(qty, abs(held)) if held * order.side < 0.0 else 0.0
    return qty


@leaf
def fill(venue: Record, slot: int, price: float, market: float, qty: float, is_maker: bool) -> None:
    """Fill ``qty`` at ``price``: update position and wallet, push ORDER_FILLED, cancel the order's OCO siblings.

    ``market`` is the price before slippage and depth. In the event, ``amount`` is the fee, ``rate`` the slippage paid.
    """
    order = venue.orders[slot]
    instrument = venue.instruments[order.instrument]
    costs = venue.costs[order.instance]
    multiplier = instrument.rules.multiplier
    order.filled_qty += qty
    venue_positions.apply_fill(venue, order.instance, order.side * qty, price, order.leverage, instrument)
    event = venue_orders.push(venue, EventKind.ORDER_FILLED.value, order.instrument, order.instance, venue.ts_ns)
    fee = price * qty * multiplier * (costs.maker_rate if is_maker else costs.taker_rate)
    fields.set_order(event, order.id, venue.order_slot[slot], Reason.NONE.value)
    fields.set_fill(event, price, qty, fee, (price - market) * order.side * qty * multiplier, is_maker)
    venue.wallet -= fee
    order.fill_count += 1
    oco, order_id = order.oco, order.id
    if order.qty - order.filled_qty <= order.qty * limits.QUANTITY_TOLERANCE:
        venue_orders.remove(venue, slot)
    if oco != 0:
        venue_orders.cancel_siblings(venue, instrument, oco, order_id, venue.ts_ns)


@leaf
def make(venue: Record, slot: int, most: float) -> float:
    """Fill a resting order at its limit price with at most ``most``; return the filled quantity.

    An exit with nothing left to reduce is canceled.
    """
    order = venue.orders[slot]
    qty = min(remaining(venue, order), most)
    if qty <= 0.0:
        if order.reduce_only != 0 and venue.positions[order.instance].qty * order.side >= 0.0:
            venue_orders.end_order(
                venue, slot, EventKind.ORDER_CANCELED.value, Reason.NOTHING_TO_REDUCE.value, venue.ts_ns
            )
        return 0.0
    order_id, wanted = order.id, qty
    if venue_cash.needs_cash(venue, order):
        rules, rate = venue.instruments[order.instrument].rules, venue.costs[order.instance].maker_rate
        qty = venue_cash.affordable_part(venue_cash.free(venue, order_id), rules, qty, order.price, rate)
    if qty > 0.0:
        fill(venue, slot, order.price, order.price, qty, True)
    if qty < wanted * (1.0 - limits.QUANTITY_TOLERANCE):
        venue_cash.end_unpaid(venue, slot, order_id, venue.ts_ns)
    return qty


@leaf
def _price_step(venue: Record, instrument: Record, order: Record) -> float:
    """Return how much worse the marginal price gets for each further touch quantity; 0 if the touch is unlimited.

    In price units: ``depth_spreads`` times the spread, which counts as at least one price increment.
    """
    assert venue.costs[order.instance].depth_spreads >= 0.0, "further away is worse"
    bid, ask = depth.best(instrument, depth.BUY), depth.best(instrument, depth.SELL)
    return max(ask - bid, instrument.rules.price_increment) * venue.costs[order.instance].depth_spreads


@leaf
def _divisible(shown: float, qty: float) -> float:
    """Return the quantity shown at the touch, kept far enough above 0 to divide by."""
    return max(shown, qty * 1e-6)


@leaf
def _is_limited(order: Record) -> bool:
    """Return whether an order has a limit price."""
    return order.kind == OrderKind.LIMIT or order.kind == OrderKind.STOP_LIMIT


@leaf
def offered_at_touch(venue: Record, instrument: Record, order: Record, market: float, shown: float) -> float:
    """Return the quantity a quote with its touch at ``market``, showing ``shown``, offers an order; inf: unlimited.

    0 if the touch is beyond the order's limit. A limit takes from the assumed depth (see ``average_price``) until the
    marginal price reaches its limit. Without partial fills (``partial_fills: false``) quantities are not looked at.
    """
    if not market > 0.0 or not reaches(order, market):
        return 0.0
    if venue.costs[order.instance].participation > 0.0:
        return shown * venue.costs[order.instance].participation
    step = _price_step(venue, instrument, order)
    if not _is_limited(order) or venue.is_partial == 0 or not step > 0.0:
        return math.inf
    assert shown >= 0.0, "a touch shows a quantity"
    touches = (order.price - market) * order.side / step * (1.0 + limits.QUANTITY_TOLERANCE)
    return shown + rounding.qty_floor(touches * _divisible(shown, remaining(venue, order)), instrument.rules.lot_size)


@leaf
def average_price(venue: Record, instrument: Record, order: Record, market: float, shown: float, qty: float) -> float:
    """Return the average price, with slippage, of taking ``qty`` from a touch at ``market`` that shows ``shown``."""
    costs = venue.costs[order.instance]
    price = market
    if qty > shown and costs.depth_spreads > 0.0:
        more = qty - shown
        # The marginal price moves linearly, so the part beyond the touch is worse by half the final move on average.
        price += order.side * _price_step(venue, instrument, order) * more / _divisible(shown, qty) * 0.5 * more / qty
    return slipped(venue, order, price, market, qty, shown)


@leaf
def reaches(order: Record, price: float) -> bool:
    """Return whether an order may take at this price: its limit, if it has one, is not exceeded."""
    if not _is_limited(order):
        return True
    return price <= order.price if order.side > 0 else price >= order.price


@leaf
def _price_for(venue: Record, instrument: Record, order: Record, qty: float) -> float:
    """Return the average price, with slippage, at which a quantity could be taken now from the book or the quote."""
    market = depth.best(instrument, -order.side)
    if instrument.has_book != 0:
        taken, further, shown = _walk(venue, instrument, order, qty, False)
        return slipped(venue, order, market + further / taken, market, taken, shown) if taken > 0.0 else market
    shown = depth.qty_at(instrument, -order.side, market)
    if venue.costs[order.instance].participation > 0.0:
        shown *= venue.costs[order.instance].participation
    return average_price(venue, instrument, order, market, shown, qty)


@leaf
def _affordable_qty(venue: Record, instrument: Record, order: Record, qty: float) -> float:
    """Return how much of ``qty`` free cash pays for at current prices, floored to the lot.

    By bisection: a smaller quantity has a better average price.
    """
    if qty <= 0.0 or not venue_cash.needs_cash(venue, order):
        return qty
    money, rate = venue_cash.free(venue, order.id), venue.costs[order.instance].taker_rate
    if venue_cash.covers(money, instrument.rules, qty, _price_for(venue, instrument, order, qty), rate):
        return qty
    low, high = 0.0, qty
    for _ in range(venue_cash.BISECTIONS):
        middle = 0.5 * (low + high)
        if venue_cash.covers(money, instrument.rules, middle, _price_for(venue, instrument, order, middle), rate):
            low = middle
        else:
            high = middle
    return rounding.qty_floor(low, instrument.rules.lot_size)


@leaf
def take_touch(venue: Record, instrument: Record, slot: int) -> None:
    """Take from the touch of a quote what it offers the order, and cancel what cash does not pay for."""
    order = venue.orders[slot]
    market = depth.best(instrument, -order.side)
    qty = remaining(venue, order)
    if qty <= 0.0 or not reaches(order, market):
        return
    shown = depth.qty_at(instrument, -order.side, market)
    qty = min(qty, offered_at_touch(venue, instrument, order, market, shown))
    if venue.costs[order.instance].participation > 0.0:
        shown *= venue.costs[order.instance].participation
    order_id, wanted = order.id, qty
    qty = _affordable_qty(venue, instrument, order, qty)
    if qty > 0.0:
        fill(venue, slot, average_price(venue, instrument, order, market, shown, qty), market, qty, False)
    if qty < wanted * (1.0 - limits.QUANTITY_TOLERANCE):
        venue_cash.end_unpaid(venue, slot, order_id, venue.ts_ns)


@leaf
def take_print(venue: Record, instrument: Record, slot: int, shown: float, wanted: float) -> None:
    """Fill up to ``wanted`` from the current print, of which ``shown`` was left, as far as free cash pays for it."""
    order = venue.orders[slot]
    order_id, qty = order.id, wanted
    if venue_cash.needs_cash(venue, order):
        price = average_price(venue, instrument, order, instrument.last, max(shown, qty), qty)
        rate = venue.costs[order.instance].taker_rate
        qty = venue_cash.affordable_part(venue_cash.free(venue, order_id), instrument.rules, qty, price, rate)
    if qty > 0.0:
        price = average_price(venue, instrument, order, instrument.last, max(shown, qty), qty)
        fill(venue, slot, price, instrument.last, qty, False)
    if qty < wanted * (1.0 - limits.QUANTITY_TOLERANCE):
        venue_cash.end_unpaid(venue, slot, order_id, venue.ts_ns)


@leaf
def _walk(venue: Record, instrument: Record, order: Record, wanted: float, takes: bool) -> tuple[float, float, float]:
    """Walk the levels of the book that an order reaches, best first, until they give ``wanted``.

    Returns (quantity given, sum of quantity x (price - touch), quantity these levels show). ``takes`` removes what they
    give from the book. Distances are summed instead of prices so that a single level yields its exact price.
    """
    assert instrument.has_book != 0, "levels are those of a book"
    levels = instrument.asks if order.side > 0 else instrument.bids
    level = (instrument.ask_count if order.side > 0 else instrument.bid_count) - 1
    share = venue.costs[order.instance].participation
    market, shown, taken, further = depth.best(instrument, -order.side), 0.0, 0.0, 0.0
    while level >= 0 and taken < wanted and reaches(order, levels[level].price):
        qty = levels[level].qty * share if share > 0.0 else levels[level].qty
        qty = min(qty, wanted - taken)
        shown += levels[level].qty
        taken += qty
        further += qty * (levels[level].price - market)
        if takes:
            levels[level].qty -= qty
        level -= 1
    return taken, further, shown


@leaf
def walk_book(venue: Record, instrument: Record, slot: int) -> None:
    """Take from a book as far as the order's limit allows: one fill at the average price of all levels."""
    order = venue.orders[slot]
    order_id, wanted, market = order.id, remaining(venue, order), depth.best(instrument, -order.side)
    is_unpaid = False
    if venue_cash.needs_cash(venue, order):
        given, _, _ = _walk(venue, instrument, order, wanted, False)
        wanted = _affordable_qty(venue, instrument, order, given)
        is_unpaid = wanted < given * (1.0 - limits.QUANTITY_TOLERANCE)
    taken, further, shown = _walk(venue, instrument, order, wanted, True)
    if taken > 0.0:
        depth.drop_empty(instrument, -order.side)
        fill(venue, slot, slipped(venue, order, market + further / taken, market, taken, shown), market, taken, False)
    if is_unpaid:
        venue_cash.end_unpaid(venue, slot, order_id, venue.ts_ns)


@leaf
def slipped(venue: Record, order: Record, price: float, market: float, qty: float, shown: float) -> float:
    """Return ``price`` with the slippage of the cost model, kept above 0 and within the order's limit.

    ``shown`` is the quantity that market impact is measured against.
    """
    if venue.costs[order.instance].slippage_kind != SlippageKind.NONE:
        price *= 1.0 + order.side * slippage_rate(venue, order, qty, shown)
    instrument = venue.instruments[order.instrument]
    price = max(price, instrument.rules.price_increment, market * LEAST_SHARE)
    if _is_limited(order):
        price = min(price, order.price) if order.side > 0 else max(price, order.price)
    return price


@leaf
def take(venue: Record, slot: int) -> None:
    """Match an incoming or triggered order against the current book or quote.

    The rest of an IOC is canceled, a FOK is canceled as a whole unless all of it can fill. Otherwise the rest stays
    open: the caller lets a limit rest, and a market order waits for the next change of the market.
    """
    order = venue.orders[slot]
    instrument = venue.instruments[order.instrument]
    order_id, held = order.id, venue.positions[order.instance].qty
    if order.reduce_only != 0 and held * order.side >= 0.0:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.NOTHING_TO_REDUCE.value, venue.ts_ns)
        return
    if order.tif == TimeInForce.FOK and not has_all(venue, instrument, order):
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_FOK.value, venue.ts_ns)
        return
    if order.tif == TimeInForce.FOK and venue_cash.needs_cash(venue, order):
        wanted = remaining(venue, order)
        if _affordable_qty(venue, instrument, order, wanted) < wanted * (1.0 - limits.QUANTITY_TOLERANCE):
            venue_cash.end_unpaid(venue, slot, order_id, venue.ts_ns)
            return
    if instrument.has_book != 0:
        walk_book(venue, instrument, slot)
    elif depth.best(instrument, -order.side) > 0.0:
        take_touch(venue, instrument, slot)
    if order.id == order_id and order.tif == TimeInForce.IOC:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_IOC.value, venue.ts_ns)


@leaf
def has_all(venue: Record, instrument: Record, order: Record) -> bool:
    """Return whether the market offers a fill-or-kill order all of its quantity now, within its limit."""
    side, wanted = -order.side, remaining(venue, order) * (1.0 - limits.QUANTITY_TOLERANCE)
    if instrument.has_book == 0:
        market = depth.best(instrument, side)
        shown = depth.qty_at(instrument, side, market) if market > 0.0 else 0.0
        return offered_at_touch(venue, instrument, order, market, shown) >= wanted
    levels, share = instrument.asks if order.side > 0 else instrument.bids, venue.costs[order.instance].participation
    level = (instrument.ask_count if order.side > 0 else instrument.bid_count) - 1
    given = 0.0
    while level >= 0 and reaches(order, levels[level].price):
        given += levels[level].qty * share if share > 0.0 else levels[level].qty
        level -= 1
    return given >= wanted
