"""What sets an order or a liquidation off: a touch, the range of a bar, a trailing stop that follows. Prices alone.

A side is that of the order: -1 sells, and a stop of it lies below the price; what is held long is closed by a sell.
"""

from tightloop.core import rounding
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.types import Record


@hot
def is_at_or_beyond(side: int, price: float, trigger: float) -> bool:
    """A stop of this side is triggered by this price."""
    return price >= trigger if side > 0 else price <= trigger


@hot
def is_through(side: int, price: float, limit: float) -> bool:
    """A limit of this side is traded through by this price."""
    return price < limit if side > 0 else price > limit


@leaf
def is_passed(side: int, price: float, trigger: float) -> bool:
    """The market has left a stop of this side behind: a sell stop above this price, a buy stop below it."""
    return price > trigger if side > 0 else price < trigger


@leaf
def lay_before(own: Record, side: int, trigger: float) -> bool:
    """In a bar entered inside: it opened at or beyond a trigger and closed on its good side.

    What the bar shows of the trigger was there before the entry, and nothing says that it was there after it.
    """
    return is_at_or_beyond(side, own.open, trigger) and not is_at_or_beyond(side, own.close, trigger)


@hot
def is_touched(own: Record, side: int, trigger: float, was_entered_by_stop: bool) -> bool:
    """Whether the bar in hand came to a trigger; ``was_entered_by_stop``: of what it protects, inside of it."""
    assert side == 1 or side == -1, "a trigger buys or sells"
    extreme = own.high if side > 0 else own.low
    if not is_at_or_beyond(side, extreme, trigger):
        return False
    return not was_entered_by_stop or not lay_before(own, side, trigger)


@leaf
def is_behind_liquidation(position: Record, order: Record) -> bool:
    """Whether price, on its way against what is held, meets the liquidation price before this stop that closes it."""
    beyond = (order.stop_price - position.liquidation_price) * order.side
    return position.qty * order.side < 0.0 and beyond > 0.0  # NaN, of either: no


@leaf
def is_armed(order: Record) -> bool:
    """Whether a trailing stop follows: its best price has come as far as it has to."""
    return order.arm_price != order.arm_price or (order.best_price - order.arm_price) * -order.side >= 0.0


@leaf
def take_best(order: Record, best: float) -> None:
    """Keep the best price a trailing stop has seen: a sell the highest, a buy the lowest."""
    if (order.best_price - best) * order.side > 0.0:
        order.best_price = best


@leaf
def follow(order: Record, best: float, increment: float) -> None:
    """Move one trailing stop after a price. It never loosens."""
    assert best > 0.0, "a price is above 0"
    take_best(order, best)
    if not is_armed(order):
        return
    sign = float(-order.side)
    distance = order.trail_distance
    if distance != distance:
        distance = order.best_price * order.trail_pct / 100.0
    stop = rounding.price_late(order.best_price - sign * distance, increment, order.side)
    if order.stop_price != order.stop_price or (stop - order.stop_price) * sign > 0.0:
        order.stop_price = stop
