"""The simulated venue on bars: orders in, fills out. Used wherever orders meet recorded or streamed bars.

It speaks to the step in events and hears commands, and keeps orders and positions of its own, as a venue does.

    at the open     market orders fill at the open; then what it is at or beyond on the adverse way: stops (and those
                    that are triggered), liquidations; then limits that the open is beyond
    inside the bar  the adverse way first: of stop and liquidation price the one that price meets first, a touch is
                    enough, at that price; then limits: traded through (for a buy low < limit) fills at the limit
    at its end      trailing stops follow the bar's extreme; one that the close lies beyond then was passed for certain

A stop that lies beyond the liquidation price never fills. A stop sent where the market has left it behind already is
triggered at once, and fills at the next open.

An exit whose position was entered inside the same bar (not at its open) fills in it only as far as that is certain: a
stop when touched, which is the adverse reading, but for what the bar shows from before the entry (``lay_before``); a
target when the close is beyond it, because only then did price trade through it after the entry. With ``participation``
on, fills share that part of the bar's volume; what fills at the open is then known at the close, when the volume is.
"""

import math

from tightloop.core import limits, rounding
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import EventKind, OrderKind, Reason, SlippageKind, Stage, TimeInForce
from tightloop.core.domain.types import Record
from tightloop.core.hashing import uniform
from tightloop.core.trading import margin, positions
from tightloop.core.venue import cash as venue_cash
from tightloop.core.venue import orders as venue_orders
from tightloop.core.venue.triggers import (
    follow,
    is_armed,
    is_at_or_beyond,
    is_behind_liquidation,
    is_passed,
    is_through,
    is_touched,
    lay_before,
    take_best,
)

MARKETS, STOPS, LIMITS = 0, 1, 2
_INSIDE, _BY_STOP = 1, 2  # where an entry inside the bar in hand came from: a limit that rested; a stop
SPARED = 3  # a stop, and what lies before the liquidation price was not touched after it: so was not that price
_TRIGGERED, _RESTS = 1, 2  # of a stop limit: inside the bar in hand, whose range lies partly before; and since


# Prices and quantities ------------------------------------------------------------------------------------------------


@leaf
def slippage_rate(venue: Record, order: Record, qty: float, volume: float) -> float:
    """Share of the price that a taker loses, >= 0."""
    costs = venue.costs[order.instance]
    if costs.slippage_kind == SlippageKind.FIXED:
        return costs.slippage_bps / 10_000.0
    if costs.slippage_kind == SlippageKind.RANDOM:
        return costs.slippage_bps / 10_000.0 * uniform(venue.seed, order.id, order.fill_count)
    if costs.slippage_kind == SlippageKind.IMPACT:
        # Square-root law: half the spread, and the coefficient times the root of the share of the volume taken.
        share = qty * venue.instruments[order.instrument].rules.multiplier / volume if volume > 0.0 else 1.0
        return (costs.slippage_bps + costs.slippage_coefficient * math.sqrt(share)) / 10_000.0
    return 0.0


@leaf
def _taker_price(venue: Record, order: Record, qty: float, price: float, volume: float) -> float:
    """What a taker pays or gets; a limit is never passed."""
    slipped = price * (1.0 + order.side * slippage_rate(venue, order, qty, volume))
    if order.kind == OrderKind.LIMIT or order.kind == OrderKind.STOP_LIMIT:
        slipped = min(slipped, order.price) if order.side > 0 else max(slipped, order.price)
    return slipped


@leaf
def _paid(venue: Record, order: Record, own: Record, qty: float, price: float, is_maker: bool) -> float:
    """The price of a fill with what a taker loses."""
    if is_maker:
        return price
    volume = own.volume if own.stage == Stage.IN_BAR else own.rules.bar.volume
    return _taker_price(venue, order, qty, price, volume)


