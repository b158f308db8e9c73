"""Matching on bars: what an order fills at, given only the open, range, close and volume of a bar.

A bar does not say in which order its prices came. A fill here is one that certainly happened, and of two possible
readings the worse one is taken (docs/adr/0004-fills-on-bars.md). The same code serves recorded and streamed bars.

Data. ``instrument`` is a VENUE_INSTRUMENT: the current bar, its ``stage`` (a Stage: which prices are in force), the
volume not yet taken, and the list of open orders in order of arrival. ``venue.positions`` holds one isolated position
for each strategy instance, ``venue.wallet`` the cash. The venue never reads State: it receives commands and answers
with events in its inbox. Fills inside a bar are dated at the open, so that they belong to that bar's day.

Order of things, called from ``core/venue/bars.py``:

    open    market orders; then stops that are triggered already or that the open is at or beyond; then liquidations;
            then limits that the open is through; all of them fill at the open
    range   for each stop in order of arrival: it or the liquidation price, whichever an adverse move reaches first; a
            touch is enough, the fill is at that price; then other liquidations; then limits, which fill at their price
            only if the bar traded through it (for a buy: low < limit)
    end     positions entered inside the bar are liquidated if it reached their price; trailing stops move with the
            bar's best price, and if the close is already beyond the new stop, price has certainly crossed it: the stop
            fills in this bar, at its price

What may surprise:

- A stop beyond the liquidation price never fills: the position is liquidated first.
- A stop sent when the market is already beyond it is triggered at once and fills at the next open.
- If a position was entered inside a bar (by a resting limit or a stop, not at the open), part of the range may lie
  before the entry. Its stop fills if touched, except where prices before the entry explain the touch
  (``triggers.lay_before``); its target fills only if the close is through it.
- With ``participation``, all fills of a bar share that fraction of its volume. The volume is known at the close, so
  fills at the open are reported then, at the price and time of the open.
- Every fill can end other orders of the list that is being walked (OCO siblings, a closed position's exits).
"""

from tightloop.core import limits, rounding
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import EventKind, OrderKind, Reason, SlippageKind, Stage, TimeInForce
from tightloop.core.domain.types import Record
from tightloop.core.venue import cash as venue_cash
from tightloop.core.venue import orders as venue_orders
from tightloop.core.venue import positions as venue_positions
from tightloop.core.venue.slippage import slippage_rate
from tightloop.core.venue.triggers import (
    follow,
    is_armed,
    is_at_or_beyond,
    is_behind_liquidation,
    is_passed,
    is_through,
    is_touched,
    take_best,
)

MARKETS, STOPS, LIMITS = 0, 1, 2
"""Classes of orders, matched one after the other (see ``_class_of``)."""
_TRIGGERED, _RESTS = 1, 2
"""ORDER.is_triggered of a stop limit: triggered inside the current bar, whose range lies partly before the trigger; and
resting as a limit since a later open. Other stops know _TRIGGERED alone."""


# Prices and quantities ------------------------------------------------------------------------------------------------


@leaf
def _taker_price(venue: Record, order: Record, qty: float, price: float, volume: float) -> float:
    """Return ``price`` with slippage, but never beyond the order's limit price."""
    slipped = price * (1.0 + order.side * slippage_rate(venue, order, qty, volume))
    if order.kind == OrderKind.LIMIT or order.kind == OrderKind.STOP_LIMIT:
        slipped = min(slipped, order.price) if order.side > 0 else max(slipped, order.price)
    return slipped


@leaf
def _fill_price(venue: Record, order: Record, instrument: Record, qty: float, price: float, is_maker: bool) -> float:
    """Return the price of a fill of ``qty`` at ``price``: with slippage for a taker, unchanged for a maker.

    Market impact compares with the volume of the current bar inside it, and of the previous bar at an open.
    """
    if is_maker:
        return price
    volume = instrument.volume if instrument.stage == Stage.IN_BAR else instrument.rules.bar.volume
    return _taker_price(venue, order, qty, price, volume)


