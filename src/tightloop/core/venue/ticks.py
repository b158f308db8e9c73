"""The simulated venue on ticks: it keeps its own clock, sees the market when it happened and hears commands later.

    market orders   take what the book shows when they arrive: level by level of a book, where what they took is gone
                    until the level is told again; of a quote the touch, and what is more than the touch ever further
                    away (``depth_spreads``). Without either: the next print. In a book that is lost they wait.
    limits          fill when traded through; at their price once the queue ahead is used up; one print is used once
    stops           triggered by a print, the mark or the touch, then as a market order; one that is sent at a price
                    already passed at once
    liquidation     when the mark passes the liquidation price, at the touch; a stop beyond that price never fills

Commands take effect in the order of their arrival, against the market in force then. A market that has been silent for
``halt_ns`` is halted: what arrives waits for its next sign of life. Everything the venue says takes ``response_ns``.
"""

import math

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import EventKind, OrderKind, Reason, RowKind, TimeInForce, Trigger
from tightloop.core.domain.ticks import BookRow
from tightloop.core.domain.types import Record
from tightloop.core.market import depth
from tightloop.core.trading import margin
from tightloop.core.venue import fills as venue_fills
from tightloop.core.venue import matching, triggers
from tightloop.core.venue import orders as venue_orders

# What is on its way ---------------------------------------------------------------------------------------------------


@hot
def next_request_ns(venue: Record) -> int:
    """When the next command arrives; NEVER_NS when none is on its way."""
    if venue.request_taken >= venue.request_count:
        return limits.NEVER_NS
    return venue.requests[venue.request_taken].exit_ns


@hot
def next_response_ns(venue: Record) -> int:
    """When the sender hears the next event; NEVER_NS when none is on its way."""
    if venue.inbox_taken >= venue.inbox_count:
        return limits.NEVER_NS
    return venue.inbox[venue.inbox_taken].ts_init_ns


@leaf
def send(venue: Record, row: Record) -> None:
    """A command leaves; it arrives after the latency of its kind, never before one that left earlier."""
    if venue.request_taken == venue.request_count:
        venue.request_taken = 0
        venue.request_count = 0
    at = venue.request_count
    assert at < limits.REQUESTS_MAX, "REQUESTS_MAX: more commands on their way than the venue takes"
    takes_ns = venue.submit_ns if row.kind == RowKind.SUBMIT else venue.cancel_ns
    if venue.is_recorded != 0:
        takes_ns = venue.instruments[row.instrument].feed_latency_ns
    due_ns = row.ts_ns + takes_ns
    if at > venue.request_taken:
        due_ns = max(due_ns, venue.requests[at - 1].exit_ns)
    venue.requests[at] = row
    venue.requests[at].exit_ns = due_ns
    venue.request_count = at + 1


@leaf
def _sent_at(venue: Record, own: Record, now_ns: int) -> None:
    """The venue's clock, and how long what it says now takes to be heard."""
    venue.ts_ns = now_ns
    venue.delay_ns = own.feed_latency_ns if venue.is_recorded != 0 else venue.response_ns


# The market -----------------------------------------------------------------------------------------------------------


@leaf
def _is_market(order: Record) -> bool:
    """It takes at once: a market order, or a stop that was triggered."""
    if order.kind == OrderKind.MARKET:
        return True
    return order.is_triggered != 0 and (order.kind == OrderKind.STOP or order.kind == OrderKind.TRAILING)


@leaf
def _is_resting(order: Record) -> bool:
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
def _after(venue: Record, own: Record, slot: int, next_slot: int) -> int:
    """The order to look at next when the one at ``slot`` may have ended, and others with it."""
    if next_slot >= 0 and venue.orders[next_slot].id == 0:
        return own.order_first if venue.orders[slot].id == 0 else venue.orders[slot].next
    return next_slot


