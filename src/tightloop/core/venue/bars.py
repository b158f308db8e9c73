"""The simulated venue on bars, as the drivers call it: bar events, funding, and commands of the step.

A bar is two market events. BAR_OPENED puts its open in force (``begin_bar``). BAR_CLOSED then replays what happened
since, in the stages of ``core/replay/bars.py``: ``open_known`` (fills at the open that had to wait for the volume),
``in_bar`` (stops and liquidations, then limits), ``end_bar`` (trailing stops). After each stage the step processes the
resulting events, and its commands come back through ``on_command`` while the stage is still in force. A stop sent after
an entry inside the bar therefore meets the rest of the same bar, as far as that is known.

What an order meets at an open and inside a bar is in ``core/venue/matching.py``.
"""

import math

from tightloop.core.compiled import hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import EventKind, OrderKind, RowKind, Stage
from tightloop.core.domain.types import Record
from tightloop.core.venue import matching
from tightloop.core.venue import orders as venue_orders
from tightloop.core.venue import positions as venue_positions
from tightloop.core.venue.triggers import (
    follow,
    is_at_or_beyond,
    is_behind_liquidation,
    is_passed,
    is_through,
    lay_before,
)


@hot
def has_business(venue: Record) -> bool:
    """Return whether a market event can have any effect: an order is open or a position held."""
    return venue.order_count > 0 or venue.position_count > 0


@hot
def watch(venue: Record, event: Record) -> None:
    """Update prices for a bar event while no order is open and no position held (the fast path of ``has_business``)."""
    instrument = venue.instruments[event.instrument]
    venue.ts_ns = event.ts_init_ns
    if event.kind == EventKind.BAR_OPENED:
        instrument.open = event.price
        instrument.mark = event.price
        instrument.open_ns = event.ts_init_ns
        instrument.volume_left = math.inf
        instrument.stage = Stage.AT_OPEN.value
    elif event.kind == EventKind.BAR_CLOSED:
        instrument.mark = event.price
        instrument.close_ns = event.ts_init_ns
        instrument.rules.bar.volume = event.qty
        instrument.stage = Stage.BETWEEN.value


@hot
def begin_bar(venue: Record, event: Record) -> None:
    """Open a bar: expire orders, then fill waiting orders at its open.

    With participation, fills at the open wait for the bar's volume (``open_known``).
    """
    instrument = venue.instruments[event.instrument]
    venue.ts_ns = event.ts_init_ns
    instrument.open = event.price
    instrument.mark = event.price
    instrument.open_ns = event.ts_init_ns
    instrument.volume_left = math.inf
    instrument.stage = Stage.AT_OPEN.value
    instance = instrument.position_first if venue.position_count > 0 else -1
    while instance >= 0:
        venue.entered[instance] = venue_positions.BEFORE
        instance = venue.instance_next[instance]
    venue_orders.expire(venue, instrument, event.ts_init_ns, event.ts_init_ns)
    if instrument.has_participation == 0:
        matching.match_open(venue, instrument)
    if instrument.trailing_count > 0:
        matching.trail_open(venue, instrument)


@hot
def open_known(venue: Record, event: Record) -> None:
    """Store the closed bar; with participation, fill at its open what its volume, known only now, allows."""
    instrument = venue.instruments[event.instrument]
    venue.ts_ns = event.ts_init_ns
    instrument.high, instrument.low, instrument.close, instrument.volume = event.high, event.low, event.price, event.qty
    instrument.close_ns = event.ts_init_ns
    instrument.volume_left = event.qty
    if instrument.has_participation != 0:
        instrument.stage = Stage.AT_OPEN.value
        matching.match_open(venue, instrument)


@hot
def in_bar(venue: Record, event: Record) -> None:
    """Match open orders against the range of the bar that ends now: stops and liquidations first, then limits."""
    instrument = venue.instruments[event.instrument]
    instrument.stage = Stage.IN_BAR.value
    matching.match_class(venue, instrument, Stage.IN_BAR.value, matching.STOPS)
    if venue.position_count > 0:
        matching.liquidate_all(venue, instrument, False)
    matching.match_class(venue, instrument, Stage.IN_BAR.value, matching.LIMITS)


@hot
def end_bar(venue: Record, event: Record) -> None:
    """End a bar: liquidate what was entered inside it, move trailing stops, expire orders.

    Until the next open no price is in force: orders sent meanwhile wait.
    """
    instrument = venue.instruments[event.instrument]
    instance = instrument.position_first if venue.position_count > 0 else -1
    while instance >= 0:
        matching.liquidate(venue, instance, instrument, False)
        instance = venue.instance_next[instance]
    if instrument.trailing_count > 0:
        matching.trail_bar(venue, instrument)
    venue_orders.expire(venue, instrument, instrument.close_ns, instrument.open_ns)
    instrument.mark = instrument.close
    instrument.rules.bar.volume = instrument.volume
    instrument.stage = Stage.BETWEEN.value


@leaf
def settle_funding(venue: Record, event: Record) -> None:
    """Settle funding on open positions at the event's mark price (NaN: the last mark known)."""
    instrument = venue.instruments[event.instrument]
    venue.ts_ns = event.ts_init_ns
    known = fields.settlement_mark(event)
    mark = known if known == known else instrument.mark
    venue_positions.pay_funding(venue, event.instrument, event.rate, mark, event.ts_event_ns)


