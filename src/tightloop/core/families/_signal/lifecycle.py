"""State transitions of a signal instance, its timer, and the release of the slot and symbol lock that it holds."""

from tightloop.core import limits, log
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import InstanceState, RowKind
from tightloop.core.domain.types import Record, Rows


@hot
def transition(state: Record, rows: Rows, instance: int, to: int, reason: int) -> None:
    """Change the instance's state, with a row in the log."""
    machine = state.instances[instance]
    row = log.emit(state, rows, RowKind.TRANSITION.value, instance)
    row.slot = machine.state
    row.code = to
    row.reason = reason
    row.signal_id = machine.signal_id
    log.seal(state, row)
    machine.state = to
    machine.state_since_ns = state.ts_ns


@leaf
def set_timer(state: Record, instance: int, due_ns: int) -> None:
    """Schedule a TIMER call of this instance; a later call replaces it."""
    state.instances[instance].timer_ns = due_ns
    state.next_timer_ns = min(state.next_timer_ns, due_ns)


@leaf
def release(state: Record, rows: Rows, instance: int, to: int, reason: int, cooldown_ns: int) -> None:
    """Release slot and symbol lock, enter ``to`` (SIGNAL_CANCELLED or EXITED) and start its cooldown.

    Without a cooldown the instance returns to MONITORING at once.
    """
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    assert strategy.slots_used > 0, "a slot is given back once"
    strategy.slots_used -= 1
    if state.instruments[machine.instrument].lock == instance + 1:
        state.instruments[machine.instrument].lock = 0
    machine.cooldown_until_ns = state.ts_ns + cooldown_ns
    machine.end_reason = 0
    transition(state, rows, instance, to, reason)
    if cooldown_ns > 0:
        set_timer(state, instance, machine.cooldown_until_ns)
    else:
        return_to_monitoring(state, rows, instance)


@leaf
def return_to_monitoring(state: Record, rows: Rows, instance: int) -> None:
    """Return to MONITORING: no signal, no timer."""
    machine = state.instances[instance]
    machine.timer_ns = limits.NEVER_NS
    transition(state, rows, instance, InstanceState.MONITORING.value, 0)
    machine.signal_id = 0
    machine.signal_ns = 0
