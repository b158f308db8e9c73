"""The simulated venue on bars: orders in, fills out. Used wherever orders meet recorded or streamed bars.

It speaks to the step in events and hears commands, and keeps orders and positions of its own, as a venue does.

    at the open     market orders fill at the open; then stops that are triggered or that the open is at or beyond; then
                    limits that the open is beyond
    inside the bar  stops first: touched (low <= stop <= high) fills at the stop; then limits: traded through (for a buy
                    low < limit) fills at the limit
    liquidation     at the open, then at the adverse extreme, after the stops

An exit whose position was entered inside the same bar (not at its open) fills in it only as far as that is certain: a
stop when touched, which is the adverse reading; a target when the close is beyond it, because only then did price trade
through it after the entry. With ``participation`` on, fills share that part of the bar's volume; what fills at the open
is then known at the close, when the volume is.
"""

import math

from tightloop.core import limits, margin, positions, rounding, venue_book, venue_cash
from tightloop.core.compiled import hot, leaf
from tightloop.core.hashing import uniform
from tightloop.core.types import (
    EventKind,
    OrderKind,
    Reason,
    Record,
    RowKind,
    SlippageKind,
    Stage,
    TimeInForce,
)

_MARKETS, _STOPS, _LIMITS = 0, 1, 2
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


@leaf
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
    event = venue_book.push(venue, EventKind.ORDER_FILLED.value, order.instrument, order.instance, ts_event_ns)
    event.order_id = order.id
    event.order_slot = venue.order_slot[slot]
    event.price = paid
    event.qty = qty
    event.is_maker = 1 if is_maker else 0
    event.amount = paid * qty * multiplier * (costs.maker_rate if is_maker else costs.taker_rate)
    venue.wallet -= event.amount
    event.rate = (paid - price) * order.side * qty * multiplier
    venue_book.say_stop(event, order)
    order.fill_count += 1
    oco, order_id = order.oco, order.id
    if order.qty - order.filled_qty <= order.qty * limits.QUANTITY_TOLERANCE:
        venue_book.remove(venue, slot)
    if oco != 0:
        cancel_siblings(venue, own, oco, order_id, ts_event_ns)


@leaf
def cancel_siblings(venue: Record, own: Record, oco: int, filled_id: int, ts_event_ns: int) -> None:
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        after = order.next
        if order.oco == oco and order.id != filled_id:
            venue_book.end_order(venue, at, EventKind.ORDER_CANCELED.value, Reason.OCO.value, ts_event_ns)
        at = after


@leaf
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
            position.closed_ns = 1 if own.stage == Stage.IN_BAR else 0  # entered inside the bar, not at its open
        positions.increase(position, left, price)
        position.margin += abs(left) * price * multiplier / leverage
    position.liquidation_price = margin.liquidation_price(
        own.rules, position.qty, position.entry_price, position.margin
    )


# Matching -------------------------------------------------------------------------------------------------------------


@leaf
def is_at_or_beyond(side: int, price: float, trigger: float) -> bool:
    """A stop of this side is triggered by this price."""
    return price >= trigger if side > 0 else price <= trigger


@leaf
def is_through(side: int, price: float, limit: float) -> bool:
    """A limit of this side is traded through by this price."""
    return price < limit if side > 0 else price > limit


@leaf
def expire(venue: Record, own: Record, now_ns: int) -> None:
    if own.expires_next_ns > now_ns:
        return
    own.expires_next_ns = limits.NEVER_NS
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        after = order.next
        if order.expires_ns <= now_ns:
            venue_book.end_order(venue, at, EventKind.ORDER_EXPIRED.value, Reason.TTL.value, order.expires_ns)
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
        venue_book.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.NOTHING_TO_REDUCE.value, ts_event_ns)
        return
    is_whole = qty >= remaining * (1.0 - limits.QUANTITY_TOLERANCE)
    if order.tif == TimeInForce.FOK and not is_whole:
        venue_book.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_FOK.value, ts_event_ns)
        return
    covered = _covered(venue, order, own, qty, price, is_maker)
    is_unpaid = covered < qty * (1.0 - limits.QUANTITY_TOLERANCE)
    qty = 0.0 if is_unpaid and order.tif == TimeInForce.FOK else covered
    if qty > 0.0:
        _fill(venue, slot, price, qty, is_maker, ts_event_ns)
    if is_unpaid:
        venue_cash.end_unpaid(venue, slot, order_id, ts_event_ns)
    if order.tif == TimeInForce.IOC and order.id == order_id:
        venue_book.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_IOC.value, ts_event_ns)