@leaf
def _covered(venue: Record, order: Record, own: Record, qty: float, price: float, is_maker: bool) -> float:
    """The part of a fill that the cash pays for, floored to the lot; less of it may be had at a better price."""
    if qty <= 0.0 or not venue_cash.is_asked(venue, order):
        return qty
    costs, money = venue.costs[order.instance], venue_cash.free(venue, order.id)
    rate = costs.maker_rate if is_maker else costs.taker_rate
    paid = _paid(venue, order, own, qty, price, is_maker)
    if is_maker or costs.slippage_kind != SlippageKind.IMPACT or venue_cash.covers(money, own.rules, qty, paid, rate):
        return venue_cash.part_at(money, own.rules, qty, paid, rate)
    low, high = 0.0, qty
    for _ in range(venue_cash.BISECTIONS):
        middle = 0.5 * (low + high)
        paid = _paid(venue, order, own, middle, price, is_maker)
        if venue_cash.covers(money, own.rules, middle, paid, rate):
            low = middle
        else:
            high = middle
    return rounding.qty_floor(low, own.rules.lot_size)


@leaf
def _fillable(venue: Record, order: Record, own: Record) -> float:
    """What may fill now: what remains, what there is to reduce, what the volume leaves."""
    qty = order.qty - order.filled_qty
    if order.reduce_only != 0:
        held = venue.positions[order.instance].qty
        qty = min(qty, abs(held)) if held * order.side < 0.0 else 0.0
    participation = venue.costs[order.instance].participation
    if participation > 0.0:
        # Volume is in base units, quantities are in contracts.
        available = max(own.volume_left, 0.0) * participation / own.rules.multiplier
        qty = min(qty, rounding.qty_floor(available, own.rules.lot_size))
    return qty


@hot
def _fill(venue: Record, slot: int, price: float, qty: float, is_maker: bool, ts_event_ns: int) -> None:
    """One fill: the venue's own position, the event with fee and slippage, and what an OCO group loses."""
    order = venue.orders[slot]
    own = venue.instruments[order.instrument]
    costs = venue.costs[order.instance]
    multiplier = own.rules.multiplier
    paid = _paid(venue, order, own, qty, price, is_maker)
    order.filled_qty += qty
    own.volume_left -= qty * multiplier / costs.participation if costs.participation > 0.0 else 0.0
    apply_fill(venue, order.instance, order.side * qty, paid, order.leverage, own)
    event = venue_orders.push(venue, EventKind.ORDER_FILLED.value, order.instrument, order.instance, ts_event_ns)
    event.order_id = order.id
    event.order_slot = venue.order_slot[slot]
    event.price = paid
    event.qty = qty
    event.is_maker = 1 if is_maker else 0
    event.amount = paid * qty * multiplier * (costs.maker_rate if is_maker else costs.taker_rate)
    venue.wallet -= event.amount
    event.rate = (paid - price) * order.side * qty * multiplier
    venue_orders.report_stop(event, order)
    if own.stage == Stage.IN_BAR and order.reduce_only == 0 and not is_maker:
        position = venue.positions[order.instance]
        position.closed_ns = _BY_STOP if position.closed_ns == _INSIDE else position.closed_ns
        if lay_before_entry(venue, order.instance, own):
            event.open = own.open
    order.fill_count += 1
    oco, order_id = order.oco, order.id
    if order.qty - order.filled_qty <= order.qty * limits.QUANTITY_TOLERANCE:
        venue_orders.remove(venue, slot)
    if oco != 0:
        cancel_siblings(venue, own, oco, order_id, ts_event_ns)


@leaf
def cancel_siblings(venue: Record, own: Record, oco: int, filled_id: int, ts_event_ns: int) -> None:
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        after = order.next
        if order.oco == oco and order.id != filled_id:
            venue_orders.end_order(venue, at, EventKind.ORDER_CANCELED.value, Reason.OCO.value, ts_event_ns)
        at = after


