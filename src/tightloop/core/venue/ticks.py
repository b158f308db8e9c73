"""The simulated venue on ticks: its clock, what is in flight, market data and commands.

The venue lives on its own clock (``venue.ts_ns``): it sees the market when it happened, the strategy when it received
it. ``core/replay/ticks.py`` calls the functions below in order of venue time; at one instant first market data, then
expiries, then commands, each against the market as it then is.

Data. ``requests[request_taken:request_count]`` are commands in flight to the venue, each due at ``due_ns``.
``inbox[inbox_taken:inbox_count]`` are events in flight to the strategy, each due at ``ts_init_ns``. Both are FIFO: a
message is never due before an earlier one. A queue that reaches its end closes up over those that have arrived. A
submit takes ``submit_ns``, a cancel or amend ``cancel_ns``, an event ``response_ns``; with recorded latency
(``is_recorded``) each takes the instrument's latest feed latency instead.
Market data lives in a VENUE_INSTRUMENT: price levels of both sides (best last), last print, mark, open orders.

What a market event does, in this order:

    print   limits that it trades through, or whose queue it uses up, fill; stops and waiting orders; liquidations
    quote   better levels are dropped and queues updated; crossed limits fill; stops and waiting orders; liquidations
    mark    one that a real venue reported, in place of the mid: stops that it triggers; liquidations
    book    as for a quote, after the last level of an update (one update is many events); a gap in the sequence or a
            crossed book makes the book unknown until its next snapshot

What an order fills at is in ``core/venue/tick_matching.py`` (who matches) and ``core/venue/fills.py`` (how much).

What may surprise:

- Without a book or a quote, market orders fill from the next print. While a book is unknown they wait.
- Where an instrument has a book, its quotes are ignored; they matter to the strategy alone.
- One print is used once: all our orders together fill no more than its quantity.
- After ``halt_ns`` without market data the instrument counts as halted: orders are accepted, but match only when the
  next market event arrives. Cancels and amends act at once.
- An order that would trade against our own resting orders cancels those first (SELF_TRADE).
- A stop beyond the liquidation price never fills.
"""

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import EventKind, OrderKind, Reason, RowKind, TimeInForce
from tightloop.core.domain.ticks import BookRow
from tightloop.core.domain.types import Record
from tightloop.core.market import depth
from tightloop.core.trading.control import set_rules
from tightloop.core.venue import fills as venue_fills
from tightloop.core.venue import orders as venue_orders
from tightloop.core.venue import positions as venue_positions
from tightloop.core.venue import tick_matching, triggers

# Messages in flight ---------------------------------------------------------------------------------------------------


@hot
def next_request_ns(venue: Record) -> int:
    """Return when the next command arrives at the venue; NEVER_NS if none is in flight."""
    if venue.request_taken >= venue.request_count:
        return limits.NEVER_NS
    return venue.requests[venue.request_taken].due_ns


@hot
def next_response_ns(venue: Record) -> int:
    """Return when the next event of the venue arrives at the strategy; NEVER_NS if none is in flight."""
    if venue.inbox_taken >= venue.inbox_count:
        return limits.NEVER_NS
    return venue.inbox[venue.inbox_taken].ts_init_ns


@leaf
def _close_up(venue: Record) -> None:
    """Move the commands still in flight to the start of their queue, in their order."""
    count = venue.request_count - venue.request_taken
    for k in range(count):
        venue.requests[k] = venue.requests[venue.request_taken + k]
    venue.request_taken = 0
    venue.request_count = count


@leaf
def send(venue: Record, row: Record) -> None:
    """Put a command row of the log in flight: it arrives after the latency of its kind, never before an earlier one."""
    if venue.request_taken == venue.request_count or venue.request_count == limits.REQUESTS_MAX:
        _close_up(venue)
    at = venue.request_count
    assert at < limits.REQUESTS_MAX, "REQUESTS_MAX: more commands on their way than the venue takes"
    takes_ns = venue.submit_ns if row.kind == RowKind.SUBMIT else venue.cancel_ns
    if venue.is_recorded != 0:
        takes_ns = venue.instruments[row.instrument].feed_latency_ns
    due_ns = row.ts_ns + takes_ns
    if at > venue.request_taken:
        due_ns = max(due_ns, venue.requests[at - 1].due_ns)
    venue.requests[at].row = row
    venue.requests[at].due_ns = due_ns
    venue.request_count = at + 1