@leaf
def _at_open(venue: Record, slot: int, own: Record) -> None:
    """One order against the open of the bar."""
    order = venue.orders[slot]
    price, ts_ns = own.open, own.open_ns
    kind = order.kind
    if kind == OrderKind.MARKET or (order.is_triggered != 0 and kind != OrderKind.STOP_LIMIT):
        _take(venue, slot, price, False, ts_ns)
        return
    if kind == OrderKind.STOP or kind == OrderKind.TRAILING:
        if is_at_or_beyond(order.side, price, order.stop_price):
            order.is_triggered = 1
            _take(venue, slot, price, False, ts_ns)
        return
    if kind == OrderKind.STOP_LIMIT:
        if order.is_triggered == 0 and not is_at_or_beyond(order.side, price, order.stop_price):
            return
        order.is_triggered = _RESTS
    is_first = order.is_resting == 0
    order.is_resting = 1
    if order.post_only != 0 and is_first and not is_through(-order.side, price, order.price):
        venue_book.end_order(venue, slot, EventKind.ORDER_REJECTED.value, Reason.POST_ONLY_WOULD_TAKE.value, ts_ns)
        return
    if is_through(order.side, price, order.price):
        _take(venue, slot, price, not is_first, ts_ns)
    elif is_first and order.tif == TimeInForce.IOC:
        venue_book.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_IOC.value, ts_ns)
    elif is_first and order.tif == TimeInForce.FOK:
        venue_book.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.UNFILLED_FOK.value, ts_ns)


@leaf
def _was_entered_inside(venue: Record, order: Record) -> bool:
    """The position this order reduces was entered inside the bar in hand: what came before does not count."""
    return order.reduce_only != 0 and venue.positions[order.instance].closed_ns == 1


@leaf
def _stop_in_bar(venue: Record, slot: int, own: Record) -> None:
    """One stop against the range of the bar."""
    order = venue.orders[slot]
    extreme = own.high if order.side > 0 else own.low
    if order.is_triggered == 0 and is_at_or_beyond(order.side, extreme, order.stop_price):
        order.is_triggered = _TRIGGERED
        if order.kind == OrderKind.STOP_LIMIT:
            # At the trigger the price is the stop: a limit beyond it is met there and then, another one rests.
            order.is_resting = 1
            if is_through(order.side, order.stop_price, order.price):
                _take(venue, slot, order.stop_price, False, own.open_ns)
            elif is_through(order.side, own.close, order.price):
                _take(venue, slot, order.price, True, own.open_ns)
        else:
            _take(venue, slot, order.stop_price, False, own.open_ns)
    elif order.is_triggered != 0 and order.kind != OrderKind.STOP_LIMIT and order.fill_count > 0:
        _take(venue, slot, own.open, False, own.open_ns)


@leaf
def _limit_in_bar(venue: Record, slot: int, own: Record) -> None:
    """One limit against the range of the bar."""
    order = venue.orders[slot]
    reached = own.low if order.side > 0 else own.high
    if _was_entered_inside(venue, order):
        reached = own.close
    order.is_resting = 1
    if is_through(order.side, reached, order.price):
        _take(venue, slot, order.price, True, own.open_ns)


@leaf
def _class_of(order: Record) -> int:
    if order.kind == OrderKind.MARKET:
        return _MARKETS
    is_stop = order.kind == OrderKind.STOP or order.kind == OrderKind.TRAILING
    return _STOPS if is_stop or (order.kind == OrderKind.STOP_LIMIT and order.is_triggered != _RESTS) else _LIMITS


