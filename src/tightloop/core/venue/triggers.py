"""When a price triggers, fills or trails an order: pure price comparisons shared by the venues on bars and on ticks.

``side`` is always the side of the order: 1 buys, -1 sells. A sell stop rests below the market and protects a long; a
buy stop rests above it and protects a short. Comparisons with NaN are false, so an unknown price triggers nothing.
"""

from tightloop.core import rounding
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.types import Record


@hot
def is_at_or_beyond(side: int, price: float, trigger: float) -> bool:
    """Return whether ``price`` triggers a stop; touching the trigger is enough."""
    return price >= trigger if side > 0 else price <= trigger


@hot
def is_through(side: int, price: float, limit: float) -> bool:
    """Return whether ``price`` is strictly better than a limit price: the market traded through the limit."""
    return price < limit if side > 0 else price > limit


@leaf
def is_passed(side: int, price: float, trigger: float) -> bool:
    """Return whether ``price`` is strictly beyond a stop's trigger: below a sell stop, above a buy stop."""
    return price > trigger if side > 0 else price < trigger


@leaf
def lay_before(instrument: Record, side: int, trigger: float) -> bool:
    """Return whether the current bar opened at or beyond a trigger and closed on the safe side of it.

    For a position entered inside that bar, the touch is then explained by prices from before the entry: nothing in the
    bar shows that the trigger was reached again afterwards.
    """
    return is_at_or_beyond(side, instrument.open, trigger) and not is_at_or_beyond(side, instrument.close, trigger)


@hot
def is_touched(instrument: Record, side: int, trigger: float, was_entered_by_stop: bool) -> bool:
    """Return whether the range of the current bar reached a trigger after the position was entered.

    ``was_entered_by_stop``: the protected position was entered by a stop inside this bar, so its range may lie partly
    before the entry (see ``lay_before``).
    """
    assert side == 1 or side == -1, "a trigger buys or sells"
    extreme = instrument.high if side > 0 else instrument.low
    if not is_at_or_beyond(side, extreme, trigger):
        return False
    return not was_entered_by_stop or not lay_before(instrument, side, trigger)


@leaf
def is_behind_liquidation(position: Record, order: Record) -> bool:
    """Return whether an adverse move reaches the position's liquidation price before this stop, which closes it."""
    beyond = (order.stop_price - position.liquidation_price) * order.side
    return position.qty * order.side < 0.0 and beyond > 0.0  # false if either price is NaN


@leaf
def is_armed(order: Record) -> bool:
    """Return whether a trailing stop follows the market yet: its best price has reached ``arm_price`` (NaN: always)."""
    return order.arm_price != order.arm_price or (order.best_price - order.arm_price) * -order.side >= 0.0


@leaf
def take_best(order: Record, best: float) -> None:
    """Update the best price a trailing stop has seen: the highest for a sell, the lowest for a buy."""
    if (order.best_price - best) * order.side > 0.0:
        order.best_price = best


@leaf
def follow(order: Record, best: float, increment: float) -> None:
    """Trail a stop behind a new price, by its distance (price units) or, where that is NaN, by its percentage.

    The stop only ever tightens, and is rounded to the price increment on the far side: never triggered early.
    """
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
