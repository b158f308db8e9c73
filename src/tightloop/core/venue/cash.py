"""The cash of the simulated venue: what pays for the coins of an entry when it fills. Entries of spot alone are asked.

The wallet follows every fill, fee and funding, as the step's ledger does. Free is what margins and the cost of coins
leave of it, less what the other entries that wait would take at the price they were sent at. So an entry gets what is
its own: when its price has risen by the fill, the cash that another one waits with is not spent.
"""

from tightloop.core import limits, rounding
from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import EventKind, Reason
from tightloop.core.domain.types import Record
from tightloop.core.trading import cash, exposure, orders
from tightloop.core.venue import orders as venue_orders

BISECTIONS = 64
"""Halvings after which a quantity is as near to what the cash pays for as floats are."""


@leaf
def is_asked(venue: Record, order: Record) -> bool:
    """Whether an order pays out of cash: it buys coins. Exits never do, and a margin was reserved when it was sent."""
    return order.reduce_only == 0 and order.side > 0 and venue.instruments[order.instrument].rules.is_margined == 0


@leaf
def _promised(venue: Record, except_id: int) -> float:
    """What the other entries that wait would take: spot its cost with taker fee and fixed slippage, all else margin."""
    total = 0.0
    for slot in range(venue.order_high):
        order = venue.orders[slot]
        if order.id == 0 or order.id == except_id or order.reduce_only != 0:
            continue
        rules = venue.instruments[order.instrument].rules
        if rules.is_margined != 0:
            total += orders.remaining(order) * order.reference_price * rules.multiplier / order.leverage
        elif order.side > 0:
            unit = cash.unit_cost(rules, venue.costs[order.instance], 1, order.reference_price, 1.0)
            total += orders.remaining(order) * unit
    return total


@leaf
def free(venue: Record, except_id: int) -> float:
    """What an entry of spot may spend, in the settle asset; at most 0 when there is nothing."""
    held = 0.0
    for instance in range(venue.instance_count):
        held += venue.positions[instance].margin
    assert venue.position_count > 0 or held == 0.0, "where nothing is held nothing is bound"
    left = venue.wallet - held - _promised(venue, except_id)
    return left if abs(left) > abs(venue.wallet) * limits.LIMIT_TOLERANCE else 0.0


@leaf
def covers(money: float, rules: Record, qty: float, price: float, fee_rate: float) -> bool:
    """Whether money pays for a quantity at a price with its fee."""
    return exposure.within(qty * price * rules.multiplier * (1.0 + fee_rate), money)


@leaf
def part_at(money: float, rules: Record, qty: float, price: float, fee_rate: float) -> float:
    """The part of a quantity that money pays for at one price, floored to the lot, >= 0."""
    assert price > 0.0, "coins have a price"
    if covers(money, rules, qty, price, fee_rate):
        return qty
    if not money > 0.0:
        return 0.0
    return min(qty, rounding.qty_floor(money / (price * rules.multiplier * (1.0 + fee_rate)), rules.lot_size))


@leaf
def end_unpaid(venue: Record, slot: int, order_id: int, ts_event_ns: int) -> None:
    """Cancel what the cash does not pay for, where the order is still there."""
    if venue.orders[slot].id == order_id:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.INSUFFICIENT_CASH.value, ts_event_ns)
