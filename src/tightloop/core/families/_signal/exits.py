"""Closing a position of the signal family: at most one market exit at a time, protection stays meanwhile."""

from tightloop.core import limits
from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import InstanceState, Reason, Role
from tightloop.core.domain.types import Record, Rows, Table
from tightloop.core.families._signal import lifecycle as signal_lifecycle
from tightloop.core.trading import commands, refused


@leaf
def _is_exit(role: int) -> bool:
    """Tell whether an order's role is to close the whole position at market, unlike stops and targets."""
    return role == Role.ZE1 or role == Role.E1 or role == Role.TIME or role == Role.MANUAL


@leaf
def cancel_orders(state: Record, rows: Rows, instance: int, entries_only: bool, reason: int) -> None:
    """Request cancellation of the instance's open orders, or of its entry orders alone."""
    slot = state.instances[instance].order_first
    while slot >= 0:
        order = state.orders[slot]
        if not entries_only or order.role == Role.ENTRY:
            commands.cancel(state, rows, slot, reason)
        slot = order.next


@leaf
def exit_order(state: Record, instance: int) -> int:
    """Return the slot of the market exit that is open, -1 if none."""
    slot = state.instances[instance].order_first
    while slot >= 0:
        if _is_exit(state.orders[slot].role):
            return slot
        slot = state.orders[slot].next
    return -1


@leaf
def close_position(state: Record, rows: Rows, table: Table, instance: int, role: int) -> None:
    """Close the whole position at market, reduce-only, unless such an exit is already open.

    Stop and targets stay at the venue meanwhile. ``role``: ZE1, E1, TIME or MANUAL.
    """
    machine = state.instances[instance]
    position = state.positions[instance]
    to = InstanceState.EMERGENCY_EXIT.value if role == Role.E1 else InstanceState.EXIT_PENDING.value
    if role == Role.ZE1:
        signal_lifecycle.transition(state, rows, instance, InstanceState.CLOSE_ORDER_EVALUATION.value, 0)
    if role != Role.E1 or state.strategies[machine.strategy].e1_cancels_pending != 0:
        cancel_orders(state, rows, instance, True, Reason.EXIT.value)
    if exit_order(state, instance) < 0:
        side = -1 if position.qty > 0.0 else 1
        slot = commands.draft(state, instance, role, side, abs(position.qty))
        commands.send(state, rows, table, slot)
    machine.timer_ns = limits.NEVER_NS
    machine.exit_role = role
    signal_lifecycle.transition(state, rows, instance, to, 0)


@leaf
def close_if_due(state: Record, rows: Rows, table: Table, instance: int) -> None:
    """Close the position at market if what the venue refused makes an exit due, and none is open."""
    if refused.is_exit_due(state, instance) and exit_order(state, instance) < 0:
        close_position(state, rows, table, instance, state.instances[instance].exit_due)


@leaf
def exit_cooldown_ns(strategy: Record, role: int) -> int:
    """Return the cooldown after a position was closed by an order of ``role``, ns."""
    if role == Role.E1 or role == Role.LIQUIDATION:
        return strategy.e1_cooldown_ns
    if role == Role.STOP_LOSS or role == Role.TRAILING:
        return 0
    return strategy.ze1_cooldown_ns


@leaf
def is_stopping(state: Record, instance: int) -> bool:
    """Tell whether a partly filled stop is closing the position: no entry may add to it."""
    slot = state.instances[instance].order_first
    while slot >= 0:
        order = state.orders[slot]
        if (order.role == Role.STOP_LOSS or order.role == Role.TRAILING) and order.filled_qty > 0.0:
            return True
        slot = order.next
    return False
