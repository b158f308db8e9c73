"""The simulated venue on bars as a driver calls it: what begins and ends with a bar, funding, commands.

What an order meets at an open and inside a bar is in ``core/venue/matching.py``.
"""

import math

from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import EventKind, OrderKind, RowKind, Stage
from tightloop.core.domain.types import Record
from tightloop.core.trading import margin
from tightloop.core.venue import matching
from tightloop.core.venue import orders as venue_orders
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
    """Whether a market event can cause anything here."""
    return venue.order_count > 0 or venue.position_count > 0


@hot
def watch(venue: Record, event: Record) -> None:
    """A market event while there is nothing to fill and nobody to pay: prices move, and that is all."""
    own = venue.instruments[event.instrument]
    venue.ts_ns = event.ts_init_ns
    if event.kind == EventKind.BAR_OPENED:
        own.open = event.price
        own.mark = event.price
        own.open_ns = event.ts_init_ns
        own.volume_left = math.inf
        own.stage = Stage.AT_OPEN.value
    elif event.kind == EventKind.BAR_CLOSED:
        own.mark = event.price
        own.close_ns = event.ts_init_ns
        own.rules.bar.volume = event.qty
        own.stage = Stage.BETWEEN.value


@hot
def begin_bar(venue: Record, event: Record) -> None:
    """A bar opened: its open is in force; what waited fills."""
    own = venue.instruments[event.instrument]
    venue.ts_ns = event.ts_init_ns
    own.open = event.price
    own.mark = event.price
    own.open_ns = event.ts_init_ns
    own.volume_left = math.inf
    own.stage = Stage.AT_OPEN.value
    at = own.position_first if venue.position_count > 0 else -1
    while at >= 0:
        venue.positions[at].closed_ns = 0
        at = venue.instance_next[at]
    matching.expire(venue, own, event.ts_init_ns, event.ts_init_ns)
    if own.has_participation == 0:
        matching.all_at_open(venue, own)
    if own.trailing_count > 0:
        matching.trail_open(venue, own)


@hot
def open_known(venue: Record, event: Record) -> None:
    """With participation: the volume is known now, and with it what filled at the open."""
    own = venue.instruments[event.instrument]
    venue.ts_ns = event.ts_init_ns
    own.high, own.low, own.close, own.volume = event.high, event.low, event.price, event.qty
    own.close_ns = event.ts_init_ns
    own.volume_left = event.qty
    if own.has_participation != 0:
        own.stage = Stage.AT_OPEN.value
        matching.all_at_open(venue, own)


@hot
def in_bar(venue: Record, event: Record) -> None:
    """Inside the bar that ends now: stops and liquidations, then limits."""
    own = venue.instruments[event.instrument]
    own.stage = Stage.IN_BAR.value
    matching.pass_orders(venue, own, Stage.IN_BAR.value, matching.STOPS)
    if venue.position_count > 0:
        matching.liquidate_all(venue, own, False)
    matching.pass_orders(venue, own, Stage.IN_BAR.value, matching.LIMITS)


@hot
def end_bar(venue: Record, event: Record) -> None:
    """The bar ended: what it entered inside may be liquidated, trailing stops follow, no price is in force any more."""
    own = venue.instruments[event.instrument]
    instance = own.position_first if venue.position_count > 0 else -1
    while instance >= 0:
        matching.liquidate(venue, instance, own, False)
        instance = venue.instance_next[instance]
    if own.trailing_count > 0:
        matching.trail_bar(venue, own)
    matching.expire(venue, own, own.close_ns, own.open_ns)
    own.mark = own.close
    own.rules.bar.volume = own.volume
    own.stage = Stage.BETWEEN.value


@leaf
def settle_funding(venue: Record, event: Record) -> None:
    """Funding on what is held, at the mark the event carries or the last one known."""
    own = venue.instruments[event.instrument]
    venue.ts_ns = event.ts_init_ns
    mark = event.price if event.price == event.price else own.mark
    instance = own.position_first
    while instance >= 0:
        position = venue.positions[instance]
        if position.qty != 0.0 and mark > 0.0 and venue.costs[instance].is_unfunded == 0:
            paid = venue_orders.push(venue, EventKind.FUNDING_PAID.value, event.instrument, instance, event.ts_event_ns)
            paid.amount = margin.funding_amount(position.qty, mark, own.rules.multiplier, event.rate)
            paid.rate = event.rate
            paid.price = mark
            venue.wallet += paid.amount
        instance = venue.instance_next[instance]


