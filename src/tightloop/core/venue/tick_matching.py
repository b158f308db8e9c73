"""How orders and positions on ticks respond to the market: resting orders, stops, orders that wait, liquidations."""

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
    """It takes at once: a market order, or a stop that was triggered."""
    if order.kind == OrderKind.MARKET:
        return True
    return order.is_triggered != 0 and (order.kind == OrderKind.STOP or order.kind == OrderKind.TRAILING)


@leaf
def is_resting(order: Record) -> bool:
    return order.is_resting != 0 and (order.kind == OrderKind.LIMIT or order.kind == OrderKind.STOP_LIMIT)


@leaf
def _signal_price(own: Record, order: Record) -> float:
    """The price that triggers a stop: the last print, the mark, or the touch it would take from."""
    if order.trigger == Trigger.LAST and own.last > 0.0:
        return own.last
    touch = depth.best(own, -order.side)
    if order.trigger == Trigger.MARK or not touch > 0.0:
        return own.mark
    return touch


@leaf
def after_fill(venue: Record, own: Record, slot: int, next_slot: int) -> int:
    """The order to look at next when the one at ``slot`` may have ended, and others with it."""
    if next_slot >= 0 and venue.orders[next_slot].id == 0:
        return own.order_first if venue.orders[slot].id == 0 else venue.orders[slot].next
    return next_slot


@leaf
def _is_past_liquidation(venue: Record, order: Record) -> bool:
    """A stop that lies beyond the liquidation price of what it protects: the venue liquidates, the stop never fills."""
    return order.reduce_only != 0 and triggers.is_behind_liquidation(venue.positions[order.instance], order)


@leaf
def try_stops(venue: Record, own: Record) -> None:
    """Stops that the market reached take; what waits for a market takes too; trailing stops follow."""
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        after = order.next
        price = _signal_price(own, order)
        if order.kind == OrderKind.TRAILING and price > 0.0:
            triggers.follow(order, price, own.rules.price_increment)
        is_stop = order.kind != OrderKind.MARKET and order.kind != OrderKind.LIMIT
        is_reached = is_stop and order.is_triggered == 0
        is_reached = is_reached and triggers.is_at_or_beyond(order.side, price, order.stop_price)
        if is_reached and not _is_past_liquidation(venue, order):
            order.is_triggered = 1
            if order.kind == OrderKind.STOP_LIMIT:
                limit_arrives(venue, own, at)
        if order.id != 0 and _is_market(order):
            _take_or_print(venue, own, at)
        elif order.id != 0 and order.kind == OrderKind.LIMIT and order.is_resting == 0:
            limit_arrives(venue, own, at)  # it came in a halt, and may not rest
        at = after_fill(venue, own, at, after)


@leaf
def _take_or_print(venue: Record, own: Record, slot: int) -> None:
    """A market order takes from the book; where there is none, from the print in hand."""
    order = venue.orders[slot]
    if own.has_book != 0 or depth.best(own, -order.side) > 0.0:
        venue_fills.take(venue, slot)
        return
    held = venue.positions[order.instance].qty
    if order.reduce_only != 0 and held * order.side >= 0.0:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.NOTHING_TO_REDUCE.value, venue.ts_ns)
        return
    qty = venue_fills.remaining(venue, order)
    if own.print_left > 0.0 and qty > 0.0 and order.submitted_ns < venue.ts_ns:
        _take_print(venue, own, slot, qty)


@leaf
def _take_print(venue: Record, own: Record, slot: int, wanted: float) -> None:
    """Take ``wanted`` from the print in hand, or what it has; what an IOC leaves, or a FOK lacks, is over."""
    assert wanted > 0.0, "who takes wants something"
    order = venue.orders[slot]
    order_id, shown = order.id, own.print_left
    qty = min(wanted, shown) if venue.is_partial != 0 else wanted
    if order.tif == TimeInForce.FOK and qty < wanted * (1.0 - limits.QUANTITY_TOLERANCE):
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_FOK.value, venue.ts_ns)
        return
    own.print_left -= qty if venue.is_partial != 0 else 0.0
    venue_fills.take_print(venue, own, slot, shown, qty)
    if order.id == order_id and order.tif == TimeInForce.IOC:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_IOC.value, venue.ts_ns)