@hot
def apply_fill(venue: Record, instance: int, signed_qty: float, price: float, leverage: float, own: Record) -> None:
    """The venue's own position: average entry, isolated margin, liquidation price."""
    position = venue.positions[instance]
    multiplier = own.rules.multiplier
    left = signed_qty
    if position.qty * signed_qty < 0.0:
        closing = min(abs(signed_qty), abs(position.qty))
        share = closing / abs(position.qty)
        venue.wallet += positions.reduce(position, closing, price, multiplier)
        position.margin -= position.margin * share
        left = signed_qty + closing if signed_qty < 0.0 else signed_qty - closing
        if position.qty == 0.0:
            position.margin = 0.0
            venue.position_count -= 1
    if abs(left) > abs(signed_qty) * limits.QUANTITY_TOLERANCE:
        if position.qty == 0.0:
            positions.begin_trade(position, 0, 0, venue.ts_ns)
            venue.position_count += 1
            position.closed_ns = _INSIDE if own.stage == Stage.IN_BAR else 0  # entered inside the bar, not at its open
        positions.increase(position, left, price)
        position.margin += abs(left) * price * multiplier / leverage
    position.liquidation_price = margin.liquidation_price(
        own.rules, position.qty, position.entry_price, position.margin
    )


# Matching -------------------------------------------------------------------------------------------------------------


@hot
def expire(venue: Record, own: Record, now_ns: int, dated_ns: int) -> None:
    """End what has no time left. What ends inside a bar is dated ``dated_ns``, its open: it is of that bar's day."""
    if own.expires_next_ns > now_ns:
        return
    own.expires_next_ns = limits.NEVER_NS
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        after = order.next
        if order.expires_ns <= now_ns:
            venue_orders.end_order(
                venue, at, EventKind.ORDER_EXPIRED.value, Reason.TTL.value, min(order.expires_ns, dated_ns)
            )
        else:
            own.expires_next_ns = min(own.expires_next_ns, order.expires_ns)
        at = after


@leaf
def _take(venue: Record, slot: int, price: float, is_maker: bool, ts_event_ns: int) -> None:
    """Fill what can be filled at a price; what IOC and FOK leave is canceled."""
    order = venue.orders[slot]
    own = venue.instruments[order.instrument]
    order_id = order.id
    remaining = order.qty - order.filled_qty
    qty = _fillable(venue, order, own)
    if order.reduce_only != 0 and venue.positions[order.instance].qty * order.side >= 0.0:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.NOTHING_TO_REDUCE.value, ts_event_ns)
        return
    is_whole = qty >= remaining * (1.0 - limits.QUANTITY_TOLERANCE)
    if order.tif == TimeInForce.FOK and not is_whole:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_FOK.value, ts_event_ns)
        return
    covered = _covered(venue, order, own, qty, price, is_maker)
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
    """A limit meets its first price: one that may not take, or may not rest, ends there."""
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
def at_open(venue: Record, slot: int, own: Record) -> None:
    """One order against the open of the bar."""
    order = venue.orders[slot]
    price, ts_ns = own.open, own.open_ns
    kind = order.kind
    if kind == OrderKind.MARKET or (order.is_triggered != 0 and kind != OrderKind.STOP_LIMIT):
        _take(venue, slot, price, False, ts_ns)
        return
    if kind != OrderKind.LIMIT and order.is_triggered == 0:
        if not is_at_or_beyond(order.side, price, order.stop_price) or _is_liquidated_first(venue, order, own, True):
            return
    if kind == OrderKind.STOP or kind == OrderKind.TRAILING:
        order.is_triggered = _TRIGGERED
        _take(venue, slot, price, False, ts_ns)
        return
    if kind == OrderKind.STOP_LIMIT:
        order.is_triggered = _RESTS
    is_first = order.is_resting == 0
    order.is_resting = 1
    if is_first and _ends_at_first_price(venue, slot, price, ts_ns):
        return
    if is_through(order.side, price, order.price):
        _take(venue, slot, price, not is_first, ts_ns)


@hot
def was_entered_inside(venue: Record, order: Record) -> bool:
    """The position this order reduces was entered inside the bar in hand: what came before does not count."""
    return order.reduce_only != 0 and venue.positions[order.instance].closed_ns != 0


@hot
def was_entered_by_stop(venue: Record, order: Record) -> bool:
    """It was so by a stop, to which price came from beyond what protects the position now, perhaps."""
    return order.reduce_only != 0 and venue.positions[order.instance].closed_ns >= _BY_STOP


@leaf
def lay_before_entry(venue: Record, instance: int, own: Record) -> bool:
    """The bar in hand, in which this position was entered, was at its liquidation price only before the entry."""
    position = venue.positions[instance]
    return position.closed_ns >= _BY_STOP and lay_before(
        own, -1 if position.qty > 0.0 else 1, position.liquidation_price
    )