@leaf
def _all_at_open(venue: Record, own: Record) -> None:
    """What was asked before the bar began comes before what its first price triggers."""
    _pass(venue, own, Stage.AT_OPEN.value, _MARKETS)
    _pass(venue, own, Stage.AT_OPEN.value, _STOPS)
    _pass(venue, own, Stage.AT_OPEN.value, _LIMITS)


@leaf
def _pass(venue: Record, own: Record, stage: int, wanted: int) -> None:
    """All orders of one class, in order of arrival."""
    at = own.order_first
    while at >= 0:
        order = venue.orders[at]
        after = order.next
        is_over = stage == Stage.IN_BAR and order.expires_ns < own.close_ns
        if _class_of(order) == wanted and not is_over and order.id != 0:
            if stage == Stage.AT_OPEN:
                _at_open(venue, at, own)
            elif wanted == _STOPS:
                _stop_in_bar(venue, at, own)
            else:
                _limit_in_bar(venue, at, own)
            # A fill may have canceled the next in the list: begin again from the first that is left after this one.
            if after >= 0 and venue.orders[after].id == 0:
                after = own.order_first if order.id == 0 else order.next
        at = after


@leaf
def _liquidate(venue: Record, index: int, own: Record, extreme_low: float, extreme_high: float, at_open: bool) -> None:
    """Close by force what the price took beyond its liquidation price."""
    instance = own.position_first
    while instance >= 0:
        position = venue.positions[instance]
        trigger = position.liquidation_price
        if position.qty != 0.0 and trigger == trigger:
            is_hit = extreme_low <= trigger if position.qty > 0.0 else extreme_high >= trigger
            if is_hit:
                price = own.open if at_open else trigger
                qty = abs(position.qty)
                event = venue_book.push(venue, EventKind.ORDER_FILLED.value, index, instance, own.open_ns)
                event.price = price
                event.qty = qty
                event.amount = price * qty * own.rules.multiplier * venue.costs[instance].taker_rate
                venue.wallet -= event.amount
                apply_fill(venue, instance, -position.qty, price, 1.0, own)
        instance = venue.instance_next[instance]


@leaf
def _trail(venue: Record, own: Record, high: float, low: float) -> None:
    """Trailing stops follow the best price; they never loosen."""
    at = own.order_first if own.trailing_count > 0 else -1
    while at >= 0:
        order = venue.orders[at]
        if order.kind == OrderKind.TRAILING:
            best = high if order.side < 0 else low
            if own.stage == Stage.IN_BAR and _was_entered_inside(venue, order):
                best = own.close
            follow(order, best, own.rules.price_increment)
        at = order.next


@leaf
def follow(order: Record, best: float, increment: float) -> None:
    """Move one trailing stop after a price; a sell trails the highest, a buy the lowest."""
    sign = float(-order.side)
    if (best - order.best_price) * sign > 0.0:
        order.best_price = best
    is_armed = order.arm_price != order.arm_price or (order.best_price - order.arm_price) * sign >= 0.0
    if not is_armed:
        return
    distance = order.trail_distance
    if distance != distance:
        distance = order.best_price * order.trail_pct / 100.0
    stop = rounding.price_late(order.best_price - sign * distance, increment, order.side)
    if order.stop_price != order.stop_price or (stop - order.stop_price) * sign > 0.0:
        order.stop_price = stop


# What the driver calls ------------------------------------------------------------------------------------------------


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


@leaf
def begin_bar(venue: Record, event: Record) -> None:
    """A bar opened: its open is in force; what waited fills."""
    own = venue.instruments[event.instrument]
    venue.ts_ns = event.ts_init_ns
    own.open = event.price
    own.mark = event.price
    own.open_ns = event.ts_init_ns
    own.volume_left = math.inf
    own.stage = Stage.AT_OPEN.value
    at = own.position_first
    while at >= 0:
        venue.positions[at].closed_ns = 0
        at = venue.instance_next[at]
    expire(venue, own, event.ts_init_ns)
    if own.has_participation == 0:
        _all_at_open(venue, own)
    _liquidate(venue, event.instrument, own, own.open, own.open, True)
    _trail(venue, own, own.open, own.open)


