"""Matching on ticks: how open orders and positions respond when the venue's market changes.

Kinds of open orders, by their fields:

    resting     a limit (or triggered stop limit) in the queue of its price, ``is_resting`` 1: fills as a maker when the
                market trades through its price, or at its price once the queue ahead is used up (core/market/depth.py)
    stop        ``is_triggered`` 0: triggered by the last print, the mark or the touch (``trigger``)
    waiting     a market order or triggered stop that found nothing, or not enough, to take; and an IOC or FOK limit
                that arrived in a halt: tried again at every change of the market

``instrument`` is a VENUE_INSTRUMENT: book or touch, last print, mark. Without partial fills (``venue.is_partial`` 0)
the quantities of the market are not looked at: an order fills as a whole.

Every fill can end other orders of the list that is being walked (OCO siblings, unpaid entries), hence ``next_open``.
"""

import math

from tightloop.core import limits
from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import EventKind, OrderKind, Reason, TimeInForce, Trigger
from tightloop.core.domain.types import Record
from tightloop.core.market import depth
from tightloop.core.venue import fills as venue_fills
from tightloop.core.venue import orders as venue_orders
from tightloop.core.venue import positions as venue_positions
from tightloop.core.venue import triggers


@leaf
def _is_market(order: Record) -> bool:
    """Return whether an order takes at any price: a market order, or a stop that was triggered."""
    if order.kind == OrderKind.MARKET:
        return True
    return order.is_triggered != 0 and (order.kind == OrderKind.STOP or order.kind == OrderKind.TRAILING)


@leaf
def is_resting(order: Record) -> bool:
    """Return whether a limit or a triggered stop limit is in the queue of its price."""
    return order.is_resting != 0 and (order.kind == OrderKind.LIMIT or order.kind == OrderKind.STOP_LIMIT)


@leaf
def _trigger_price(instrument: Record, order: Record) -> float:
    """Return the price compared with a stop's trigger: the last print, the mark, or the touch it would take from.

    The mark stands in for a touch that is not known, the touch for a print before the first one.
    """
    if order.trigger == Trigger.LAST and instrument.last > 0.0:
        return instrument.last
    touch = depth.best(instrument, -order.side)
    if order.trigger == Trigger.MARK or not touch > 0.0:
        return instrument.mark
    return touch


@leaf
def next_open(venue: Record, instrument: Record, slot: int, next_slot: int) -> int:
    """Return the slot to continue a walk at after the order in ``slot`` was matched.

    That is ``next_slot``, unless it ended too: then what now follows ``slot`` or, if that ended as well, the start.
    """
    if next_slot >= 0 and venue.orders[next_slot].id == 0:
        return instrument.order_first if venue.orders[slot].id == 0 else venue.orders[slot].next
    return next_slot


@leaf
def _is_past_liquidation(venue: Record, order: Record) -> bool:
    """Return whether a stop lies beyond the liquidation price of the position it protects: then it never fills."""
    return order.reduce_only != 0 and triggers.is_behind_liquidation(venue.positions[order.instance], order)


@leaf
def match_waiting(venue: Record, instrument: Record) -> None:
    """Move trailing stops, trigger the stops that the market reached, and try waiting orders again."""
    slot = instrument.order_first
    while slot >= 0:
        order = venue.orders[slot]
        next_slot = order.next
        price = _trigger_price(instrument, order)
        if order.kind == OrderKind.TRAILING and price > 0.0:
            triggers.follow(order, price, instrument.rules.price_increment)
        is_stop = order.kind != OrderKind.MARKET and order.kind != OrderKind.LIMIT
        is_reached = is_stop and order.is_triggered == 0
        is_reached = is_reached and triggers.is_at_or_beyond(order.side, price, order.stop_price)
        if is_reached and not _is_past_liquidation(venue, order):
            order.is_triggered = 1
            if order.kind == OrderKind.STOP_LIMIT:
                match_limit(venue, instrument, slot)
        if order.id != 0 and _is_market(order):
            _match_market(venue, instrument, slot)
        elif order.id != 0 and order.kind == OrderKind.LIMIT and order.is_resting == 0:
            match_limit(venue, instrument, slot)  # an IOC or FOK that arrived in a halt
        slot = next_open(venue, instrument, slot, next_slot)


@leaf
def _match_market(venue: Record, instrument: Record, slot: int) -> None:
    """Match a market order or triggered stop: against book or quote or, where there is neither, the current print.

    A print that came before the order, or is used up, gives nothing.
    """
    order = venue.orders[slot]
    if instrument.has_book != 0 or depth.best(instrument, -order.side) > 0.0:
        venue_fills.take(venue, slot)
        return
    held = venue.positions[order.instance].qty
    if order.reduce_only != 0 and held * order.side >= 0.0:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.NOTHING_TO_REDUCE.value, venue.ts_ns)
        return
    qty = venue_fills.remaining(venue, order)
    if instrument.print_left > 0.0 and qty > 0.0 and order.submitted_ns < venue.ts_ns:
        _take_print(venue, instrument, slot, qty)