@leaf
def _affordable_qty(
    venue: Record, order: Record, instrument: Record, qty: float, price: float, is_maker: bool
) -> float:
    """Return how much of ``qty`` the free cash pays for, floored to the lot; all of it for orders that need no cash.

    Under impact slippage a smaller fill has a better price, so the quantity is found by bisection.
    """
    if qty <= 0.0 or not venue_cash.needs_cash(venue, order):
        return qty
    costs, money = venue.costs[order.instance], venue_cash.free(venue, order.id)
    rate = costs.maker_rate if is_maker else costs.taker_rate
    paid = _fill_price(venue, order, instrument, qty, price, is_maker)
    is_price_fixed = is_maker or costs.slippage_kind != SlippageKind.IMPACT
    if is_price_fixed or venue_cash.covers(money, instrument.rules, qty, paid, rate):
        return venue_cash.affordable_part(money, instrument.rules, qty, paid, rate)
    low, high = 0.0, qty
    for _ in range(venue_cash.BISECTIONS):
        middle = 0.5 * (low + high)
        paid = _fill_price(venue, order, instrument, middle, price, is_maker)
        if venue_cash.covers(money, instrument.rules, middle, paid, rate):
            low = middle
        else:
            high = middle
    return rounding.qty_floor(low, instrument.rules.lot_size)


@leaf
def _fillable_qty(venue: Record, order: Record, instrument: Record) -> float:
    """Return the quantity that may fill now: the order's rest, capped by the position to reduce and by volume."""
    qty = order.qty - order.filled_qty
    if order.reduce_only != 0:
        held = venue.positions[order.instance].qty
        qty = min(qty, abs(held)) if held * order.side < 0.0 else 0.0
    participation = venue.costs[order.instance].participation
    if participation > 0.0:
        # Volume is in base units, quantities are in contracts.
        available = max(instrument.volume_left, 0.0) * participation / instrument.rules.multiplier
        qty = min(qty, rounding.qty_floor(available, instrument.rules.lot_size))
    return qty


@hot
def _fill(venue: Record, slot: int, price: float, qty: float, is_maker: bool, ts_event_ns: int) -> None:
    """Fill ``qty`` of an order: update position, wallet and volume, push ORDER_FILLED, cancel its OCO siblings.

    In the event: ``amount`` is the fee and ``rate`` the slippage paid, both in the settle asset.
    """
    order = venue.orders[slot]
    instrument = venue.instruments[order.instrument]
    costs = venue.costs[order.instance]
    multiplier = instrument.rules.multiplier
    paid = _fill_price(venue, order, instrument, qty, price, is_maker)
    order.filled_qty += qty
    # volume_left is volume of the bar, of which a fill takes at most the share `participation`.
    instrument.volume_left -= qty * multiplier / costs.participation if costs.participation > 0.0 else 0.0
    venue_positions.apply_fill(venue, order.instance, order.side * qty, paid, order.leverage, instrument)
    event = venue_orders.push(venue, EventKind.ORDER_FILLED.value, order.instrument, order.instance, ts_event_ns)
    fee = paid * qty * multiplier * (costs.maker_rate if is_maker else costs.taker_rate)
    fields.set_order(event, order.id, venue.order_slot[slot], Reason.NONE.value)
    fields.set_fill(event, paid, qty, fee, (paid - price) * order.side * qty * multiplier, is_maker)
    venue.wallet -= fee
    venue_orders.report_stop(event, order)
    if instrument.stage == Stage.IN_BAR and order.reduce_only == 0 and not is_maker:
        if venue.entered[order.instance] == venue_positions.INSIDE:
            venue.entered[order.instance] = venue_positions.BY_STOP  # a taker inside the bar is a triggered stop
        if venue_positions.lay_before_entry(venue, order.instance, instrument):
            # reported as STOP_UNTOUCHED: the bar passed this level before the entry
            fields.set_stop_untouched(event, instrument.open)
    order.fill_count += 1
    oco, order_id = order.oco, order.id
    if order.qty - order.filled_qty <= order.qty * limits.QUANTITY_TOLERANCE:
        venue_orders.remove(venue, slot)
    if oco != 0:
        venue_orders.cancel_siblings(venue, instrument, oco, order_id, ts_event_ns)


# Matching -------------------------------------------------------------------------------------------------------------