@leaf
def _is_past_liquidation(venue: Record, order: Record) -> bool:
    """A stop that lies beyond the liquidation price of what it protects: the venue liquidates, the stop never fills."""
    return order.reduce_only != 0 and triggers.is_behind_liquidation(venue.positions[order.instance], order)


@leaf
def _triggers(venue: Record, own: Record) -> None:
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
                _limit_arrives(venue, own, at)
        if order.id != 0 and _is_market(order):
            _take_or_print(venue, own, at)
        elif order.id != 0 and order.kind == OrderKind.LIMIT and order.is_resting == 0:
            _limit_arrives(venue, own, at)  # it came in a halt, and may not rest
        at = _after(venue, own, at, after)


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
def _liquidate(venue: Record, index: int, own: Record) -> None:
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
                matching.apply_fill(venue, instance, -position.qty, price, 1.0, own)
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
        if _is_resting(order):
            other = depth.best(own, -order.side)
            if other == other and (other <= order.price if order.side > 0 else other >= order.price):
                if own.has_book != 0:
                    _meet_book(venue, own, at)
                else:
                    shown = depth.qty_at(own, -order.side, other)
                    venue_fills.make(venue, at, shown if venue.is_partial != 0 else math.inf)
        at = _after(venue, own, at, after)


@leaf
def _queue_changes(venue: Record, own: Record, side: int, price: float, before: float, now: float) -> None:
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        if order.side == side and order.price == price and _is_resting(order):
            depth.qty_changed(venue, at, before, now)
        at = order.next


@leaf
def _set_level(venue: Record, own: Record, side: int, price: float, qty: float) -> None:
    before = depth.set_level(own, side, price, qty)
    if own.order_first >= 0:
        _queue_changes(venue, own, side, price, before, qty)


@leaf
def _react(venue: Record, index: int, own: Record) -> None:
    """What the changed market means for what rests and for what is held."""
    if own.order_first >= 0:
        _crossed(venue, own)
        _triggers(venue, own)
    if venue.position_count > 0:
        _liquidate(venue, index, own)


@leaf
def _set_mark(own: Record) -> None:
    bid, ask = depth.best(own, depth.BUY), depth.best(own, depth.SELL)
    own.mark = 0.5 * (bid + ask) if bid > 0.0 and ask > 0.0 else own.last


@hot
def quote_arrives(venue: Record, event: Record, now_ns: int) -> None:
    """The best bid and ask changed."""
    own = venue.instruments[event.instrument]
    _sent_at(venue, own, now_ns)
    own.heard_ns = now_ns
    if own.has_book != 0:
        return  # the book says what is there, and more of it
    _quote_side(venue, own, depth.BUY, event.price, event.qty)
    _quote_side(venue, own, depth.SELL, event.rate, event.amount)
    _set_mark(own)
    _react(venue, event.instrument, own)


@leaf
def book_arrives(venue: Record, event: Record, now_ns: int) -> None:
    """A level of the order book; after the last of its update the market has changed."""
    own = venue.instruments[event.instrument]
    assert own.has_book != 0, "a book is told to a venue that keeps one"
    _sent_at(venue, own, now_ns)
    own.heard_ns = now_ns
    flags = event.reason
    if depth.is_taken(own, event.order_id, flags):
        side = depth.BUY if flags & BookRow.IS_BID else depth.SELL
        if flags & BookRow.IS_SNAPSHOT:
            depth.set_level(own, side, event.price, event.qty)
        else:
            _set_level(venue, own, side, event.price, event.qty)
    if not flags & BookRow.IS_LAST:
        return
    is_known = depth.end_update(own)
    if is_known and flags & BookRow.IS_SNAPSHOT:
        _look_at_queues(venue, own)
    _set_mark(own)
    _react(venue, event.instrument, own)


@leaf
def _look_at_queues(venue: Record, own: Record) -> None:
    at = own.order_first
    while at >= 0:
        if _is_resting(venue.orders[at]):
            depth.look_again(venue, own, at)
        at = venue.orders[at].next