@hot
def stop_in_bar(venue: Record, slot: int, own: Record) -> None:
    """One stop against the range of the bar."""
    order = venue.orders[slot]
    if order.is_triggered == 0:
        is_hit = is_touched(own, order.side, order.stop_price, was_entered_by_stop(venue, order))
        if not is_hit or _is_liquidated_first(venue, order, own, False):
            return
        order.is_triggered = _TRIGGERED
        if order.kind == OrderKind.STOP_LIMIT:
            _stop_limit_in_bar(venue, slot, own)
        else:
            _take(venue, slot, order.stop_price, False, own.open_ns)
    elif order.kind != OrderKind.STOP_LIMIT and order.fill_count > 0:
        _take(venue, slot, own.open, False, own.open_ns)


@leaf
def _stop_limit_in_bar(venue: Record, slot: int, own: Record) -> None:
    """At the trigger the price is the stop: a limit beyond it is met there and then, another one rests."""
    order = venue.orders[slot]
    assert order.kind == OrderKind.STOP_LIMIT, "another stop is no limit when it is triggered"
    order.is_resting = 1
    if _ends_at_first_price(venue, slot, order.stop_price, own.open_ns):
        return
    if is_through(order.side, order.stop_price, order.price):
        _take(venue, slot, order.stop_price, False, own.open_ns)
    elif is_through(order.side, own.close, order.price):
        _take(venue, slot, order.price, True, own.open_ns)


@hot
def limit_in_bar(venue: Record, slot: int, own: Record, is_sent_inside: bool) -> None:
    """One limit against the range of the bar; one sent inside of it, or after its entry there, against the close.

    One that the whole bar lies beyond was sent at a price that the market has passed: it takes at the next open.
    """
    order = venue.orders[slot]
    reached = own.low if order.side > 0 else own.high
    if is_sent_inside and is_through(order.side, own.high if order.side > 0 else own.low, order.price):
        return
    if is_sent_inside:
        reached = own.close
    if was_entered_inside(venue, order):
        reached = own.close
        liquidate(venue, order.instance, own, False)  # a loss comes before a gain; its stop was tried before
        if venue.positions[order.instance].qty == 0.0:
            return
    order.is_resting = 1
    if is_through(order.side, reached, order.price):
        _take(venue, slot, order.price, True, own.open_ns)


@hot
def _class_of(order: Record) -> int:
    if order.kind == OrderKind.MARKET:
        return MARKETS
    is_stop = order.kind == OrderKind.STOP or order.kind == OrderKind.TRAILING
    return STOPS if is_stop or (order.kind == OrderKind.STOP_LIMIT and order.is_triggered != _RESTS) else LIMITS


@hot
def all_at_open(venue: Record, own: Record) -> None:
    """What was asked before the bar began comes before what its first price triggers."""
    pass_orders(venue, own, Stage.AT_OPEN.value, MARKETS)
    pass_orders(venue, own, Stage.AT_OPEN.value, STOPS)
    if venue.position_count > 0:
        liquidate_all(venue, own, True)
    pass_orders(venue, own, Stage.AT_OPEN.value, LIMITS)


@hot
def pass_orders(venue: Record, own: Record, stage: int, wanted: int) -> None:
    """All orders of one class, in order of arrival."""
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        after = order.next
        # What was sent inside the bar (a timer spoke) waits for the next open.
        is_late = stage == Stage.AT_OPEN and order.submitted_ns > own.open_ns
        is_over = is_late or (stage == Stage.IN_BAR and order.expires_ns < own.close_ns)
        if _class_of(order) == wanted and not is_over and order.id != 0:
            if stage == Stage.AT_OPEN:
                at_open(venue, at, own)
            elif wanted == STOPS:
                stop_in_bar(venue, at, own)
            else:
                limit_in_bar(venue, at, own, False)
            # A fill may have canceled the next in the list: begin again from the first that is left after this one.
            if after >= 0 and venue.orders[after].id == 0:
                after = own.order_first if order.id == 0 else order.next
        at = after


# Liquidation and trailing stops ---------------------------------------------------------------------------------------


