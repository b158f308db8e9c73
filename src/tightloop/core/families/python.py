"""The python family: a Python strategy's requests arrive as events (``core/trading/external.py``).

It decides nothing itself and maintains what was requested: the stop and target of a position rest at the venue for its
whole quantity, and are cancelled when it is flat. Maximum holding time and kill switch work as in every family.
"""

from tightloop.core import limits, rounding
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.enums import Moment, OrderKind, Reason, Role
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.families._signal import protection as signal_protection
from tightloop.core.signatures import DECIDE, call_evaluate
from tightloop.core.trading import account as trading_account
from tightloop.core.trading import commands, exposure, refused
from tightloop.core.trading.external import forget_plan

PARAMETERS = ()
IS_OUTSIDE = True


@leaf
def _guard_at(state: Record, rows: Rows, table: Table, instance: int, role: int, price: float) -> None:
    """Place a stop or target for the whole position at ``price`` (NaN: none), or amend it."""
    if not price > 0.0:
        return
    position = state.positions[instance]
    side = -1 if position.qty > 0.0 else 1
    held = abs(position.qty)
    increment = state.instruments[state.instances[instance].instrument].price_increment
    is_stop = role == Role.STOP_LOSS
    rounded = rounding.price_late(price, increment, side) if is_stop else rounding.price_passive(price, increment, side)
    if not rounded > 0.0:
        return  # a long's stop or short's target may round to 0, where no order can rest
    slot = signal_protection.protective_order(state, instance, role, 0)
    is_new = slot < 0
    machine = state.instances[instance]
    if is_stop and not refused.may_send_stop(state, instance, is_new):
        return
    if state.ts_ns < machine.target_retry_ns and is_new and not is_stop:
        return
    if is_new:
        slot = commands.draft(state, instance, role, side, held)
    order = state.orders[slot]
    current = order.stop_price if is_stop else order.price
    is_changed = is_new or current != rounded or order.qty != order.filled_qty + held
    order.qty = order.filled_qty + held
    order.reference_price = position.entry_price
    if is_stop:
        order.kind = OrderKind.STOP.value
        order.stop_price = rounded
    else:
        order.kind = OrderKind.LIMIT.value
        order.price = rounded
    if is_new:
        commands.send(state, rows, table, slot)
    elif is_changed:
        commands.amend(state, rows, slot)


@leaf
def _protect(state: Record, rows: Rows, table: Table, instance: int) -> None:
    """Place or amend stop and target of the position, from the planned prices or percentages of its entry price."""
    machine = state.instances[instance]
    position = state.positions[instance]
    sign = 1.0 if position.qty > 0.0 else -1.0
    stop, target = machine.planned_stop, machine.planned_target
    if machine.planned_base > 0.0:
        stop = position.entry_price * (1.0 - sign * machine.planned_base / 100.0)
    if machine.planned_extreme > 0.0:
        target = position.entry_price * (1.0 + sign * machine.planned_extreme / 100.0)
    _guard_at(state, rows, table, instance, Role.STOP_LOSS.value, stop)
    _guard_at(state, rows, table, instance, Role.TAKE_PROFIT.value, target)


@leaf
def _cancel_all(state: Record, rows: Rows, instance: int, entries: bool, reason: int) -> None:
    """Request cancellation of entry orders (``entries``), or else of protective orders."""
    slot = state.instances[instance].order_first
    while slot >= 0:
        order = state.orders[slot]
        is_protection = order.role == Role.STOP_LOSS or order.role == Role.TAKE_PROFIT
        if (entries and order.role == Role.ENTRY) or (not entries and is_protection):
            commands.cancel(state, rows, slot, reason)
        slot = order.next


@leaf
def _close(state: Record, rows: Rows, table: Table, instance: int, role: int) -> None:
    """Close the whole position at market, unless such an order is already open."""
    at = state.instances[instance].order_first
    while at >= 0:
        role_of = state.orders[at].role
        if role_of == Role.TIME or role_of == Role.MANUAL or role_of == Role.E1:
            return
        at = state.orders[at].next
    held = state.positions[instance].qty
    slot = commands.draft(state, instance, role, -1 if held > 0.0 else 1, abs(held))
    commands.send(state, rows, table, slot)