@leaf
def _set_clock(venue: Record, instrument: Record, now_ns: int) -> None:
    """Set the venue's clock, and the latency of the events it pushes from now on."""
    venue.ts_ns = now_ns
    venue.delay_ns = instrument.feed_latency_ns if venue.is_recorded != 0 else venue.response_ns


# The market -----------------------------------------------------------------------------------------------------------


@leaf
def _queue_changes(venue: Record, instrument: Record, side: int, price: float, before: float, now: float) -> None:
    """Update the queue positions of our orders resting at a price whose shown quantity changed."""
    slot = instrument.order_first
    while slot >= 0:
        order = venue.orders[slot]
        if order.side == side and order.price == price and tick_matching.is_resting(order):
            depth.qty_changed(venue, slot, before, now)
        slot = order.next


@leaf
def _set_level(venue: Record, instrument: Record, side: int, price: float, qty: float) -> None:
    """Set the quantity of a price level (0 removes it) and update the queues there."""
    before = depth.set_level(instrument, side, price, qty)
    if instrument.order_first >= 0:
        _queue_changes(venue, instrument, side, price, before, qty)


@leaf
def _set_mark(instrument: Record) -> None:
    """Set the mark to the mid of the touch or, where a side is unknown, to the last print; a reported one stays."""
    if instrument.rules.has_venue_mark != 0:
        return
    bid, ask = depth.best(instrument, depth.BUY), depth.best(instrument, depth.SELL)
    instrument.mark = 0.5 * (bid + ask) if bid > 0.0 and ask > 0.0 else instrument.last


@hot
def quote_arrives(venue: Record, event: Record, now_ns: int) -> None:
    """Process a quote: the new best bid and ask with their quantities."""
    instrument = venue.instruments[event.instrument]
    _set_clock(venue, instrument, now_ns)
    instrument.heard_ns = now_ns
    if instrument.has_book != 0:
        return  # the book has the same levels, and more of them
    _quote_side(venue, instrument, depth.BUY, event.price, event.qty)
    _quote_side(venue, instrument, depth.SELL, fields.ask(event), fields.ask_qty(event))
    _set_mark(instrument)
    tick_matching.react(venue, event.instrument, instrument)


@leaf
def book_arrives(venue: Record, event: Record, now_ns: int) -> None:
    """Process one level of an order book; match after the last level of its update (BookRow.IS_LAST)."""
    instrument = venue.instruments[event.instrument]
    assert instrument.has_book != 0, "a book row reaches only a venue that keeps a book"
    _set_clock(venue, instrument, now_ns)
    instrument.heard_ns = now_ns
    flags = fields.book_flags(event)
    if depth.is_taken(instrument, fields.book_seq(event), flags):
        side = depth.BUY if flags & BookRow.IS_BID else depth.SELL
        if flags & BookRow.IS_SNAPSHOT:
            depth.set_level(instrument, side, event.price, event.qty)
        else:
            _set_level(venue, instrument, side, event.price, event.qty)
    if not flags & BookRow.IS_LAST:
        return
    is_known = depth.end_update(instrument)
    if is_known and flags & BookRow.IS_SNAPSHOT:
        _cap_queues(venue, instrument)
    _set_mark(instrument)
    tick_matching.react(venue, event.instrument, instrument)


@leaf
def _cap_queues(venue: Record, instrument: Record) -> None:
    """Cap the queue ahead of resting orders by what a snapshot shows at their prices."""
    slot = instrument.order_first
    while slot >= 0:
        if tick_matching.is_resting(venue.orders[slot]):
            depth.look_again(venue, instrument, slot)
        slot = venue.orders[slot].next


@hot
def _drop_beyond(venue: Record, instrument: Record, side: int, price: float, also_equal: bool) -> None:
    """Drop the levels of a side better than a price (``also_equal``: or equal to it), and empty their queues."""
    best = depth.best(instrument, side)
    while best == best and ((best - price) * side > 0.0 or (also_equal and best == price)):
        before = depth.drop_best(instrument, side)
        if instrument.order_first >= 0:
            _queue_changes(venue, instrument, side, best, before, 0.0)
        best = depth.best(instrument, side)


