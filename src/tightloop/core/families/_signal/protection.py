"""Protection of an open position of the signal family: the stop and targets that rest at the venue.

All are reduce-only. They are placed at the first fill, resized at later fills and stay until the position is flat.
``order.qty`` is the total of an order, filled part included; so after a partial fill it is filled_qty + what it must
still close.
"""

from tightloop.core import limits, rounding
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import OrderKind, OrderState, Role, StopKind, TargetKind
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.families._signal import entry as signal_entry
from tightloop.core.rules import value_of
from tightloop.core.trading import commands, refused


@hot
def protective_order(state: Record, instance: int, role: int, step: int) -> int:
    """Return the slot of the open protective order of a role and ladder step, -1 if none or being cancelled."""
    slot = state.instances[instance].order_first
    while slot >= 0:
        order = state.orders[slot]
        if order.role == role and order.step == step and order.state != OrderState.PENDING_CANCEL:
            return slot
        slot = order.next
    return -1


@leaf
def _stop_of(state: Record, instance: int) -> float:
    """Return the stop price of the open position, not rounded.

    The planned stop, shifted to the average entry price unless the strategy anchors it to the signal's price.
    """
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    entry = state.positions[instance].entry_price
    kind = strategy.stop_kind
    if strategy.stop_of_signal != 0:
        return machine.planned_stop
    if kind == StopKind.PERCENT:
        # Computed from the entry price: a shifted plan could be an ulp off and miss a touch.
        return entry * (1.0 - strategy.direction * strategy.stop_value / 100.0)
    if kind == StopKind.ATR:
        return entry + (machine.planned_stop - machine.signal_price)
    return machine.planned_stop


