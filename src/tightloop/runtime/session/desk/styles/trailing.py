"""Trailing stops: the desk follows the market by the core's leaf, and lets the venue have the stop where that is.

The venue's trailing orders follow another rule than the simulated venues, so they are not used. A stop is moved in
steps of at least 0.1 % and at least 1 s apart. Before the trail is armed no stop rests at the venue: the order counts
as accepted and waits here.
"""

import math

from tightloop.core.domain.enums import Side, Trigger
from tightloop.core.venue import triggers
from tightloop.runtime.session.desk import endings
from tightloop.runtime.session.desk.leaves import interpreted
from tightloop.runtime.session.desk.records import NEVER_NS, SECOND_NS, Command
from tightloop.runtime.session.desk.state import DeskOrder, Prices, Trail, Turn
from tightloop.runtime.session.desk.styles import resting, stops

STEP = 0.001
APART_NS = SECOND_NS

_follow = interpreted(triggers.follow)


def begin(turn: Turn, order: DeskOrder) -> None:
    """Begin to trail from the price at which the order was sized."""
    wanted = order.wanted
    order.trail = Trail(
        side=wanted.side,
        stop_price=wanted.stop_price,
        best_price=wanted.reference_price,
        arm_price=wanted.arm_price,
        trail_distance=wanted.trail_distance,
        trail_pct=wanted.trail_pct,
    )
    follow(turn, order, wanted.reference_price)


def take_amend(turn: Turn, order: DeskOrder, command: Command) -> None:
    """Take a new distance and arming price; a stop only ever tightens."""
    trail = order.trail
    assert trail is not None, "a trailing order has a trail"
    trail.arm_price, trail.trail_distance, trail.trail_pct = (
        command.arm_price,
        command.trail_distance,
        command.trail_pct,
    )
    follow(turn, order, trail.best_price)


def price_of(side: Side, trigger: Trigger, prices: Prices) -> float:
    """Return the price that a stop's trigger names; of the touch, the side it would sell or buy at. NaN: unknown."""
    if trigger == Trigger.MARK:
        return prices.mark
    touch = prices.bid if side == Side.SELL else prices.ask
    return touch if trigger == Trigger.TOUCH and not math.isnan(touch) else prices.last


def follow(turn: Turn, order: DeskOrder, price: float) -> None:
    """Follow a price, and want the stop moved where that is worth a request."""
    trail = order.trail
    if trail is None or not price > 0.0:
        return
    _follow(trail, price, turn.listed(order).price_increment)
    trail.stop_price, trail.best_price = float(trail.stop_price), float(trail.best_price)
    _want(turn, order, trail)


def _want(turn: Turn, order: DeskOrder, trail: Trail) -> None:
    """Set the wanted stop to the trail's price, if it is far enough from where it is wanted now and not too soon."""
    wanted_price, now_ns = order.wanted.stop_price, turn.state.now_ns
    if math.isnan(trail.stop_price):
        return
    is_new = math.isnan(wanted_price)
    is_step = not is_new and abs(trail.stop_price - wanted_price) >= STEP * wanted_price
    if is_step and now_ns < trail.moved_ns + APART_NS:
        order.due_ns = min(order.due_ns, trail.moved_ns + APART_NS)
    elif is_new or is_step:
        trail.moved_ns = now_ns
        order.want_stop(trail.stop_price)
        order.is_moved = not is_new


def advance(turn: Turn, order: DeskOrder) -> int:
    """Bring the stop at the venue to the wanted one, once the trail is armed. Return when to look again."""
    trail = order.trail
    assert trail is not None, "a trailing order has a trail"
    _want(turn, order, trail)
    if math.isnan(order.wanted.stop_price):
        endings.accepted(turn, order)
        if order.is_amending:
            endings.amended(turn, order)
        return NEVER_NS
    next_ns = stops.advance(turn, order) if order.wanted.is_exit else resting.advance(turn, order)
    if order.is_moved and order.resting_stop == order.wanted.stop_price:
        order.is_moved = False
        endings.amended(turn, order)
    return next_ns