@leaf
def _execute(venue: Record, slot: int, price: float, is_maker: bool, ts_event_ns: int) -> None:
    """Fill as much of an order as volume, position and cash allow at one price; cancel the rest of an IOC or FOK."""
    order = venue.orders[slot]
    instrument = venue.instruments[order.instrument]
    order_id = order.id
    remaining = order.qty - order.filled_qty
    qty = _fillable_qty(venue, order, instrument)
    if order.reduce_only != 0 and venue.positions[order.instance].qty * order.side >= 0.0:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.NOTHING_TO_REDUCE.value, ts_event_ns)
        return
    is_whole = qty >= remaining * (1.0 - limits.QUANTITY_TOLERANCE)
    if order.tif == TimeInForce.FOK and not is_whole:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_FOK.value, ts_event_ns)
        return
    covered = _affordable_qty(venue, order, instrument, qty, price, is_maker)
    is_unpaid = covered < qty * (1.0 - limits.QUANTITY_TOLERANCE)
    qty = 0.0 if is_unpaid and order.tif == TimeInForce.FOK else covered
    if qty > 0.0:
        _fill(venue, slot, price, qty, is_maker, ts_event_ns)
    if is_unpaid:
        venue_cash.end_unpaid(venue, slot, order_id, ts_event_ns)
    if order.tif == TimeInForce.IOC and order.id == order_id:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_IOC.value, ts_event_ns)


@leaf
def _ends_at_first_price(venue: Record, slot: int, price: float, ts_ns: int) -> bool:
    """End a limit at the first price it meets if it may not take (post-only) or may not rest (IOC, FOK).

    Returns whether the order ended.
    """
    order = venue.orders[slot]
    assert order.price > 0.0, "a limit has a price"
    if order.post_only != 0 and not is_through(-order.side, price, order.price):
        venue_orders.end_order(venue, slot, EventKind.ORDER_REJECTED.value, Reason.POST_ONLY_WOULD_TAKE.value, ts_ns)
        return True
    if is_through(order.side, price, order.price):
        return False
    if order.tif == TimeInForce.IOC:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_IOC.value, ts_ns)
        return True
    if order.tif == TimeInForce.FOK:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_FOK.value, ts_ns)
        return True
    return False


@hot
def order_at_open(venue: Record, slot: int, instrument: Record) -> None:
    """Match one order against the open of the bar."""
    order = venue.orders[slot]
    price, ts_ns = instrument.open, instrument.open_ns
    kind = order.kind
    if kind == OrderKind.MARKET or (order.is_triggered != 0 and kind != OrderKind.STOP_LIMIT):
        _execute(venue, slot, price, False, ts_ns)
        return
    if kind != OrderKind.LIMIT and order.is_triggered == 0:
        is_hit = is_at_or_beyond(order.side, price, order.stop_price)
        if not is_hit or _is_liquidated_first(venue, order, instrument, True):
            return
    if kind == OrderKind.STOP or kind == OrderKind.TRAILING:
        order.is_triggered = _TRIGGERED
        _execute(venue, slot, price, False, ts_ns)
        return
    if kind == OrderKind.STOP_LIMIT:
        order.is_triggered = _RESTS
    is_first = order.is_resting == 0
    order.is_resting = 1
    if is_first and _ends_at_first_price(venue, slot, price, ts_ns):
        return
    if is_through(order.side, price, order.price):
        _execute(venue, slot, price, not is_first, ts_ns)


@hot
def stop_in_bar(venue: Record, slot: int, instrument: Record) -> None:
    """Match one stop against the range of the bar."""
    order = venue.orders[slot]
    if order.is_triggered == 0:
        is_hit = is_touched(instrument, order.side, order.stop_price, venue_positions.was_entered_by_stop(venue, order))
        if not is_hit or _is_liquidated_first(venue, order, instrument, False):
            return
        order.is_triggered = _TRIGGERED
        if order.kind == OrderKind.STOP_LIMIT:
            _stop_limit_in_bar(venue, slot, instrument)
        else:
            _execute(venue, slot, order.stop_price, False, instrument.open_ns)
    elif order.kind != OrderKind.STOP_LIMIT and order.fill_count > 0:  # the rest of a partial fill at the open
        _execute(venue, slot, instrument.open, False, instrument.open_ns)