@hot
def _quote_side(venue: Record, instrument: Record, side: int, price: float, qty: float) -> None:
    """Apply one side of a quote: set its level, drop better ones, and levels of the other side that it crosses.

    A quote that repeats price and quantity leaves queue positions as they are.
    """
    if qty > 0.0 and depth.is_best(instrument, side, price):
        before = depth.replace_best(instrument, side, qty)
        if before != qty:
            if instrument.order_first >= 0:
                _queue_changes(venue, instrument, side, price, before, qty)
            _drop_beyond(venue, instrument, -side, price, True)
        return
    _set_level(venue, instrument, side, price, qty)
    _drop_beyond(venue, instrument, side, price, False)
    _drop_beyond(venue, instrument, -side, price, True)


@leaf
def print_arrives(venue: Record, event: Record, now_ns: int) -> None:
    """Process a public print: match resting orders on the side it hit, then stops, waiting orders and liquidations."""
    instrument = venue.instruments[event.instrument]
    _set_clock(venue, instrument, now_ns)
    instrument.heard_ns = now_ns
    instrument.last = event.price
    instrument.print_left = event.qty
    if not depth.best(instrument, depth.BUY) > 0.0 and instrument.rules.has_venue_mark == 0:
        instrument.mark = event.price
    taker = -1 if fields.is_buyer_maker(event) else 1
    slot = instrument.order_first
    while slot >= 0:
        order = venue.orders[slot]
        next_slot = order.next
        if tick_matching.is_resting(order) and order.side == -taker:
            tick_matching.match_print(venue, instrument, slot, event.price, event.qty)
        slot = tick_matching.next_open(venue, instrument, slot, next_slot)
    if instrument.order_first >= 0:
        tick_matching.match_waiting(venue, instrument)
    if venue.position_count > 0:
        tick_matching.liquidate(venue, event.instrument, instrument)


@leaf
def mark_arrives(venue: Record, event: Record, now_ns: int) -> None:
    """Process a mark that a venue reported: stops that it triggers, then liquidations; NaN: by our own from then on."""
    instrument = venue.instruments[event.instrument]
    _set_clock(venue, instrument, now_ns)
    instrument.rules.has_venue_mark = 1 if event.price > 0.0 else 0
    if event.price > 0.0:
        instrument.mark = event.price
    else:
        _set_mark(instrument)
    if instrument.order_first >= 0:
        tick_matching.match_waiting(venue, instrument)
    if venue.position_count > 0:
        tick_matching.liquidate(venue, event.instrument, instrument)


# Commands -------------------------------------------------------------------------------------------------------------


@leaf
def _prevent_self_trade(venue: Record, instrument: Record, taker: Record) -> None:
    """Cancel our resting orders that an incoming order would trade against.

    Those are the ones within the worst price it may take: its limit, or the last level (or touch) its quantity needs.
    """
    worst = depth.best(instrument, -taker.side)
    if instrument.has_book != 0:
        worst = depth.price_of(instrument, -taker.side, taker.qty)
    limit = taker.price if taker.kind == OrderKind.LIMIT else worst
    if taker.post_only != 0 or limit != limit:
        return
    slot = instrument.order_first
    while slot >= 0:
        order = venue.orders[slot]
        next_slot = order.next
        if tick_matching.is_resting(order) and order.side == -taker.side:
            if order.price <= limit if taker.side > 0 else order.price >= limit:
                venue_orders.end_order(
                    venue, slot, EventKind.ORDER_CANCELED.value, Reason.SELF_TRADE.value, venue.ts_ns
                )
        slot = next_slot


@leaf
def _submit(venue: Record, row: Record) -> None:
    """Accept an order and match it, unless the instrument is halted: then it waits for the next market event."""
    slot = venue_orders.insert(venue, row)
    order = venue.orders[slot]
    instrument = venue.instruments[order.instrument]
    order.submitted_ns = venue.ts_ns
    venue.expires_next_ns = min(venue.expires_next_ns, order.expires_ns)
    is_halted = venue.halt_ns > 0 and venue.ts_ns - instrument.heard_ns > venue.halt_ns
    venue_orders.push_order(venue, EventKind.ORDER_ACCEPTED.value, slot, 0, venue.ts_ns)
    if order.kind == OrderKind.TRAILING:
        triggers.follow(order, order.reference_price, instrument.rules.price_increment)
    if is_halted:
        may_rest = order.tif != TimeInForce.IOC and order.tif != TimeInForce.FOK
        order.is_resting = 1 if order.kind == OrderKind.LIMIT and may_rest else 0
        depth.join_queue(venue, instrument, slot)
        return
    _prevent_self_trade(venue, instrument, order)
    if order.kind == OrderKind.LIMIT:
        tick_matching.match_limit(venue, instrument, slot)
    elif order.kind == OrderKind.MARKET:
        if instrument.has_book != 0 or depth.best(instrument, -order.side) > 0.0:
            venue_fills.take(venue, slot)
    else:
        tick_matching.match_waiting(venue, instrument)