@leaf
def _match_submitted_in_bar(venue: Record, slot: int, instrument: Record, accepted: Record) -> None:
    """Match an order sent in response to a fill inside the bar against the rest of that bar, as far as it is certain.

    Only exits can fill; other orders wait for the next open, as market orders do.
    """
    order = venue.orders[slot]
    if order.kind == OrderKind.LIMIT:
        if order.reduce_only != 0:
            matching.limit_in_bar(venue, slot, instrument, True)
        return
    if order.reduce_only == 0:
        matching.trigger_if_passed(order, instrument.close)
        return
    position = venue.positions[order.instance]
    # The most favourable price since the order was sent: if even that is beyond the stop, it is triggered on arrival.
    market = instrument.high if order.side < 0 else instrument.low
    if venue_positions.was_entered_inside(venue, order):
        market = position.entry_price
    if is_passed(order.side, market, order.stop_price):
        matching.trigger_if_passed(order, market)
        return
    if venue_positions.was_entered_by_stop(venue, order) and lay_before(instrument, order.side, order.stop_price):
        # STOP_UNTOUCHED is reported once per entry; the entry's fill has done so if this holds (matching._fill).
        is_reported = venue_positions.lay_before_entry(venue, order.instance, instrument)
        if not is_behind_liquidation(position, order):
            venue.entered[order.instance] = venue_positions.SPARED
            if not is_reported:
                fields.set_stop_untouched(accepted, instrument.open)
    matching.stop_in_bar(venue, slot, instrument)


@leaf
def _is_in_force(venue: Record, order: Record, instrument: Record, ts_ns: int) -> bool:
    """Return whether a command sent at ``ts_ns`` can still fill at the current bar's open.

    Yes if it was sent no later than the open; with participation, in the stage that fills at the open (``open_known``).
    """
    if instrument.stage != Stage.AT_OPEN:
        return False
    if instrument.open_ns >= ts_ns:
        return venue.costs[order.instance].participation <= 0.0
    return instrument.close_ns == ts_ns


@leaf
def _submit(venue: Record, row: Record) -> None:
    """Accept an order and match it against the price in force, if there is one."""
    slot = venue_orders.insert(venue, row)
    order = venue.orders[slot]
    instrument = venue.instruments[order.instrument]
    accepted = venue_orders.push_order(venue, EventKind.ORDER_ACCEPTED.value, slot, 0, venue.ts_ns)
    if order.kind == OrderKind.TRAILING:
        follow(order, order.reference_price, instrument.rules.price_increment)
    if instrument.stage == Stage.IN_BAR:
        if order.kind != OrderKind.MARKET:
            _match_submitted_in_bar(venue, slot, instrument, accepted)
    elif instrument.stage == Stage.BETWEEN:
        matching.trigger_if_passed(order, instrument.mark)
    elif _is_in_force(venue, order, instrument, row.ts_ns):
        matching.order_at_open(venue, slot, instrument)


@leaf
def _match_amended(venue: Record, slot: int, instrument: Record, row: Record, is_moved: bool) -> None:
    """Match an amended order as if sent now: if the market is past its price, at once or at the next open."""
    order = venue.orders[slot]
    if order.kind == OrderKind.LIMIT:
        if is_moved and instrument.stage != Stage.IN_BAR and is_through(order.side, instrument.mark, order.price):
            order.is_resting = 0
            if _is_in_force(venue, order, instrument, row.ts_ns):
                matching.order_at_open(venue, slot, instrument)
    elif instrument.stage == Stage.BETWEEN:
        matching.trigger_if_passed(order, instrument.mark)
    elif instrument.stage == Stage.IN_BAR:
        if is_moved and order.kind == OrderKind.STOP:
            matching.trigger_if_passed(order, instrument.close)
    elif order.is_triggered == 0 and is_at_or_beyond(order.side, instrument.open, order.stop_price):
        if _is_in_force(venue, order, instrument, row.ts_ns):
            matching.order_at_open(venue, slot, instrument)


@leaf
def on_command(venue: Record, row: Record) -> None:
    """Execute a command row of the log. A cancel or amend of an order that has ended is ignored."""
    venue.ts_ns = max(venue.ts_ns, row.ts_ns)
    if row.kind == RowKind.SUBMIT:
        _submit(venue, row)
        return
    instrument = venue.instruments[row.instrument]
    slot = venue_orders.find(venue, instrument, row.order_id)
    if slot < 0:
        return
    order = venue.orders[slot]
    if row.kind == RowKind.CANCEL:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, row.reason, venue.ts_ns)
        return
    assert row.kind == RowKind.AMEND, "a command is submit, cancel or amend"
    is_moved = order.price != row.price if order.kind == OrderKind.LIMIT else order.stop_price != row.stop_price
    order.qty = row.qty
    order.price = row.price
    order.arm_price = row.arm_price
    if order.kind == OrderKind.TRAILING:
        order.trail_distance = row.trail_distance
        if instrument.stage == Stage.BETWEEN:
            order_id = order.id
            matching.trail_close(venue, slot, instrument)
            if order.id != order_id:
                return
        else:
            follow(order, order.best_price, instrument.rules.price_increment)
    else:
        order.stop_price = row.stop_price
    _match_amended(venue, slot, instrument, row, is_moved)
