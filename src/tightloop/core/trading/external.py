"""What is decided outside of the step: an order, a cancel, a protection, each an event like any other.

A strategy in Python, an adviser or an operator says what it wants; the step sizes it, rounds it, checks it, reserves
and sends it, as it does for the families that decide inside. An order that only reduces what is held passes no check.
"""

import math

from tightloop.core import rounding
from tightloop.core.compiled import float_bits, leaf
from tightloop.core.domain.enums import OrderKind, Reason, Role, TimeInForce
from tightloop.core.domain.types import Record, Rows, Table
from tightloop.core.hashing import mix
from tightloop.core.limits import PRICE_MAX, QUANTITY_MAX, QUANTITY_TOLERANCE
from tightloop.core.trading import commands, exposure, margin, orders


@leaf
def mix_wanted(state: Record, event: Record) -> None:
    """Fold in the fields that other events do not have."""
    flags = event.side * 4096 + event.order_kind * 256 + event.tif * 16 + event.reduce_only * 2 + event.post_only
    mix(state, flags)
    mix(state, event.expires_ns)
    mix(state, float_bits(event.leverage))
    mix(state, float_bits(event.stop_loss))
    mix(state, float_bits(event.take_profit))
    mix(state, float_bits(event.stop_loss_pct))
    mix(state, float_bits(event.take_profit_pct))


@leaf
def _known(price: float) -> float:
    """A price, or NaN where it is none."""
    return price if 0.0 < price <= PRICE_MAX else math.nan


@leaf
def _reference_price(instrument: Record, event: Record) -> float:
    """The price an order is sized and judged by, on the instrument's grid: its own, or the mark for a market order.

    NaN when it, or the limit of a stop limit, is not known or no price.
    """
    if event.order_kind == OrderKind.MARKET:
        return _known(instrument.mark)
    if event.order_kind == OrderKind.LIMIT:
        return _known(rounding.price_passive(event.price, instrument.price_increment, event.side))
    if event.order_kind == OrderKind.STOP_LIMIT:
        limit = _known(rounding.price_passive(event.price, instrument.price_increment, event.side))
        if limit != limit:
            return math.nan
    return _known(rounding.price_late(event.stop_price, instrument.price_increment, event.side))


@leaf
def _quantity(instrument: Record, event: Record, price: float) -> float:
    """What is asked for, floored to the lot; NaN when it can not be known."""
    qty = event.amount / (price * instrument.multiplier) if event.amount != 0.0 else event.qty
    return rounding.qty_floor(qty, instrument.lot_size) if 0.0 <= qty <= QUANTITY_MAX else math.nan


@leaf
def _entry_of(state: Record, event: Record, price: float, qty: float) -> tuple[float, float, float]:
    """What the position would be: its signed quantity, average entry price and margin. A flip begins anew."""
    assert event.leverage > 0.0, "an entry without a leverage was refused before"
    position = state.positions[event.instance]
    instrument = state.instruments[state.instances[event.instance].instrument]
    added = qty - exposure.reducible(state, event.instance, event.side)
    held = abs(position.qty) if position.qty * event.side > 0.0 else 0.0
    if not added > 0.0:
        return event.side * held, price, position.margin
    average = (held * position.entry_price + added * price) / (held + added) if held > 0.0 else price
    margin_of = (position.margin if held > 0.0 else 0.0) + added * price * instrument.multiplier / event.leverage
    return event.side * (held + added), average, margin_of


@leaf
def _stop_of(event: Record, entry: float) -> float:
    """The stop that a position entered at ``entry`` would have; NaN when it has none or its distance is not known."""
    return entry * (1.0 - event.side * event.stop_loss_pct / 100.0) if event.stop_loss_pct != 0.0 else event.stop_loss


@leaf
def _target_of(event: Record, price: float) -> float:
    if event.take_profit_pct != 0.0:
        return price * (1.0 + event.side * event.take_profit_pct / 100.0)
    return event.take_profit


@leaf
def _stop_refusal(state: Record, event: Record, price: float, qty: float) -> int:
    """Why the stop that comes with an entry, as it will rest, stands against it; 0 when none does."""
    if event.stop_loss != event.stop_loss and event.stop_loss_pct == 0.0:
        return 0
    instrument = state.instruments[state.instances[event.instance].instrument]
    total, entry, held = _entry_of(state, event, price, qty)
    stop = rounding.price_late(_stop_of(event, entry), instrument.price_increment, -event.side)
    if not math.isfinite(stop):
        return Reason.STOP_UNKNOWN.value
    if stop <= 0.0:
        return Reason.STOP_AT_ZERO.value
    if (price - stop) * event.side <= 0.0:
        return Reason.STOP_BEYOND_ENTRY.value
    liquidation = margin.liquidation_price(instrument, total, entry, held)
    return Reason.STOP_BEYOND_LIQUIDATION.value if margin.is_stop_beyond(stop, liquidation, float(event.side)) else 0


@leaf
def _target_refusal(state: Record, event: Record, price: float) -> int:
    """Why the target that comes with an entry stands against it, before it is rounded."""
    if event.take_profit != event.take_profit and event.take_profit_pct == 0.0:
        return 0
    target = _target_of(event, price)
    if not math.isfinite(target):
        return Reason.TARGET_UNKNOWN.value
    increment = state.instruments[state.instances[event.instance].instrument].price_increment
    rests = rounding.price_passive(target, increment, -event.side)
    return Reason.TARGET_BEYOND_ENTRY.value if (target - price) * event.side <= 0.0 or rests <= 0.0 else 0