@leaf
def liquidate(venue: Record, index: int, own: Record) -> None:
    """Positions whose liquidation price the mark passed are closed at the touch."""
    instance = own.position_first
    while instance >= 0:
        position = venue.positions[instance]
        trigger = position.liquidation_price
        if position.qty != 0.0 and trigger == trigger:
            is_hit = own.mark <= trigger if position.qty > 0.0 else own.mark >= trigger
            if is_hit:
                qty, side = abs(position.qty), 1 if position.qty > 0.0 else -1
                touch = depth.best(own, side)
                price = touch if touch > 0.0 else own.mark
                if own.has_book != 0 and touch > 0.0:
                    price = depth.take_all(own, side, qty)
                event = venue_orders.push(venue, EventKind.ORDER_FILLED.value, index, instance, venue.ts_ns)
                event.price = price
                event.qty = qty
                event.amount = price * qty * own.rules.multiplier * venue.costs[instance].taker_rate
                venue.wallet -= event.amount
                venue_positions.apply_fill(venue, instance, -position.qty, price, 1.0, own)
        instance = venue.instance_next[instance]


@leaf
def _meet_book(venue: Record, own: Record, slot: int) -> None:
    """A resting order that levels of the other side reached takes them in, at its own price."""
    order = venue.orders[slot]
    order_id, side = order.id, -order.side
    best = depth.best(own, side)
    while best == best and order.id == order_id and (best - order.price) * side >= 0.0:
        shown = depth.best_qty(own, side)
        filled = venue_fills.make(venue, slot, shown if venue.is_partial != 0 else math.inf)
        if filled < shown:
            depth.take_best(own, side, filled)
            return
        depth.drop_best(own, side)
        best = depth.best(own, side)


@leaf
def _crossed(venue: Record, own: Record) -> None:
    """Resting orders that the other side's best price reached fill at their own price."""
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        after = order.next
        if is_resting(order):
            other = depth.best(own, -order.side)
            if other == other and (other <= order.price if order.side > 0 else other >= order.price):
                if own.has_book != 0:
                    _meet_book(venue, own, at)
                else:
                    shown = depth.qty_at(own, -order.side, other)
                    venue_fills.make(venue, at, shown if venue.is_partial != 0 else math.inf)
        at = after_fill(venue, own, at, after)


@leaf
def react(venue: Record, index: int, own: Record) -> None:
    """What the changed market means for what rests and for what is held."""
    if own.order_first >= 0:
        _crossed(venue, own)
        try_stops(venue, own)
    if venue.position_count > 0:
        liquidate(venue, index, own)


@leaf
def meet_print(venue: Record, own: Record, slot: int, price: float, qty: float) -> None:
    """One resting order of the side that was hit."""
    order = venue.orders[slot]
    participation = venue.costs[order.instance].participation
    most = own.print_left if venue.is_partial != 0 else math.inf
    if participation > 0.0:
        most = min(most, qty * participation)
    if order.price == price:
        depth.trade_ahead(venue, slot, qty)
        if not depth.is_reached(venue, slot, own.rules.lot_size):
            return
        if venue.is_partial != 0:
            most = min(most, -venue.queue_ahead[slot])
    elif not triggers.is_through(order.side, price, order.price):
        return
    filled = venue_fills.make(venue, slot, most)
    own.print_left -= filled if venue.is_partial != 0 else 0.0
    if order.price == price:
        venue.queue_ahead[slot] = 0.0


@leaf
def limit_arrives(venue: Record, own: Record, slot: int) -> None:
    """A limit takes what it reaches, unless it is post-only, and rests with what is left."""
    order = venue.orders[slot]
    other = depth.best(own, -order.side)
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
        depth.join_queue(venue, own, slot)