@hot
def _drop_beyond(venue: Record, own: Record, side: int, price: float, also_equal: bool) -> None:
    """Levels of a side better than a price (or equal to it) are gone, and with them the queues at them."""
    best = depth.best(own, side)
    while best == best and ((best - price) * side > 0.0 or (also_equal and best == price)):
        before = depth.drop_best(own, side)
        if own.order_first >= 0:
            _queue_changes(venue, own, side, best, before, 0.0)
        best = depth.best(own, side)


@hot
def _quote_side(venue: Record, own: Record, side: int, price: float, qty: float) -> None:
    """One side of a quote: better levels are gone, on the other side too; the same again says nothing of the queue."""
    if qty > 0.0 and depth.is_best(own, side, price):
        before = depth.replace_best(own, side, qty)
        if before != qty:
            if own.order_first >= 0:
                _queue_changes(venue, own, side, price, before, qty)
            _drop_beyond(venue, own, -side, price, True)
        return
    _set_level(venue, own, side, price, qty)
    _drop_beyond(venue, own, side, price, False)
    _drop_beyond(venue, own, -side, price, True)


@leaf
def print_arrives(venue: Record, event: Record, now_ns: int) -> None:
    """A public print: it fills what it traded through, and at its price what the queue lets it reach."""
    own = venue.instruments[event.instrument]
    _sent_at(venue, own, now_ns)
    own.heard_ns = now_ns
    own.last = event.price
    own.print_left = event.qty
    if not depth.best(own, depth.BUY) > 0.0:
        own.mark = event.price
    taker = -1 if event.is_maker != 0 else 1
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        after = order.next
        if _is_resting(order) and order.side == -taker:
            _meet_print(venue, own, at, event.price, event.qty)
        at = _after(venue, own, at, after)
    if own.order_first >= 0:
        _triggers(venue, own)
    if venue.position_count > 0:
        _liquidate(venue, event.instrument, own)


@leaf
def _meet_print(venue: Record, own: Record, slot: int, price: float, qty: float) -> None:
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


# Commands -------------------------------------------------------------------------------------------------------------


@leaf
def _limit_arrives(venue: Record, own: Record, slot: int) -> None:
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


@leaf
def _prevent_self_trade(venue: Record, own: Record, taker: Record) -> None:
    """What rests of our own where an order is about to take is canceled first."""
    other = depth.best(own, -taker.side)
    if own.has_book != 0:
        other = depth.price_of(own, -taker.side, taker.qty)
    bound = taker.price if taker.kind == OrderKind.LIMIT else other
    if taker.post_only != 0 or bound != bound:
        return
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        after = order.next
        if _is_resting(order) and order.side == -taker.side:
            if order.price <= bound if taker.side > 0 else order.price >= bound:
                venue_orders.end_order(venue, at, EventKind.ORDER_CANCELED.value, Reason.SELF_TRADE.value, venue.ts_ns)
        at = after


@leaf
def _submit(venue: Record, row: Record) -> None:
    slot = venue_orders.insert(venue, row)
    order = venue.orders[slot]
    own = venue.instruments[order.instrument]
    order.submitted_ns = venue.ts_ns
    venue.expires_next_ns = min(venue.expires_next_ns, order.expires_ns)
    is_halted = venue.halt_ns > 0 and venue.ts_ns - own.heard_ns > venue.halt_ns
    venue_orders.push_order(venue, EventKind.ORDER_ACCEPTED.value, slot, 0, venue.ts_ns)
    if order.kind == OrderKind.TRAILING:
        triggers.follow(order, order.reference_price, own.rules.price_increment)
    if is_halted:
        may_rest = order.tif != TimeInForce.IOC and order.tif != TimeInForce.FOK
        order.is_resting = 1 if order.kind == OrderKind.LIMIT and may_rest else 0
        depth.join_queue(venue, own, slot)
        return
    _prevent_self_trade(venue, own, order)
    if order.kind == OrderKind.LIMIT:
        _limit_arrives(venue, own, slot)
    elif order.kind == OrderKind.MARKET:
        if own.has_book != 0 or depth.best(own, -order.side) > 0.0:
            venue_fills.take(venue, slot)
    else:
        _triggers(venue, own)