@hot
def liquidate(venue: Record, instance: int, own: Record, at_open: bool) -> None:
    """Close a position by force when price came to its liquidation price: at it, or at an open beyond it."""
    position = venue.positions[instance]
    trigger, qty = position.liquidation_price, abs(position.qty)
    if qty == 0.0 or trigger != trigger or (position.closed_ns == SPARED and not at_open):
        return
    side = -1 if position.qty > 0.0 else 1
    is_hit = is_at_or_beyond(side, own.open, trigger)
    if not at_open:
        is_hit = is_touched(own, side, trigger, position.closed_ns == _BY_STOP)
    if is_hit:
        index = venue.instance_instrument[instance]
        assert not at_open or own.stage != Stage.BETWEEN, "an open is in force while its bar is in hand"
        price = own.open if at_open else trigger
        event = venue_orders.push(venue, EventKind.ORDER_FILLED.value, index, instance, own.open_ns)
        event.price = price
        event.qty = qty
        event.amount = price * qty * own.rules.multiplier * venue.costs[instance].taker_rate
        venue.wallet -= event.amount
        apply_fill(venue, instance, -position.qty, price, 1.0, own)


@leaf
def _is_liquidated_first(venue: Record, order: Record, own: Record, at_open: bool) -> bool:
    """Whether price meets a liquidation price before this stop, and nothing is left for it to do.

    An order that is more than an exit goes on without the position.
    """
    if not is_behind_liquidation(venue.positions[order.instance], order):
        return False
    liquidate(venue, order.instance, own, at_open)
    return order.reduce_only != 0


@hot
def liquidate_all(venue: Record, own: Record, at_open: bool) -> None:
    """Positions that were there before the bar, or entered at its open; what it entered inside has no stop yet."""
    instance = own.position_first
    while instance >= 0:
        if venue.positions[instance].closed_ns == 0:
            liquidate(venue, instance, own, at_open)
        instance = venue.instance_next[instance]


@leaf
def trail_open(venue: Record, own: Record) -> None:
    """Trailing stops follow an open that did not set them off."""
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        if order.kind == OrderKind.TRAILING:
            follow(order, own.open, own.rules.price_increment)
        at = order.next


@leaf
def trail_bar(venue: Record, own: Record) -> None:
    """Trailing stops see the bar's extreme; of a bar entered inside its close alone, which lies after the entry.

    One by a distance moves when the distance at this close is told (``trail_close``), one by percent here.
    """
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        after = order.next
        if order.kind == OrderKind.TRAILING:
            was_armed, was_best = is_armed(order), order.best_price
            best = own.high if order.side < 0 else own.low
            if was_entered_inside(venue, order):
                best = own.close
            take_best(order, best)
            order.is_moved = 1 if order.best_price != was_best or is_armed(order) != was_armed else 0
            if order.trail_distance != order.trail_distance:
                trail_close(venue, at, own)
                if after >= 0 and venue.orders[after].id == 0:
                    after = own.order_first if order.id == 0 else order.next
        at = after


@leaf
def trail_close(venue: Record, slot: int, own: Record) -> None:
    """Move a trailing stop at the end of a bar; one that the bar's own extreme moved to where the close lies beyond it
    was passed for certain: it fills in that bar, at its price."""
    order = venue.orders[slot]
    assert order.kind == OrderKind.TRAILING, "only a trailing stop follows"
    follow(order, order.best_price, own.rules.price_increment)
    is_held = venue.positions[order.instance].qty * order.side < 0.0
    if is_held and order.is_moved != 0 and order.is_triggered == 0:
        order.is_moved = 0
        if is_passed(order.side, own.close, order.stop_price):
            order.is_triggered = _TRIGGERED
            _take(venue, slot, order.stop_price, False, own.open_ns)


@leaf
def set_off_if_passed(order: Record, price: float) -> None:
    """A stop that is sent where the market, which is at ``price``, has left it behind already is triggered at once."""
    if order.kind != OrderKind.MARKET and order.kind != OrderKind.LIMIT and order.is_triggered == 0:
        if is_passed(order.side, price, order.stop_price):
            order.is_triggered = _TRIGGERED
