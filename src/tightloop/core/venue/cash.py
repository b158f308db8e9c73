"""Cash cover of the simulated venues: a spot buy fills only as far as the wallet can pay for it.

The wallet (settle asset) follows every fill, fee and funding payment, as the ledger of the step does. Free cash is the
wallet less margins and the cost of coins held, less what the other open entries would take at their reference prices.
An entry therefore never spends cash that another open entry relies on, even when its own price has risen since it was
sent. Orders on margined instruments and exits are not checked here: their margin was reserved before they were sent.
"""

from tightloop.core import limits, rounding
from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import EventKind, Reason
from tightloop.core.domain.types import Record
from tightloop.core.trading import cash, exposure, orders
from tightloop.core.venue import orders as venue_orders

BISECTIONS = 64
"""Bisection steps that determine an affordable quantity to float precision."""


@leaf
def needs_cash(venue: Record, order: Record) -> bool:
    """Return whether an order must be covered by cash: a buy on a spot instrument that is not an exit."""
    return order.reduce_only == 0 and order.side > 0 and venue.instruments[order.instrument].rules.is_margined == 0


@leaf
def _reserved_by_others(venue: Record, except_id: int) -> float:
    """Return the cash that open entries other than ``except_id`` would take if they filled at their reference prices.

    Spot: cost with taker fee and fixed slippage. Margined instruments: initial margin.
    """
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
    """Return the cash that spot entry ``except_id`` may spend, in the settle asset; <= 0 means none.

    A remainder within LIMIT_TOLERANCE of the wallet counts as 0.
    """
    held = 0.0
    for instance in range(venue.instance_count):
        held += venue.positions[instance].margin  # of spot (leverage 1): what the coins cost
    assert venue.position_count > 0 or held == 0.0, "where nothing is held nothing is bound"
    left = venue.wallet - held - _reserved_by_others(venue, except_id)
    return left if abs(left) > abs(venue.wallet) * limits.LIMIT_TOLERANCE else 0.0


@leaf
def covers(money: float, rules: Record, qty: float, price: float, fee_rate: float) -> bool:
    """Return whether ``money`` pays for ``qty`` contracts at ``price`` plus the fee (``fee_rate`` a fraction)."""
    return exposure.within(qty * price * rules.multiplier * (1.0 + fee_rate), money)


@leaf
def affordable_part(money: float, rules: Record, qty: float, price: float, fee_rate: float) -> float:
    """Return the quantity (0 to ``qty``, floored to the lot) that ``money`` pays for at one price, fee included."""
    assert price > 0.0, "coins have a price"
    if covers(money, rules, qty, price, fee_rate):
        return qty
    if not money > 0.0:
        return 0.0
    return min(qty, rounding.qty_floor(money / (price * rules.multiplier * (1.0 + fee_rate)), rules.lot_size))


@leaf
def end_unpaid(venue: Record, slot: int, order_id: int, ts_event_ns: int) -> None:
    """Cancel the unpaid rest of an order with INSUFFICIENT_CASH, unless the order has already ended."""
    if venue.orders[slot].id == order_id:
        venue_orders.end_order(venue, slot, EventKind.ORDER_CANCELED.value, Reason.INSUFFICIENT_CASH.value, ts_event_ns)