@leaf
def _amend(venue: Record, instrument: Record, slot: int, row: Record) -> None:
    """Amend an order and match it again; a limit with a new price or a larger quantity goes to the end of the queue."""
    order = venue.orders[slot]
    moves = order.price != row.price or row.qty > order.qty
    order.qty, order.price, order.arm_price = row.qty, row.price, row.arm_price
    if order.kind == OrderKind.TRAILING:
        order.trail_distance = row.trail_distance
        triggers.follow(order, order.best_price, instrument.rules.price_increment)
    else:
        order.stop_price = row.stop_price
    if order.kind == OrderKind.LIMIT:
        if moves:
            tick_matching.match_limit(venue, instrument, slot)
    else:
        tick_matching.match_waiting(venue, instrument)


@leaf
def request_arrives(venue: Record) -> None:
    """Execute the next command in flight. A cancel or amend of an order that has ended has no effect.

    For an amend that is reported (ORDER_CANCELED, TOO_LATE): the strategy may have asked for a larger quantity of an
    order that filled meanwhile, and would wait for the rest.
    """
    row, now_ns = venue.requests[venue.request_taken].row, venue.requests[venue.request_taken].due_ns
    venue.request_taken += 1
    instrument = venue.instruments[row.instrument]
    _set_clock(venue, instrument, now_ns)
    if row.kind == RowKind.SUBMIT:
        _submit(venue, row)
        return
    slot = venue_orders.find(venue, instrument, row.order_id)
    if slot < 0:
        if row.kind == RowKind.AMEND:
            event = venue_orders.push(venue, EventKind.ORDER_CANCELED.value, row.instrument, row.instance, venue.ts_ns)
            fields.set_order(event, row.order_id, row.slot, Reason.TOO_LATE.value)
        return
    if row.kind == RowKind.CANCEL:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, row.reason, venue.ts_ns)
        return
    assert row.kind == RowKind.AMEND, "a command is submit, cancel or amend"
    _amend(venue, instrument, slot, row)


@leaf
def expire(venue: Record, now_ns: int) -> None:
    """Expire the orders that are due by ``now_ns``."""
    venue.expires_next_ns = limits.NEVER_NS
    for index in range(venue.instrument_count):
        instrument = venue.instruments[index]
        if instrument.order_first >= 0:
            _set_clock(venue, instrument, now_ns)
            venue_orders.expire(venue, instrument, now_ns, now_ns)
            venue.expires_next_ns = min(venue.expires_next_ns, instrument.expires_next_ns)


@leaf
def settle_funding(venue: Record, event: Record, now_ns: int) -> None:
    """Settle funding on open positions at the venue's mark."""
    instrument = venue.instruments[event.instrument]
    _set_clock(venue, instrument, now_ns)
    venue_positions.pay_funding(venue, event.instrument, event.rate, instrument.mark, now_ns)


@hot
def market_arrives(venue: Record, event: Record, now_ns: int) -> None:
    """Process a market event at ``now_ns``, the venue's time of it."""
    if event.kind == EventKind.TRADE:
        print_arrives(venue, event, now_ns)
    elif event.kind == EventKind.QUOTE:
        quote_arrives(venue, event, now_ns)
    elif event.kind == EventKind.BOOK_LEVEL:
        book_arrives(venue, event, now_ns)
    elif event.kind == EventKind.FUNDING_RATE:
        settle_funding(venue, event, now_ns)
    elif event.kind == EventKind.MARK_REPORTED:
        mark_arrives(venue, event, now_ns)
    elif event.kind == EventKind.INSTRUMENT_CHANGED:
        set_rules(venue.instruments[event.instrument].rules, event)