@leaf
def _stop_limit_in_bar(venue: Record, slot: int, instrument: Record) -> None:
    """Match a stop limit that was triggered inside the bar, when price was at its stop.

    It fills at the stop price when its limit allows more than that. Otherwise it rests, and fills only if the close is
    through the limit: the rest of the range may lie before the trigger.
    """
    order = venue.orders[slot]
    assert order.kind == OrderKind.STOP_LIMIT, "another stop is no limit when it is triggered"
    order.is_resting = 1
    if _ends_at_first_price(venue, slot, order.stop_price, instrument.open_ns):
        return
    if is_through(order.side, order.stop_price, order.price):
        _execute(venue, slot, order.stop_price, False, instrument.open_ns)
    elif is_through(order.side, instrument.close, order.price):
        _execute(venue, slot, order.price, True, instrument.open_ns)


@hot
def limit_in_bar(venue: Record, slot: int, instrument: Record, is_sent_inside: bool) -> None:
    """Match one limit against the range of the bar.

    If the order was sent inside the bar (``is_sent_inside``), or closes a position entered inside it, only the close
    counts: the one price that is certainly later. A limit that was sent inside and that the whole bar is through was
    marketable when it arrived: it takes at the next open.
    """
    order = venue.orders[slot]
    reached = instrument.low if order.side > 0 else instrument.high
    if is_sent_inside and is_through(order.side, instrument.high if order.side > 0 else instrument.low, order.price):
        return
    if is_sent_inside:
        reached = instrument.close
    if venue_positions.was_entered_inside(venue, order):
        reached = instrument.close
        liquidate(venue, order.instance, instrument, False)  # the worse reading first; its stop was tried before
        if venue.positions[order.instance].qty == 0.0:
            return
    order.is_resting = 1
    if is_through(order.side, reached, order.price):
        _execute(venue, slot, order.price, True, instrument.open_ns)


@hot
def _class_of(order: Record) -> int:
    """Return the class an order is matched in; a stop limit is a limit once it rests."""
    if order.kind == OrderKind.MARKET:
        return MARKETS
    is_stop = order.kind == OrderKind.STOP or order.kind == OrderKind.TRAILING
    return STOPS if is_stop or (order.kind == OrderKind.STOP_LIMIT and order.is_triggered != _RESTS) else LIMITS


@hot
def match_open(venue: Record, instrument: Record) -> None:
    """Match all orders and positions against the open: earlier requests first, then what the open itself triggers."""
    match_class(venue, instrument, Stage.AT_OPEN.value, MARKETS)
    match_class(venue, instrument, Stage.AT_OPEN.value, STOPS)
    if venue.position_count > 0:
        liquidate_all(venue, instrument, True)
    match_class(venue, instrument, Stage.AT_OPEN.value, LIMITS)


@hot
def match_class(venue: Record, instrument: Record, stage: int, wanted: int) -> None:
    """Match the orders of one class in order of arrival, against the open or the range (``stage``).

    Orders submitted after the open (by a timer inside the bar) wait for the next one.
    """
    slot = instrument.order_first
    while slot >= 0:
        order = venue.orders[slot]
        next_slot = order.next
        is_late = stage == Stage.AT_OPEN and order.submitted_ns > instrument.open_ns
        is_over = is_late or (stage == Stage.IN_BAR and order.expires_ns < instrument.close_ns)
        if _class_of(order) == wanted and not is_over and order.id != 0:
            if stage == Stage.AT_OPEN:
                order_at_open(venue, slot, instrument)
            elif wanted == STOPS:
                stop_in_bar(venue, slot, instrument)
            else:
                limit_in_bar(venue, slot, instrument, False)
            # The fill may have ended the next order too: go on behind this one or, if it ended as well, start over.
            if next_slot >= 0 and venue.orders[next_slot].id == 0:
                next_slot = instrument.order_first if order.id == 0 else order.next
        slot = next_slot


# Liquidation and trailing stops ---------------------------------------------------------------------------------------