@leaf
def _end_hold(state: Record, rows: Rows, table: Table, instance: int) -> None:
    """Close a position that has reached its maximum holding time."""
    position = state.positions[instance]
    span_ns = state.strategies[state.instances[instance].strategy].max_hold_ns
    if position.qty != 0.0 and span_ns > 0 and state.ts_ns - position.opened_ns >= span_ns:
        _close(state, rows, table, instance, Role.TIME.value)


@leaf
def _close_if_due(state: Record, rows: Rows, table: Table, instance: int) -> None:
    """Close what a kill switch covers, or what a refusal of the venue makes due.

    An entry may fill before its cancel arrives, and an exit may be refused.
    """
    machine = state.instances[instance]
    if state.positions[instance].qty == 0.0 or state.ts_ns < machine.exit_retry_ns:
        return
    if trading_account.is_killed(state, instance):
        _close(state, rows, table, instance, Role.MANUAL.value)
    elif machine.exit_due != 0:
        _close(state, rows, table, instance, machine.exit_due)


@leaf
def _on_time(state: Record, rows: Rows, table: Table, instance: int) -> None:
    """Apply what time alone causes while a position is held: its longest time, and tries after refusals."""
    if state.positions[instance].qty == 0.0:
        return
    _end_hold(state, rows, table, instance)
    _close_if_due(state, rows, table, instance)
    machine = state.instances[instance]
    if machine.stop_retry_ns != 0 or machine.target_retry_ns != 0:
        _protect(state, rows, table, instance)
    due_ns = state.positions[instance].opened_ns + state.strategies[machine.strategy].max_hold_ns
    if due_ns > state.ts_ns:
        refused.call_at(state, instance, due_ns)
    refused.call_for_next_try(state, instance)


@leaf
def _settle(state: Record, rows: Rows, table: Table, instance: int) -> None:
    """Update protection, timer and plan after a fill or the end of an order."""
    machine = state.instances[instance]
    if state.positions[instance].qty != 0.0:
        span_ns = state.strategies[machine.strategy].max_hold_ns
        if span_ns > 0:
            machine.timer_ns = max(state.positions[instance].opened_ns + span_ns, state.ts_ns)
            state.next_timer_ns = min(state.next_timer_ns, machine.timer_ns)
        refused.call_for_next_try(state, instance)
        _protect(state, rows, table, instance)
        return
    machine.timer_ns = limits.NEVER_NS
    _cancel_all(state, rows, instance, False, Reason.EXIT.value)
    if not exposure.has_working_entry(state, instance):
        forget_plan(machine)


@compiled(DECIDE)
def decide(state: Record, arena: Floats, rows: Rows, table: Table, instance: int, moment: int) -> int:
    """Handle a ``Moment`` of one instance; always returns 0: entries are requested from outside."""
    assert 0 <= instance < state.instance_count, "an instance is one of the run's"
    machine = state.instances[instance]
    position = state.positions[instance]
    if moment == Moment.DECIDE:
        for k in range(machine.own_first, machine.own_first + machine.own_count):
            indicator = state.indicators[k]
            call_evaluate(table[indicator.address], state, arena, instance, indicator.base)
        if position.qty != 0.0:
            _end_hold(state, rows, table, instance)
            _close_if_due(state, rows, table, instance)
            _protect(state, rows, table, instance)
    elif moment == Moment.FILLED or (moment == Moment.ORDER_ENDED and position.qty == 0.0):
        _settle(state, rows, table, instance)
        _close_if_due(state, rows, table, instance)
    elif moment == Moment.ORDER_ENDED:
        _close_if_due(state, rows, table, instance)
    elif moment == Moment.FOUND and position.qty != 0.0:
        _cancel_all(state, rows, instance, True, Reason.EXIT.value)
        machine.exit_due = Role.MANUAL.value
        _close_if_due(state, rows, table, instance)
    elif moment == Moment.FOUND:
        _settle(state, rows, table, instance)
    elif moment == Moment.TIMER:
        _on_time(state, rows, table, instance)
    elif moment == Moment.PROTECT:
        if position.qty != 0.0:
            _protect(state, rows, table, instance)
    elif moment == Moment.KILL:
        _cancel_all(state, rows, instance, True, Reason.KILLED.value)
        if position.qty != 0.0:
            _close(state, rows, table, instance, Role.MANUAL.value)
    return 0
