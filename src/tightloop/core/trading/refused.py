"""What follows when a venue refuses or ends the stop, target or exit of an open position.

A stop that would trigger at once, or that the venue ended by itself, means that its price has been passed: the position
is closed at market at once. Any other refusal of a stop is tried again, STOP_TRIES times in all with growing waits;
then the position is closed at market, because a position without a stop is worse than a bad price, and NOT_PROTECTED
is warned of. A refused target waits TARGET_WAIT_NS. An exit that expired is followed by the next at once; one that was
refused waits EXIT_WAIT_NS, and is tried for ever.

``note_end`` and ``note_amend`` write this into the instance; the families act on it when they are called for the end of
the order, at their timer and at every evaluation. An exit stays due until the position is flat.
"""

from tightloop.core import limits
from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import EventKind, OrderKind, OrderState, Reason, Role, WarningCode
from tightloop.core.domain.types import Record, Rows
from tightloop.core.trading import account as trading_account

STOP_TRIES = 3
STOP_WAIT_NS = 500_000_000
"""After the first refusal; three times as long after the second."""
STOP_FORGOTTEN_NS = limits.MINUTE_NS
"""A refusal this long after the one before is the first again."""
TARGET_WAIT_NS = 5 * limits.SECOND_NS
EXIT_WAIT_NS = limits.SECOND_NS


@leaf
def is_stop(order: Record) -> bool:
    """Return whether an order is the stop of a position."""
    return order.reduce_only != 0 and (order.role == Role.STOP_LOSS or order.role == Role.TRAILING)


@leaf
def call_at(state: Record, instance: int, due_ns: int) -> None:
    """Set the timer of an instance to a time, unless it is due before."""
    assert due_ns > 0, "a timer has a time"
    machine = state.instances[instance]
    machine.timer_ns = min(machine.timer_ns, due_ns)
    state.next_timer_ns = min(state.next_timer_ns, due_ns)


@leaf
def call_for_next_try(state: Record, instance: int) -> None:
    """Set the timer of an instance to the next try that is due after now, of its stop, targets or exit."""
    machine = state.instances[instance]
    for due_ns in (machine.stop_retry_ns, machine.target_retry_ns, machine.exit_retry_ns):
        if due_ns > state.ts_ns:
            call_at(state, instance, due_ns)


@leaf
def is_exit_due(state: Record, instance: int) -> bool:
    """Return whether a position is to be closed at market now; the caller sees to it that one exit is open at most."""
    machine = state.instances[instance]
    return machine.exit_due != 0 and state.positions[instance].qty != 0.0 and state.ts_ns >= machine.exit_retry_ns


@leaf
def may_send_stop(state: Record, instance: int, is_new: bool) -> bool:
    """Return whether a stop may be sent or amended now, and count this as the try that was due.

    No new one goes out where an exit is due instead.
    """
    machine = state.instances[instance]
    if state.ts_ns < machine.stop_retry_ns or (is_new and machine.exit_due != 0):
        return False
    machine.stop_retry_ns = 0
    return True


@leaf
def forget(state: Record, instance: int) -> None:
    """Forget all refusals of a position that is flat."""
    machine = state.instances[instance]
    machine.exit_due = 0
    machine.stop_refused_count = 0
    machine.stop_retry_ns = machine.target_retry_ns = machine.exit_retry_ns = 0


@leaf
def _refuse_stop(state: Record, rows: Rows, order: Record, reason: int) -> None:
    """Count a refusal of a stop: another try after a wait, or the exit."""
    machine = state.instances[order.instance]
    assert state.positions[order.instance].qty != 0.0, "a stop of nothing is not missed"
    if reason == Reason.WOULD_TRIGGER:
        machine.exit_due = Role.E1.value
        return
    if state.ts_ns - machine.stop_refused_ns > STOP_FORGOTTEN_NS:
        machine.stop_refused_count = 0
    machine.stop_refused_count += 1
    machine.stop_refused_ns = state.ts_ns
    if machine.stop_refused_count >= STOP_TRIES:
        count = float(machine.stop_refused_count)
        trading_account.warn(state, rows, WarningCode.NOT_PROTECTED.value, order.instance, count, order.id)
        machine.exit_due = Role.E1.value
        return
    wait_ns = STOP_WAIT_NS if machine.stop_refused_count == 1 else 3 * STOP_WAIT_NS
    machine.stop_retry_ns = state.ts_ns + wait_ns
    call_at(state, order.instance, machine.stop_retry_ns)


@leaf
def note_amend(state: Record, rows: Rows, order: Record, reason: int) -> None:
    """Note that the amend of an order was refused: a stop then rests with the quantity or price of before."""
    if is_stop(order) and state.positions[order.instance].qty != 0.0:
        _refuse_stop(state, rows, order, reason)


@leaf
def note_end(state: Record, rows: Rows, order: Record, before: int, event_kind: int, reason: int) -> None:
    """Note that the venue refused or ended an order of an open position; ``before``: its OrderState until now.

    ``reason``: of the event. An order that we were canceling ends as it was meant to. One that others canceled, with
    no reason of the venue's, counts as refused.
    """
    is_expired = event_kind == EventKind.ORDER_EXPIRED
    is_taken_back = event_kind == EventKind.ORDER_CANCELED and (reason == 0 or reason == Reason.OPERATOR)
    if not is_expired and not is_taken_back and event_kind != EventKind.ORDER_REJECTED:
        return
    held = state.positions[order.instance].qty
    if held == 0.0 or order.reduce_only == 0 or before == OrderState.PENDING_CANCEL:
        return
    machine = state.instances[order.instance]
    if is_stop(order):
        _refuse_stop(state, rows, order, Reason.WOULD_TRIGGER.value if is_expired else reason)
    elif order.role == Role.TAKE_PROFIT:
        machine.target_retry_ns = state.ts_ns + TARGET_WAIT_NS
        call_at(state, order.instance, machine.target_retry_ns)
    elif order.kind == OrderKind.MARKET and (order.role != Role.STRATEGY or order.qty >= abs(held)):
        machine.exit_due = order.role
        if event_kind == EventKind.ORDER_REJECTED:
            machine.exit_retry_ns = state.ts_ns + EXIT_WAIT_NS
            call_at(state, order.instance, machine.exit_retry_ns)