@leaf
def _amend(venue: Record, own: Record, slot: int, row: Record) -> None:
    """New numbers of a resting order; another price, or more of it, goes to the end of the queue."""
    order = venue.orders[slot]
    moves = order.price != row.price or row.qty > order.qty
    order.qty, order.price, order.arm_price = row.qty, row.price, row.arm_price
    if order.kind == OrderKind.TRAILING:
        order.trail_distance = row.trail_distance
        triggers.follow(order, order.best_price, own.rules.price_increment)
    else:
        order.stop_price = row.stop_price
    if order.kind == OrderKind.LIMIT:
        if moves:
            _limit_arrives(venue, own, slot)
    else:
        _triggers(venue, own)


@leaf
def request_arrives(venue: Record) -> None:
    """The next command takes effect. A cancel or amend that comes too late does nothing.

    An amend is told so: who asked for more of an order that was filled meanwhile still waits for the rest.
    """
    row = venue.requests[venue.request_taken]
    venue.request_taken += 1
    own = venue.instruments[row.instrument]
    _sent_at(venue, own, row.exit_ns)
    if row.kind == RowKind.SUBMIT:
        _submit(venue, row)
        return
    slot = venue_orders.find(venue, own, row.order_id)
    if slot < 0:
        if row.kind == RowKind.AMEND:
            event = venue_orders.push(venue, EventKind.ORDER_CANCELED.value, row.instrument, row.instance, venue.ts_ns)
            event.order_id, event.order_slot, event.reason = row.order_id, row.slot, Reason.TOO_LATE.value
        return
    if row.kind == RowKind.CANCEL:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, row.reason, venue.ts_ns)
        return
    assert row.kind == RowKind.AMEND, "a command is submit, cancel or amend"
    _amend(venue, own, slot, row)


@leaf
def expire(venue: Record, now_ns: int) -> None:
    """Orders whose time is over."""
    venue.expires_next_ns = limits.NEVER_NS
    for index in range(venue.instrument_count):
        own = venue.instruments[index]
        if own.order_first >= 0:
            _sent_at(venue, own, now_ns)
            matching.expire(venue, own, now_ns, now_ns)
            venue.expires_next_ns = min(venue.expires_next_ns, own.expires_next_ns)


@leaf
def settle_funding(venue: Record, event: Record, now_ns: int) -> None:
    """Funding on what is held, at the venue's mark."""
    own = venue.instruments[event.instrument]
    _sent_at(venue, own, now_ns)
    instance = own.position_first
    while instance >= 0:
        position = venue.positions[instance]
        if position.qty != 0.0 and own.mark > 0.0 and venue.costs[instance].is_unfunded == 0:
            paid = venue_orders.push(venue, EventKind.FUNDING_PAID.value, event.instrument, instance, now_ns)
            paid.amount = margin.funding_amount(position.qty, own.mark, own.rules.multiplier, event.rate)
            paid.rate = event.rate
            paid.price = own.mark
            venue.wallet += paid.amount
        instance = venue.instance_next[instance]


@hot
def market_arrives(venue: Record, event: Record, now_ns: int) -> None:
    """A market event at the venue, at the venue's time."""
    if event.kind == EventKind.TRADE:
        print_arrives(venue, event, now_ns)
    elif event.kind == EventKind.QUOTE:
        quote_arrives(venue, event, now_ns)
    elif event.kind == EventKind.BOOK_LEVEL:
        book_arrives(venue, event, now_ns)
    elif event.kind == EventKind.FUNDING_RATE:
        settle_funding(venue, event, now_ns)
