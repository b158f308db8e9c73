"""Free cash: the money that an entry is asked for before it is sent. No limit switches this off.

Spot is paid out of cash: the wallet less what the coins that are held cost, less what waiting orders would. A perp
(and spot with margin) needs its margin and its fee: equity less the margins that are held and reserved. Both are asked
at the price the order is judged by, with taker fee and fixed slippage. What is left within LIMIT_TOLERANCE of equity is
nothing.
"""

from tightloop.core import limits, rounding
from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import Role, SlippageKind
from tightloop.core.domain.types import Record
from tightloop.core.trading import exposure, ledger, orders


@leaf
def unit_cost(instrument: Record, costs: Record, side: int, price: float, leverage: float) -> float:
    """What one contract takes out of the free cash at a price, in the settle asset: coins or margin, and taker fee."""
    assert price > 0.0, "a cost is asked at a price that is known"
    assert leverage > 0.0, "margin is notional over leverage"
    slipped = costs.slippage_bps / 10_000.0 if costs.slippage_kind == SlippageKind.FIXED else 0.0
    paid = price * (1.0 + side * slipped) * instrument.multiplier
    return paid * costs.taker_rate + (paid if instrument.is_margined == 0 else paid / leverage)


@leaf
def _promised(state: Record, except_id: int) -> float:
    """What entries that wait would take out of cash: spot its cost, all others their reserved margin."""
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
    """The money that an entry of an instance may take, in the settle asset; at most 0 when there is none."""
    if state.instruments[state.instances[instance].instrument].is_margined != 0:
        left = state.equity - state.used_margin - state.reserved_margin
    else:
        left = ledger.wallet(state, 0) - state.used_margin - _promised(state, except_id)
    return left if abs(left) > abs(state.equity) * limits.LIMIT_TOLERANCE else 0.0


@leaf
def covers(state: Record, order: Record) -> bool:
    """Whether the free cash pays for what an order adds to a position; of a flip that is the part beyond flat."""
    assert order.reduce_only == 0, "what only reduces is never asked"
    instrument = state.instruments[order.instrument]
    position = state.positions[order.instance]
    costs = state.instances[order.instance].costs
    closing = min(exposure.reducible(state, order.instance, order.side), order.qty)
    wanted = (order.qty - closing) * unit_cost(instrument, costs, order.side, order.reference_price, order.leverage)
    released = position.margin * closing / abs(position.qty) if closing > 0.0 else 0.0
    return exposure.within(wanted, free(state, order.instance, order.id) + released)


@leaf
def affordable(state: Record, instance: int, side: int, price: float, leverage: float) -> float:
    """The largest quantity that the free cash pays for, floored to the lot, >= 0."""
    assert side == 1 or side == -1, "an entry buys or sells"
    own = state.instances[instance]
    instrument = state.instruments[own.instrument]
    money = free(state, instance, 0)
    if not (money > 0.0 and price > 0.0):
        return 0.0
    return rounding.qty_floor(money / unit_cost(instrument, own.costs, side, price, leverage), instrument.lot_size)
