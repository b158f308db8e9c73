"""The positions of the simulated venues: what a fill does to one, and how it was entered inside the current bar."""

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import Stage
from tightloop.core.domain.types import Record
from tightloop.core.trading import margin, positions
from tightloop.core.venue.triggers import lay_before

INSIDE, BY_STOP = 1, 2  # where an entry inside the bar in hand came from: a limit that rested; a stop
SPARED = 3  # a stop, and what lies before the liquidation price was not touched after it: so was not that price


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
            position.closed_ns = INSIDE if own.stage == Stage.IN_BAR else 0  # entered inside the bar, not at its open
        positions.increase(position, left, price)
        position.margin += abs(left) * price * multiplier / leverage
    position.liquidation_price = margin.liquidation_price(
        own.rules, position.qty, position.entry_price, position.margin
    )


@hot
def was_entered_inside(venue: Record, order: Record) -> bool:
    """The position this order reduces was entered inside the bar in hand: what came before does not count."""
    return order.reduce_only != 0 and venue.positions[order.instance].closed_ns != 0


@hot
def was_entered_by_stop(venue: Record, order: Record) -> bool:
    """It was so by a stop, to which price came from beyond what protects the position now, perhaps."""
    return order.reduce_only != 0 and venue.positions[order.instance].closed_ns >= BY_STOP


@leaf
def lay_before_entry(venue: Record, instance: int, own: Record) -> bool:
    """The bar in hand, in which this position was entered, was at its liquidation price only before the entry."""
    position = venue.positions[instance]
    return position.closed_ns >= BY_STOP and lay_before(
        own, -1 if position.qty > 0.0 else 1, position.liquidation_price
    )
