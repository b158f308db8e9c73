"""Buying power: the cash an entry may use, checked before it is sent. No limit setting switches this check off.

Spot is paid in cash: wallet less the cost of coins held less the cost of pending buy entries. Perpetuals (and spot on
margin) need initial margin and the taker fee: equity less used and reserved margin. Both are valued at the order's
reference price with taker fee and fixed slippage. A remainder within LIMIT_TOLERANCE of equity counts as zero.
"""

from tightloop.core import limits, rounding
from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import Role, SlippageKind
from tightloop.core.domain.types import Record
from tightloop.core.trading import exposure, ledger, orders


@leaf
def unit_cost(instrument: Record, costs: Record, side: int, price: float, leverage: float) -> float:
    """Compute the buying power one contract uses, settle asset: its cost or initial margin, plus the taker fee."""
    assert price > 0.0, "a cost is asked at a price that is known"
    assert leverage > 0.0, "margin is notional over leverage"
    slipped = costs.slippage_bps / 10_000.0 if costs.slippage_kind == SlippageKind.FIXED else 0.0
    paid = price * (1.0 + side * slipped) * instrument.multiplier
    return paid * costs.taker_rate + (paid if instrument.is_margined == 0 else paid / leverage)


@leaf
def _promised(state: Record, except_id: int) -> float:
    """Sum the cash that pending entries will use: full cost of spot buys, reserved margin of all others."""
    total = 0.0
    for slot in range(state.order_high):
        order = state.orders[slot]
        if order.id == 0 or order.id == except_id or order.role != Role.ENTRY:
            continue
        instrument = state.instruments[order.instrument]
        if instrument.is_margined != 0:
            total += order.reserved_margin
        elif order.side > 0:
            costs = state.instances[order.instance].costs
            total += orders.remaining(order) * unit_cost(instrument, costs, 1, order.reference_price, 1.0)
    return total


@leaf
def free(state: Record, instance: int, except_id: int) -> float:
    """Return the buying power left for an entry of an instance, in the settle asset; <= 0 when there is none."""
    if state.instruments[state.instances[instance].instrument].is_margined != 0:
        left = state.equity - state.used_margin - state.reserved_margin
    else:
        left = ledger.wallet(state, 0) - state.used_margin - _promised(state, except_id)
    return left if abs(left) > abs(state.equity) * limits.LIMIT_TOLERANCE else 0.0


@leaf
def covers(state: Record, order: Record) -> bool:
    """Check that buying power covers the part of an order that increases exposure (of a flip: the part beyond flat)."""
    assert order.reduce_only == 0, "what only reduces is never asked"
    instrument = state.instruments[order.instrument]
    position = state.positions[order.instance]
    costs = state.instances[order.instance].costs
    closing = min(exposure.reducible(state, order.instance, order.side), order.qty)
    wanted = (order.qty - closing) * unit_cost(instrument, costs, order.side, order.reference_price, order.leverage)
    released = position.margin * closing / abs(position.qty) if closing > 0.0 else 0.0
    return exposure.within(wanted, free(state, order.instance, order.id) + released)


@leaf
def affordable(state: Record, index: int, side: int, price: float, leverage: float) -> float:
    """Return the largest quantity that buying power covers, rounded down to the lot size; 0 when none."""
    assert side == 1 or side == -1, "an entry buys or sells"
    instance = state.instances[index]
    instrument = state.instruments[instance.instrument]
    money = free(state, index, 0)
    if not (money > 0.0 and price > 0.0):
        return 0.0
    return rounding.qty_floor(money / unit_cost(instrument, instance.costs, side, price, leverage), instrument.lot_size)