@leaf
def _take_print(venue: Record, instrument: Record, slot: int, wanted: float) -> None:
    """Fill up to ``wanted`` from what is left of the current print.

    The rest of an IOC is canceled, a FOK that does not fill as a whole is canceled.
    """
    assert wanted > 0.0, "a taken quantity is positive"
    order = venue.orders[slot]
    order_id, shown = order.id, instrument.print_left
    qty = min(wanted, shown) if venue.is_partial != 0 else wanted
    if order.tif == TimeInForce.FOK and qty < wanted * (1.0 - limits.QUANTITY_TOLERANCE):
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_FOK.value, venue.ts_ns)
        return
    instrument.print_left -= qty if venue.is_partial != 0 else 0.0
    venue_fills.take_print(venue, instrument, slot, shown, qty)
    if order.id == order_id and order.tif == TimeInForce.IOC:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_IOC.value, venue.ts_ns)


@leaf
def liquidate(venue: Record, index: int, instrument: Record) -> None:
    """Liquidate the positions of an instrument (``index``) whose liquidation price the mark reached.

    They are closed with taker fee at the touch, through the levels of a book, or at the mark if no touch is known.
    """
    instance = instrument.position_first
    while instance >= 0:
        position = venue.positions[instance]
        trigger = position.liquidation_price
        if position.qty != 0.0 and trigger == trigger:
            is_hit = instrument.mark <= trigger if position.qty > 0.0 else instrument.mark >= trigger
            if is_hit:
                qty, side = abs(position.qty), 1 if position.qty > 0.0 else -1
                touch = depth.best(instrument, side)
                price = touch if touch > 0.0 else instrument.mark
                if instrument.has_book != 0 and touch > 0.0:
                    price = depth.take_all(instrument, side, qty)
                venue_positions.close_by_force(venue, index, instance, price, venue.ts_ns)
        instance = venue.instance_next[instance]


@leaf
def _fill_from_book(venue: Record, instrument: Record, slot: int) -> None:
    """Fill a resting order, at its limit price, from the levels of the opposite side that crossed it; use them up."""
    order = venue.orders[slot]
    order_id, side = order.id, -order.side
    best = depth.best(instrument, side)
    while best == best and order.id == order_id and (best - order.price) * side >= 0.0:
        shown = depth.best_qty(instrument, side)
        filled = venue_fills.make(venue, slot, shown if venue.is_partial != 0 else math.inf)
        if filled < shown:
            depth.take_best(instrument, side, filled)
            return
        depth.drop_best(instrument, side)
        best = depth.best(instrument, side)


@leaf
def _fill_crossed(venue: Record, instrument: Record) -> None:
    """Fill the resting orders that the opposite best price reached, each at its limit price."""
    slot = instrument.order_first
    while slot >= 0:
        order = venue.orders[slot]
        next_slot = order.next
        if is_resting(order):
            other = depth.best(instrument, -order.side)
            if other == other and (other <= order.price if order.side > 0 else other >= order.price):
                if instrument.has_book != 0:
                    _fill_from_book(venue, instrument, slot)
                else:
                    shown = depth.qty_at(instrument, -order.side, other)
                    venue_fills.make(venue, slot, shown if venue.is_partial != 0 else math.inf)
        slot = next_open(venue, instrument, slot, next_slot)


@leaf
def react(venue: Record, index: int, instrument: Record) -> None:
    """Match open orders and positions after the book or the quote changed.

    First crossed limits, then stops and waiting orders, then liquidations.
    """
    if instrument.order_first >= 0:
        _fill_crossed(venue, instrument)
        match_waiting(venue, instrument)
    if venue.position_count > 0:
        liquidate(venue, index, instrument)


@leaf
def match_print(venue: Record, instrument: Record, slot: int, price: float, qty: float) -> None:
    """Match a resting order on the side that a print of ``qty`` at ``price`` hit.

    Traded through: fills at its price. At its price: the print first uses up the queue ahead, and fills what it reaches
    beyond. All our orders together fill no more than the print (``print_left``), each at most its participation.
    """
    order = venue.orders[slot]
    participation = venue.costs[order.instance].participation
    most = instrument.print_left if venue.is_partial != 0 else math.inf
    if participation > 0.0:
        most = min(most, qty * participation)
    if order.price == price:
        depth.trade_ahead(venue, slot, qty)
        if not depth.is_reached(venue, slot, instrument.rules.lot_size):
            return
        if venue.is_partial != 0:
            most = min(most, -venue.queue_ahead[slot])  # below 0: how far the print went past the queue ahead
    elif not triggers.is_through(order.side, price, order.price):
        return
    filled = venue_fills.make(venue, slot, most)
    instrument.print_left -= filled if venue.is_partial != 0 else 0.0
    if order.price == price:
        venue.queue_ahead[slot] = 0.0


@leaf
def match_limit(venue: Record, instrument: Record, slot: int) -> None:
    """Match an incoming limit: it takes what it reaches, or is rejected if post-only, and rests with what is left."""
    order = venue.orders[slot]
    other = depth.best(instrument, -order.side)
    takes = other == other and venue_fills.reaches(order, other)
    if takes and order.post_only != 0:
        venue_orders.end_order(
            venue, slot, EventKind.ORDER_REJECTED.value, Reason.POST_ONLY_WOULD_TAKE.value, venue.ts_ns
        )
        return
    order_id = order.id
    if takes or order.tif == TimeInForce.IOC or order.tif == TimeInForce.FOK:
        venue_fills.take(venue, slot)
    if order.id == order_id:
        order.is_resting = 1
        depth.join_queue(venue, instrument, slot)