@leaf
def _refusal(state: Record, event: Record, price: float, qty: float, is_first: bool) -> int:
    """Why an entry is not sent, before any check; 0 when nothing stands against it. What is unknown is refused."""
    own = state.instances[event.instance]
    strategy = state.strategies[own.strategy]
    instrument = state.instruments[own.instrument]
    if not 0.0 < event.leverage < math.inf:
        return Reason.LEVERAGE_UNKNOWN.value
    reason = _stop_refusal(state, event, price, qty)
    if reason == 0:
        reason = _target_refusal(state, event, price)
    if reason != 0:
        return reason
    if strategy.min_risk_reward == strategy.min_risk_reward:
        # Without a stop and a target there is no such ratio, and what is not known is refused.
        stop = rounding.price_late(_stop_of(event, price), instrument.price_increment, -event.side)
        reward = (_target_of(event, price) - price) * event.side
        if not exposure.within(strategy.min_risk_reward * (price - stop) * event.side, reward):
            return Reason.MIN_RISK_REWARD.value
    if event.leverage > 1.0 and instrument.is_margined == 0:
        return Reason.MAX_LEVERAGE.value
    return _slot_refusal(state, own.strategy) if is_first else 0


@leaf
def _slot_refusal(state: Record, at_strategy: int) -> int:
    """No more positions of a strategy at once, open or being entered, than it allows itself."""
    allowed = state.strategies[at_strategy].max_concurrent_positions
    if allowed == 0:
        return 0
    count = exposure.entries_pending(state, at_strategy)
    for at in range(state.instance_count):
        if state.instances[at].strategy == at_strategy and state.positions[at].qty != 0.0:
            count += 1
    return 0 if count < allowed else Reason.SLOTS_FULL.value


@leaf
def _write(state: Record, event: Record, drafted: Record, price: float) -> None:
    """The rest of a draft, as the event says it."""
    instrument = state.instruments[drafted.instrument]
    drafted.kind = event.order_kind
    drafted.tif = event.tif
    drafted.post_only = event.post_only
    drafted.leverage = event.leverage
    drafted.reference_price = price
    if event.order_kind == OrderKind.LIMIT:
        drafted.price = price
    elif event.order_kind != OrderKind.MARKET:
        drafted.stop_price = price
        if event.order_kind == OrderKind.STOP_LIMIT:
            drafted.price = rounding.price_passive(event.price, instrument.price_increment, event.side)
    if event.expires_ns > 0:
        drafted.tif = TimeInForce.GTT.value
        drafted.expires_ns = event.expires_ns


@leaf
def order(state: Record, rows: Rows, table: Table, event: Record) -> None:
    """Size, round, check, reserve and send; or a row that says why not."""
    assert event.side == 1 or event.side == -1, "an order buys or sells"
    own = state.instances[event.instance]
    price = _reference_price(state.instruments[own.instrument], event)
    qty = _quantity(state.instruments[own.instrument], event, price)
    reducible = exposure.reducible(state, event.instance, event.side)
    is_exit = event.reduce_only != 0 or 0.0 < qty <= reducible * (1.0 + QUANTITY_TOLERANCE)
    if is_exit and qty > reducible * (1.0 - QUANTITY_TOLERANCE):
        qty = reducible  # all of it, without what rounding to the lot would leave
    is_first = state.positions[event.instance].qty == 0.0 and not exposure.has_working_entry(state, event.instance)
    if not price > 0.0:
        reason = Reason.PRICE_UNKNOWN.value
    elif qty != qty:
        reason = Reason.SIZE_UNKNOWN.value
    elif not is_exit:
        reason = _refusal(state, event, price, qty, is_first)
    else:
        reason = Reason.NOTHING_TO_REDUCE.value if reducible == 0.0 else 0
    role = Role.STRATEGY.value if is_exit else Role.ENTRY.value
    slot = commands.draft(state, event.instance, role, event.side, qty if qty == qty else 0.0)
    drafted = state.orders[slot]
    _write(state, event, drafted, price)
    drafted.reduce_only = 1 if is_exit else 0
    if reason != 0:
        commands.deny(state, rows, slot, reason)
    elif commands.send(state, rows, table, slot) == 0 and not is_exit:
        if is_first:
            forget_plan(own)
        _plan(own, event)


@leaf
def cancel(state: Record, rows: Rows, event: Record) -> None:
    """Ask for a cancel of an order of the instance; one that is not open any more is no fault. A stop or a target that
    is canceled is not put back."""
    slot = orders.find(state, event.order_id, event.order_slot)
    if slot < 0 or state.orders[slot].instance != event.instance:
        return
    own = state.instances[event.instance]
    if state.orders[slot].role == Role.STOP_LOSS:
        own.planned_stop = own.planned_base = math.nan
    elif state.orders[slot].role == Role.TAKE_PROFIT:
        own.planned_target = own.planned_extreme = math.nan
    commands.cancel(state, rows, slot, Reason.STRATEGY.value)


@leaf
def protection(state: Record, event: Record) -> None:
    """Where the stop and the target of what is held shall be from now on."""
    _plan(state.instances[event.instance], event)


@leaf
def forget_plan(own: Record) -> None:
    """Nothing is held and nothing is being entered: the next entry says what protects it."""
    own.planned_stop = own.planned_base = math.nan
    own.planned_target = own.planned_extreme = math.nan


@leaf
def _plan(own: Record, event: Record) -> None:
    """Keep what is said; the last that is said of a position holds for all of it."""
    if event.stop_loss > 0.0 or event.stop_loss_pct > 0.0:
        own.planned_stop = event.stop_loss
        own.planned_base = event.stop_loss_pct
    if event.take_profit > 0.0 or event.take_profit_pct > 0.0:
        own.planned_target = event.take_profit
        own.planned_extreme = event.take_profit_pct