@hot
def liquidate(venue: Record, instance: int, instrument: Record, at_open: bool) -> None:
    """Liquidate a position if the open (``at_open``) or the range of the bar reached its liquidation price.

    It is closed at the open or at the liquidation price, with taker fee.
    """
    position = venue.positions[instance]
    trigger, entered = position.liquidation_price, venue.entered[instance]
    if position.qty == 0.0 or trigger != trigger or (entered == venue_positions.SPARED and not at_open):
        return
    side = -1 if position.qty > 0.0 else 1
    is_hit = is_at_or_beyond(side, instrument.open, trigger)
    if not at_open:
        is_hit = is_touched(instrument, side, trigger, entered == venue_positions.BY_STOP)
    if is_hit:
        index = venue.instance_instrument[instance]
        assert not at_open or instrument.stage != Stage.BETWEEN, (
            "an open is in force only while its bar is the current one"
        )
        price = instrument.open if at_open else trigger
        venue_positions.close_by_force(venue, index, instance, price, instrument.open_ns)


@leaf
def _is_liquidated_first(venue: Record, order: Record, instrument: Record, at_open: bool) -> bool:
    """Liquidate the position first if an adverse move reaches its liquidation price before this stop.

    Returns whether nothing is left for the stop to do: true for exits; other orders still open a new position.
    """
    if not is_behind_liquidation(venue.positions[order.instance], order):
        return False
    liquidate(venue, order.instance, instrument, at_open)
    return order.reduce_only != 0


@hot
def liquidate_all(venue: Record, instrument: Record, at_open: bool) -> None:
    """Liquidate positions held since before the bar or its open.

    Those entered inside it wait until their stops have been sent and tried (``bars.end_bar``).
    """
    instance = instrument.position_first
    while instance >= 0:
        if venue.entered[instance] == venue_positions.BEFORE:
            liquidate(venue, instance, instrument, at_open)
        instance = venue.instance_next[instance]


@leaf
def trail_open(venue: Record, instrument: Record) -> None:
    """Move trailing stops by an open that did not trigger them."""
    slot = instrument.order_first
    while slot >= 0:
        order = venue.orders[slot]
        if order.kind == OrderKind.TRAILING:
            follow(order, instrument.open, instrument.rules.price_increment)
        slot = order.next


@leaf
def trail_bar(venue: Record, instrument: Record) -> None:
    """Update the best price of trailing stops by the bar: its extreme, or its close if the entry was inside it.

    A stop that trails by percent moves here; one that trails by a price distance moves when the step has amended it
    with the distance at this close (``trail_close``, from ``bars.on_command``).
    """
    slot = instrument.order_first
    while slot >= 0:
        order = venue.orders[slot]
        next_slot = order.next
        if order.kind == OrderKind.TRAILING:
            was_armed, was_best = is_armed(order), order.best_price
            best = instrument.high if order.side < 0 else instrument.low
            if venue_positions.was_entered_inside(venue, order):
                best = instrument.close
            take_best(order, best)
            order.is_moved = 1 if order.best_price != was_best or is_armed(order) != was_armed else 0
            if order.trail_distance != order.trail_distance:
                trail_close(venue, slot, instrument)
                if next_slot >= 0 and venue.orders[next_slot].id == 0:
                    next_slot = instrument.order_first if order.id == 0 else order.next
        slot = next_slot


@leaf
def trail_close(venue: Record, slot: int, instrument: Record) -> None:
    """Move a trailing stop at the end of a bar, and fill it if this bar moved it and the close is beyond the new stop.

    Price then certainly crossed it after the extreme: it fills in this bar, at its trigger price.
    """
    order = venue.orders[slot]
    assert order.kind == OrderKind.TRAILING, "only a trailing stop follows"
    follow(order, order.best_price, instrument.rules.price_increment)
    is_held = venue.positions[order.instance].qty * order.side < 0.0
    if is_held and order.is_moved != 0 and order.is_triggered == 0:
        order.is_moved = 0
        if is_passed(order.side, instrument.close, order.stop_price):
            order.is_triggered = _TRIGGERED
            _execute(venue, slot, order.stop_price, False, instrument.open_ns)


@leaf
def trigger_if_passed(order: Record, price: float) -> None:
    """Trigger a stop whose trigger the market, at ``price``, is already beyond; it fills at the next open."""
    if order.kind != OrderKind.MARKET and order.kind != OrderKind.LIMIT and order.is_triggered == 0:
        if is_passed(order.side, price, order.stop_price):
            order.is_triggered = _TRIGGERED