@leaf
def _submitted_in_bar(venue: Record, slot: int, own: Record, accepted: Record) -> None:
    """An order that a fill inside the bar brought about meets the rest of it, as far as that is known.

    One that is no exit waits for the next open, as market orders do.
    """
    order = venue.orders[slot]
    if order.kind == OrderKind.LIMIT:
        if order.reduce_only != 0:
            matching.limit_in_bar(venue, slot, own, True)
        return
    if order.reduce_only == 0:
        matching.set_off_if_passed(order, own.close)
        return
    position = venue.positions[order.instance]
    market = own.high if order.side < 0 else own.low
    if matching.was_entered_inside(venue, order):
        market = position.entry_price
    if is_passed(order.side, market, order.stop_price):
        matching.set_off_if_passed(order, market)
        return
    if matching.was_entered_by_stop(venue, order) and lay_before(own, order.side, order.stop_price):
        is_said = matching.lay_before_entry(venue, order.instance, own)  # with the fill
        if not is_behind_liquidation(position, order):
            position.closed_ns = matching.SPARED
            if not is_said:
                accepted.open = own.open
    matching.stop_in_bar(venue, slot, own)


@leaf
def _is_in_force(venue: Record, order: Record, own: Record, ts_ns: int) -> bool:
    """Whether a command of this time meets the open of the bar in hand; with participation, once its close is known."""
    if own.stage != Stage.AT_OPEN:
        return False
    if own.open_ns >= ts_ns:
        return venue.costs[order.instance].participation <= 0.0
    return own.close_ns == ts_ns


@leaf
def _submit(venue: Record, row: Record) -> None:
    """An order arrives: accepted, and matched against the price that is in force, if one is."""
    slot = venue_orders.insert(venue, row)
    order = venue.orders[slot]
    own = venue.instruments[order.instrument]
    accepted = venue_orders.push_order(venue, EventKind.ORDER_ACCEPTED.value, slot, 0, venue.ts_ns)
    if order.kind == OrderKind.TRAILING:
        follow(order, order.reference_price, own.rules.price_increment)
    if own.stage == Stage.IN_BAR:
        if order.kind != OrderKind.MARKET:
            _submitted_in_bar(venue, slot, own, accepted)
    elif own.stage == Stage.BETWEEN:
        matching.set_off_if_passed(order, own.mark)
    elif _is_in_force(venue, order, own, row.ts_ns):
        matching.at_open(venue, slot, own)


@leaf
def _amended(venue: Record, slot: int, own: Record, row: Record, is_moved: bool) -> None:
    """An order with new numbers, as if it had been sent now: a price that the market has passed is met at once, or at
    the next open."""
    order = venue.orders[slot]
    if order.kind == OrderKind.LIMIT:
        if is_moved and own.stage != Stage.IN_BAR and is_through(order.side, own.mark, order.price):
            order.is_resting = 0
            if _is_in_force(venue, order, own, row.ts_ns):
                matching.at_open(venue, slot, own)
    elif own.stage == Stage.BETWEEN:
        matching.set_off_if_passed(order, own.mark)
    elif own.stage == Stage.IN_BAR:
        if is_moved and order.kind == OrderKind.STOP:
            matching.set_off_if_passed(order, own.close)
    elif order.is_triggered == 0 and is_at_or_beyond(order.side, own.open, order.stop_price):
        if _is_in_force(venue, order, own, row.ts_ns):
            matching.at_open(venue, slot, own)


@leaf
def on_command(venue: Record, row: Record) -> None:
    """A command from the step, taken in the order it was given. A cancel or amend that comes too late does nothing."""
    venue.ts_ns = max(venue.ts_ns, row.ts_ns)
    if row.kind == RowKind.SUBMIT:
        _submit(venue, row)
        return
    own = venue.instruments[row.instrument]
    slot = venue_orders.find(venue, own, row.order_id)
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
        if own.stage == Stage.BETWEEN:
            order_id = order.id
            matching.trail_close(venue, slot, own)
            if order.id != order_id:
                return
        else:
            follow(order, order.best_price, own.rules.price_increment)
    else:
        order.stop_price = row.stop_price
    _amended(venue, slot, own, row, is_moved)