@leaf
def open_known(venue: Record, event: Record) -> None:
    """With participation: the volume is known now, and with it what filled at the open."""
    own = venue.instruments[event.instrument]
    venue.ts_ns = event.ts_init_ns
    own.high, own.low, own.close, own.volume = event.high, event.low, event.price, event.qty
    own.close_ns = event.ts_init_ns
    own.volume_left = event.qty
    if own.has_participation != 0:
        own.stage = Stage.AT_OPEN.value
        _all_at_open(venue, own)


@leaf
def in_bar(venue: Record, event: Record) -> None:
    """Inside the bar that ends now: stops, then limits."""
    own = venue.instruments[event.instrument]
    own.stage = Stage.IN_BAR.value
    _pass(venue, own, Stage.IN_BAR.value, _STOPS)
    _pass(venue, own, Stage.IN_BAR.value, _LIMITS)


@leaf
def end_bar(venue: Record, event: Record) -> None:
    """The bar ended: liquidation at its adverse extreme, trailing stops move, no price is in force any more."""
    own = venue.instruments[event.instrument]
    _liquidate(venue, event.instrument, own, own.low, own.high, False)
    _trail(venue, own, own.high, own.low)
    expire(venue, own, own.close_ns)
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
        if position.qty != 0.0 and mark > 0.0:
            paid = venue_book.push(venue, EventKind.FUNDING_PAID.value, event.instrument, instance, event.ts_event_ns)
            paid.amount = margin.funding_amount(position.qty, mark, own.rules.multiplier, event.rate)
            paid.rate = event.rate
            paid.price = mark
            venue.wallet += paid.amount
        instance = venue.instance_next[instance]


@leaf
def _submit(venue: Record, row: Record) -> None:
    """An order arrives: accepted, and matched against the price that is in force, if one is."""
    slot = venue_book.insert(venue, row)
    order = venue.orders[slot]
    own = venue.instruments[order.instrument]
    venue_book.push_order(venue, EventKind.ORDER_ACCEPTED.value, slot, 0, venue.ts_ns)
    if order.kind == OrderKind.TRAILING:
        follow(order, order.reference_price, own.rules.price_increment)
    # A timer of a hole speaks after the bar that ends the hole began: what it sent waited for that bar.
    if own.stage == Stage.AT_OPEN and own.open_ns >= row.ts_ns:
        if venue.costs[order.instance].participation <= 0.0:
            _at_open(venue, slot, own)
    elif own.stage == Stage.AT_OPEN and own.close_ns == row.ts_ns:
        _at_open(venue, slot, own)
    elif own.stage == Stage.IN_BAR and order.kind != OrderKind.MARKET:
        if order.kind == OrderKind.LIMIT:
            _limit_in_bar(venue, slot, own)
        else:
            _stop_in_bar(venue, slot, own)


@leaf
def on_command(venue: Record, row: Record) -> None:
    """A command from the step, taken in the order it was given. A cancel or amend that comes too late does nothing."""
    venue.ts_ns = max(venue.ts_ns, row.ts_ns)
    if row.kind == RowKind.SUBMIT:
        _submit(venue, row)
        return
    own = venue.instruments[row.instrument]
    slot = venue_book.find(venue, own, row.order_id)
    if slot < 0:
        return
    order = venue.orders[slot]
    if row.kind == RowKind.CANCEL:
        venue_book.end_order(venue, slot, EventKind.ORDER_CANCELED.value, row.reason, venue.ts_ns)
        return
    assert row.kind == RowKind.AMEND, "a command is submit, cancel or amend"
    order.qty = row.qty
    order.price = row.price
    order.arm_price = row.arm_price
    if order.kind == OrderKind.TRAILING:
        order.trail_distance = row.trail_distance
        follow(order, order.best_price, own.rules.price_increment)
    else:
        order.stop_price = row.stop_price
