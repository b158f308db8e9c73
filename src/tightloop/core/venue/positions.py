"""The positions of the simulated venues on bars and ticks: isolated margin, one position per strategy instance."""

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import EventKind, Reason, Stage
from tightloop.core.domain.types import Record
from tightloop.core.trading import margin, positions
from tightloop.core.venue import orders as venue_orders
from tightloop.core.venue.triggers import lay_before

# How an open position was entered within the current bar: values of ``VENUE.entered``, one for each instance.
BEFORE = 0  # before the bar or at its open
INSIDE = 1  # by a resting limit, inside the bar
BY_STOP = 2  # by a stop, inside the bar: its range may lie partly before the entry
SPARED = 3  # by a stop, and the protective stop was touched before the entry alone: no liquidation in this bar either


@hot
def apply_fill(
    venue: Record, instance: int, signed_qty: float, price: float, leverage: float, instrument: Record
) -> None:
    """Apply a fill to a position, its isolated margin and the wallet; recompute the liquidation price.

    ``signed_qty`` in contracts, positive buys. A fill larger than the opposite position closes it, realises its result
    into the wallet and opens the rest on the other side. The caller charges the fee.
    """
    position = venue.positions[instance]
    multiplier = instrument.rules.multiplier
    left = signed_qty  # what is not used to close the opposite position
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
            venue.entered[instance] = INSIDE if instrument.stage == Stage.IN_BAR else BEFORE
        positions.increase(position, left, price)
        position.margin += abs(left) * price * multiplier / leverage
    position.liquidation_price = margin.liquidation_price(
        instrument.rules, position.qty, position.entry_price, position.margin
    )


@leaf
def close_by_force(venue: Record, index: int, instance: int, price: float, ts_event_ns: int) -> None:
    """Liquidate a position of the instrument ``index`` at ``price``, with taker fee.

    The ORDER_FILLED event has order_id 0 and the reason LIQUIDATED: forced by the venue.
    """
    position, instrument = venue.positions[instance], venue.instruments[index]
    qty = abs(position.qty)
    assert qty > 0.0, "only an open position is liquidated"
    event = venue_orders.push(venue, EventKind.ORDER_FILLED.value, index, instance, ts_event_ns)
    fee = price * qty * instrument.rules.multiplier * venue.costs[instance].taker_rate
    fields.set_fill(event, price, qty, fee, 0.0, False)
    event.reason = Reason.LIQUIDATED.value
    venue.wallet -= fee
    apply_fill(venue, instance, -position.qty, price, 1.0, instrument)


@leaf
def pay_funding(venue: Record, index: int, rate: float, mark: float, ts_event_ns: int) -> None:
    """Pay funding (FUNDING_PAID) on the open positions of the instrument ``index``; none while the mark is unknown."""
    instrument = venue.instruments[index]
    instance = instrument.position_first
    while instance >= 0:
        position = venue.positions[instance]
        if position.qty != 0.0 and mark > 0.0 and venue.costs[instance].is_unfunded == 0:
            paid = venue_orders.push(venue, EventKind.FUNDING_PAID.value, index, instance, ts_event_ns)
            amount = margin.funding_amount(position.qty, mark, instrument.rules.multiplier, rate)
            fields.set_funding_paid(paid, amount, rate, mark)
            venue.wallet += amount
        instance = venue.instance_next[instance]


@hot
def was_entered_inside(venue: Record, order: Record) -> bool:
    """Return whether the position this order reduces was entered inside the current bar, not at its open."""
    return order.reduce_only != 0 and venue.entered[order.instance] != BEFORE


@hot
def was_entered_by_stop(venue: Record, order: Record) -> bool:
    """Return whether the position this order reduces was entered by a stop inside the current bar.

    Price may then have been beyond the position's new protective stop on its way to the entry.
    """
    return order.reduce_only != 0 and venue.entered[order.instance] >= BY_STOP


@leaf
def lay_before_entry(venue: Record, instance: int, instrument: Record) -> bool:
    """Return whether a position's liquidation price was touched only before a stop entered it inside this bar."""
    position = venue.positions[instance]
    return venue.entered[instance] >= BY_STOP and lay_before(
        instrument, -1 if position.qty > 0.0 else 1, position.liquidation_price
    )