@leaf
def place_stop(state: Record, rows: Rows, table: Table, instance: int) -> None:
    """Place the stop at the venue, or amend it to the current position."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    position = state.positions[instance]
    if strategy.stop_kind == StopKind.NONE:
        return
    trails = strategy.stop_kind == StopKind.TRAILING_PERCENT or strategy.stop_kind == StopKind.TRAILING_VARIANT
    role = Role.TRAILING.value if trails else Role.STOP_LOSS.value
    slot = protective_order(state, instance, role, 0)
    held = abs(position.qty)
    is_new = slot < 0
    if not refused.may_send_stop(state, instance, is_new):
        return
    if is_new:
        slot = commands.draft(state, instance, role, -1 if position.qty > 0.0 else 1, held)
    order = state.orders[slot]
    order.qty = order.filled_qty + held
    order.reference_price = position.entry_price
    increment = state.instruments[machine.instrument].price_increment
    order.kind = OrderKind.TRAILING.value if trails else OrderKind.STOP.value
    order.trigger = strategy.stop_trigger
    if strategy.stop_kind == StopKind.TRAILING_PERCENT:
        order.trail_pct = strategy.stop_trail_pct
        order.arm_price = position.entry_price * (1.0 + strategy.direction * strategy.stop_value / 100.0)
    elif trails:
        if is_new:
            order.trail_distance = abs(machine.signal_price - machine.planned_stop)  # later updates: tighten_trail
        order.arm_price = position.entry_price
    else:
        order.stop_price = rounding.price_late(_stop_of(state, instance), increment, order.side)
    if is_new:
        commands.send(state, rows, table, slot)
    else:
        commands.amend(state, rows, slot)


@leaf
def _target_of(state: Record, arena: Floats, instance: int, step: int) -> float:
    """Return target number ``step`` of the open position, not rounded.

    Percentages and ATR distances refer to the average entry price, unless the strategy anchors them to the signal's.
    """
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    entry = state.positions[instance].entry_price
    kind = strategy.target_kind
    of_signal = strategy.target_of_signal != 0
    if kind == TargetKind.PERCENT or kind == TargetKind.LADDER_PERCENT:
        return signal_entry.target_price(state, arena, instance, machine.signal_price if of_signal else entry, step)
    if kind == TargetKind.ATR and not of_signal:
        return entry + (machine.planned_target - machine.signal_price)
    if kind == TargetKind.LADDER_RETRACEMENT:
        return signal_entry.target_price(state, arena, instance, entry, step)
    return machine.planned_target


@leaf
def _place_target(state: Record, arena: Floats, rows: Rows, table: Table, instance: int, step: int, qty: float) -> None:
    """Place one target at the venue, or amend it; ``qty`` is what it must still close."""
    machine = state.instances[instance]
    position = state.positions[instance]
    slot = protective_order(state, instance, Role.TAKE_PROFIT.value, step)
    is_new = slot < 0
    if is_new and state.ts_ns < machine.target_retry_ns:
        return
    side = -1 if position.qty > 0.0 else 1
    increment = state.instruments[machine.instrument].price_increment
    price = rounding.price_passive(_target_of(state, arena, instance, step), increment, side)
    if qty <= 0.0 or not price > 0.0:
        return  # a short's target may round to 0, where no order can rest
    if is_new:
        slot = commands.draft(state, instance, Role.TAKE_PROFIT.value, side, qty)
    order = state.orders[slot]
    is_changed = is_new or order.qty != order.filled_qty + qty or order.price != price
    order.kind = OrderKind.LIMIT.value
    order.step = step
    order.qty = order.filled_qty + qty
    order.price = price
    if is_new:
        commands.send(state, rows, table, slot)
    elif is_changed:
        commands.amend(state, rows, slot)


@leaf
def place_targets(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """Place or amend the targets of the open position; with a ladder, one for each step not reached yet.

    Step k closes its share of the quantity entered so far, counted from the nearest step; the last step takes the
    rounding if the shares sum to 100 %.
    """
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    position = state.positions[instance]
    if strategy.target_kind == TargetKind.NONE:
        return
    if strategy.step_count == 0:
        _place_target(state, arena, rows, table, instance, 0, abs(position.qty))
        return
    # The exited quantity is attributed to the nearest steps first, so a completed step is not placed again.
    lot = state.instruments[machine.instrument].lot_size
    shares_pct, begins = 0.0, 0.0
    for step in range(strategy.step_count):
        shares_pct += strategy.step_share_pct[step]
        ends = begins + rounding.qty_floor(position.entry_qty * strategy.step_share_pct[step] / 100.0, lot)
        if step == strategy.step_count - 1 and shares_pct >= 100.0 - 1e-9:
            ends = position.entry_qty
        open_qty = ends - max(begins, position.exit_qty)
        if open_qty > position.entry_qty * limits.QUANTITY_TOLERANCE:
            _place_target(state, arena, rows, table, instance, step, open_qty)
        begins = ends


@leaf
def _trail_distance(state: Record, arena: Floats, instance: int, slot: int) -> float:
    """Return the trailing distance from the strategy's variant; the current one while it is unknown."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    distance = strategy.stop_value * value_of(state, arena, machine, strategy.stop_slot)
    return distance if distance > 0.0 else state.orders[slot].trail_distance


@hot
def tighten_trail(state: Record, arena: Floats, rows: Rows, instance: int) -> None:
    """Amend the trailing distance when its variant changes; the venue never loosens a stop."""
    if state.strategies[state.instances[instance].strategy].stop_kind != StopKind.TRAILING_VARIANT:
        return
    slot = protective_order(state, instance, Role.TRAILING.value, 0)
    if slot < 0:
        return
    distance = _trail_distance(state, arena, instance, slot)
    if distance != state.orders[slot].trail_distance:
        state.orders[slot].trail_distance = distance
        commands.amend(state, rows, slot)


@leaf
def tell_trail(state: Record, arena: Floats, rows: Rows, instance: int) -> None:
    """Send the trailing distance at a bar's close, even if unchanged.

    The simulated venue moves the trail by the closed bar only after this arrives.
    """
    if state.strategies[state.instances[instance].strategy].stop_kind != StopKind.TRAILING_VARIANT:
        return
    slot = protective_order(state, instance, Role.TRAILING.value, 0)
    if slot >= 0:
        state.orders[slot].trail_distance = _trail_distance(state, arena, instance, slot)
        commands.amend(state, rows, slot)
