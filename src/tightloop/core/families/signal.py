"""The signal family: rule sections drive a state machine, one instance per strategy and instrument.

A strategy file writes up to five sections, each a rule tree (``core/rules.py``):

    S1   a signal is present          O1   the signal is off
    Z1   enter now                    ZE1  regular exit
    E1   emergency exit

State               leaves on                           for
MONITORING          S1 TRUE, slot and symbol free       SIGNAL_DETECTED
SIGNAL_DETECTED     Z1 TRUE                             ENTRY_EVALUATION, at once ENTRY_PENDING or, if refused,
                                                        SIGNAL_CANCELLED without cooldown
                    O1 TRUE, timeout, kill switch       SIGNAL_CANCELLED
ENTRY_PENDING       first fill                          POSITION_ACTIVE
                    entry ended without a fill          SIGNAL_CANCELLED
POSITION_ACTIVE     E1 TRUE, feed silent too long       EMERGENCY_EXIT
                    ZE1 TRUE, maximum holding time,
                    kill switch                         EXIT_PENDING
                    flat by stop or target              EXITED, once no order is open
EXIT_PENDING        E1 TRUE                             EMERGENCY_EXIT
                    flat, no open orders                EXITED
EMERGENCY_EXIT      flat, no open orders                EXITED
SIGNAL_CANCELLED,   cooldown over                       MONITORING
EXITED

Calls. The step calls ``decide`` with a Moment. DECIDE evaluates the sections of every touched instance and handles all
exits and cancels; an instance that wants to enter only returns 1. Then the step calls ENTER for these candidates in
order of confidence, so that slots, symbol locks and cash go to the best ones. The other moments report what happened in
between: FILLED, ORDER_ENDED, TIMER, KILL, TRAIL, FOUND, SILENT.

Order of priority within one evaluation: E1, then stop and targets (orders at the venue, not evaluated here), maximum
holding time, ZE1, O1, Z1, S1. One evaluation makes at most one transition, with two exceptions: the end of a cooldown
does not count, and a strategy with ``immediate`` joins S1 and Z1.

Invariants. A section acts on TRUE alone: FALSE and UNKNOWN are the same to it. From SIGNAL_DETECTED on, an instance
occupies one of its strategy's position slots and the lock of its symbol; ``lifecycle.release`` alone gives them back.
Stops and targets rest at the venue until the position is flat, so an exit in progress is never unprotected; all exits
are reduce-only, so two that fill at once cannot turn the position around. At most one market exit is open at a time.

What may surprise:

- O1 or E1 in ENTRY_PENDING only requests the cancel of the entry; ``end_reason`` remembers why. The instance waits for
  the venue's answer, and if the entry fills first, its position is closed immediately.
- An exit that ended without closing the position (rejected, cancelled) is sent again at the next evaluation, one that
  expired at once. What follows a refused stop is in ``core/trading/refused.py``.
- A position found after its signal has ended (FOUND) takes a slot again, only to be closed at market.
- A stop that fills partly cancels what is left of the entry, which could otherwise reopen the position.
- The cooldown depends on what closed the position: none after a stop, ``e1_cooldown`` after E1 or a liquidation, else
  ``ze1_cooldown``.
- Sections with crossings, hold or seq are evaluated in every state, because their memory must not miss an evaluation.
"""

import math

from tightloop.core import limits, log, rounding
from tightloop.core.compiled import compiled, hot, leaf
from tightloop.core.domain.enums import (
    InstanceState,
    Moment,
    OrderKind,
    Reason,
    Role,
    StopKind,
    TargetKind,
    TimeInForce,
    WarningCode,
)
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.families._signal import entry as signal_entry
from tightloop.core.families._signal import exits as signal_exits
from tightloop.core.families._signal import lifecycle as signal_lifecycle
from tightloop.core.families._signal import protection as signal_protection
from tightloop.core.families._signal import sections as signal_sections
from tightloop.core.families._signal.sections import E1, O1, S1, Z1, ZE1
from tightloop.core.market import update as market_update
from tightloop.core.rules import TRUE, value_of
from tightloop.core.signatures import DECIDE, call_evaluate
from tightloop.core.trading import account as trading_account
from tightloop.core.trading import commands, refused

PARAMETERS = ()
MEASURES_ON_DEMAND = True  # calls measure_rest before it reads values, so indicators may be deferred


# Signals and entries ------------------------------------------------------------------------------------------------


@leaf
def _cancel_signal(state: Record, arena: Floats, rows: Rows, instance: int, reason: int) -> None:
    """Cancel the signal: section O1 or its timeout."""
    machine = state.instances[instance]
    signal_sections.report_section(state, arena, rows, instance, O1, reason)
    cooldown_ns = state.strategies[machine.strategy].o1_cooldown_ns
    signal_lifecycle.release(state, rows, instance, InstanceState.SIGNAL_CANCELLED.value, reason, cooldown_ns)


@leaf
def _guard(state: Record, instance: int) -> int:
    """Return why S1 may not fire now (a Reason), or 0."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    if trading_account.is_killed(state, instance):
        return Reason.KILL_SWITCH.value
    if strategy.max_concurrent_positions > 0 and strategy.slots_used >= strategy.max_concurrent_positions:
        return Reason.SLOTS_FULL.value
    if state.instruments[machine.instrument].lock != 0:
        return Reason.SYMBOL_LOCKED.value
    return 0


@leaf
def _detect(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """Act on S1: take a slot and the symbol lock, or report why not.

    A suppression is reported once per reason, until S1 is no longer TRUE.
    """
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    reason = _guard(state, instance)
    if reason != 0:
        if machine.suppressed_for != reason:
            machine.suppressed_for = reason
            signal_sections.report_section(state, arena, rows, instance, S1, reason)
        return
    machine.suppressed_for = 0
    strategy.slots_used += 1
    instrument = state.instruments[machine.instrument]
    instrument.lock = instance + 1  # 0: unlocked
    machine.signal_id = log.next_id(state)
    machine.signal_ns = state.ts_ns
    machine.high_since_signal = instrument.bar.high
    machine.low_since_signal = instrument.bar.low
    if strategy.target_kind == TargetKind.LADDER_RETRACEMENT:
        machine.signal_base = value_of(state, arena, machine, strategy.base_slot)
    signal_sections.report_section(state, arena, rows, instance, S1, 0)
    signal_lifecycle.transition(state, rows, instance, InstanceState.SIGNAL_DETECTED.value, 0)
    if strategy.o1_timeout_ns > 0:
        signal_lifecycle.set_timer(state, instance, machine.signal_ns + strategy.o1_timeout_ns)
    if strategy.z1_immediate != 0:
        _enter(state, arena, rows, table, instance)


@leaf
def _enter(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """Act on Z1: plan price, stop, target and size, then send the entry order.

    A refused plan becomes a denied order with its reason, so that it is visible in the results; slot and lock are
    released at once.
    """
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    machine.timer_ns = limits.NEVER_NS
    signal_sections.report_section(state, arena, rows, instance, Z1, 0)
    signal_lifecycle.transition(state, rows, instance, InstanceState.ENTRY_EVALUATION.value, 0)
    # The stop comes before the size (risk sizing divides by its distance), as rounded for the venue: with the planned
    # price the position could risk more than it was sized for.
    price = signal_entry.entry_price(state, arena, instance)
    signal_entry.keep_retracement(state, arena, instance)
    stop = signal_entry.stop_price(state, arena, instance, price)
    resting_stop = signal_entry.stop_at_rest(state, instance, stop)
    target = signal_entry.target_price(state, arena, instance, price, 0)
    planned_qty = signal_entry.quantity(state, arena, instance, price, resting_stop)
    qty = signal_entry.fitted(state, instance, price, planned_qty)
    reason = signal_entry.refusal(state, instance, price, qty, resting_stop, target)
    # Draft the order even if the plan is refused: a denied order records what was planned and why it was refused.
    slot = commands.draft(state, instance, Role.ENTRY.value, strategy.direction, qty if qty == qty else 0.0)
    order = state.orders[slot]
    order.reduce_only = 0
    order.leverage = strategy.leverage
    order.kind = strategy.order_kind
    order.tif = strategy.order_tif
    order.post_only = strategy.order_post_only
    order.reference_price = price
    if order.kind == OrderKind.LIMIT:
        order.price = price
    elif order.kind != OrderKind.MARKET:
        order.stop_price = price
        if order.kind == OrderKind.STOP_LIMIT:
            increment = state.instruments[machine.instrument].price_increment
            limit = price * (1.0 + strategy.direction * strategy.limit_offset_bps / 10_000.0)
            order.price = rounding.price_passive(limit, increment, strategy.direction)
            if reason == 0 and not order.price > 0.0:
                reason = Reason.PRICE_UNKNOWN.value
    if strategy.order_ttl_ns > 0:
        order.tif = TimeInForce.GTT.value
        order.expires_ns = state.ts_ns + strategy.order_ttl_ns
    machine.signal_price = price
    machine.planned_stop = stop
    machine.planned_target = target
    if reason != 0:
        commands.deny(state, rows, slot, reason)
    else:
        reason = commands.send(state, rows, table, slot)
    if reason == 0 and qty < planned_qty:
        trading_account.warn(state, rows, WarningCode.SIZE_REDUCED.value, instance, planned_qty, state.orders[slot].id)
    if reason != 0:
        signal_lifecycle.release(state, rows, instance, InstanceState.SIGNAL_CANCELLED.value, reason, 0)
    else:
        signal_lifecycle.transition(state, rows, instance, InstanceState.ENTRY_PENDING.value, 0)


@leaf
def _fire_exit(
    state: Record, arena: Floats, rows: Rows, table: Table, instance: int, section: int, reason: int
) -> None:
    """Report section E1 or ZE1 and close the position."""
    signal_sections.report_section(state, arena, rows, instance, section, reason)
    signal_exits.close_position(state, rows, table, instance, Role.E1.value if section == E1 else Role.ZE1.value)


# Moments ------------------------------------------------------------------------------------------------------------


@leaf
def _finish(state: Record, rows: Rows, instance: int) -> None:
    """End the signal: flat without open orders, whether the entry never filled or a position was closed."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    if machine.state == InstanceState.ENTRY_PENDING:
        reason = machine.end_reason if machine.end_reason != 0 else Reason.ENTRY_UNFILLED.value
        cooldown_ns = strategy.e1_cooldown_ns if reason == Reason.E1_TRUE else strategy.o1_cooldown_ns
        signal_lifecycle.release(state, rows, instance, InstanceState.SIGNAL_CANCELLED.value, reason, cooldown_ns)
    else:
        # After E1 the emergency cooldown applies, even if a stop or target closed the position first.
        role = Role.E1.value if machine.state == InstanceState.EMERGENCY_EXIT else machine.exit_role
        cooldown_ns = signal_exits.exit_cooldown_ns(strategy, role)
        signal_lifecycle.release(state, rows, instance, InstanceState.EXITED.value, Reason.EXIT.value, cooldown_ns)


@leaf
def _holds(state: int) -> bool:
    """Tell whether an instance in this state has a position, or had one until this event."""
    return (
        state == InstanceState.POSITION_ACTIVE
        or state == InstanceState.EXIT_PENDING
        or state == InstanceState.EMERGENCY_EXIT
    )


@hot
def _only_watches(state: int) -> bool:
    """Tell whether this state reads S1 and sections with a memory only, so lazy indicators may stay deferred."""
    return state == InstanceState.MONITORING or state == InstanceState.SIGNAL_CANCELLED or state == InstanceState.EXITED


@leaf
def _on_fill(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """Place or resize stop and targets after a fill; when flat, cancel what is left and finish."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    position = state.positions[instance]
    if position.qty == 0.0:
        if _holds(machine.state):
            signal_exits.cancel_orders(state, rows, instance, False, Reason.EXIT.value)
        if machine.order_first < 0:
            _finish(state, rows, instance)
        return
    if machine.state == InstanceState.ENTRY_PENDING:
        signal_lifecycle.transition(state, rows, instance, InstanceState.POSITION_ACTIVE.value, 0)
        if strategy.max_hold_ns > 0:
            signal_lifecycle.set_timer(state, instance, max(position.opened_ns + strategy.max_hold_ns, state.ts_ns))
        if machine.end_reason != 0:
            # The entry filled before its cancel arrived: close the position that was called off.
            role = Role.E1.value if machine.end_reason == Reason.E1_TRUE else Role.ZE1.value
            machine.end_reason = 0
            signal_exits.close_position(state, rows, table, instance, role)
    if signal_exits.is_stopping(state, instance):
        signal_exits.cancel_orders(state, rows, instance, True, Reason.EXIT.value)
    if trading_account.is_killed(state, instance) and signal_exits.exit_order(state, instance) < 0:
        signal_exits.close_position(state, rows, table, instance, Role.MANUAL.value)
    signal_protection.place_stop(state, rows, table, instance)
    signal_protection.place_targets(state, arena, rows, table, instance)


@leaf
def _on_found(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """Close a position that nothing was planned for, at market; its slot and symbol are taken as for any other."""
    machine = state.instances[instance]
    if state.positions[instance].qty == 0.0:
        _on_fill(state, arena, rows, table, instance)
        return
    if _only_watches(machine.state):
        state.strategies[machine.strategy].slots_used += 1
        if state.instruments[machine.instrument].lock == 0:
            state.instruments[machine.instrument].lock = instance + 1
    machine.end_reason = 0
    signal_exits.close_position(state, rows, table, instance, Role.MANUAL.value)


@leaf
def _on_silence(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """Act on a feed that has been silent for as long as ``on_stale`` says: E1 where it exits."""
    machine = state.instances[instance]
    is_exiting = machine.state == InstanceState.EMERGENCY_EXIT or not _holds(machine.state)
    if state.strategies[machine.strategy].stale_ns > 0 and not is_exiting:
        _fire_exit(state, arena, rows, table, instance, E1, Reason.FEED_SILENT.value)


@leaf
def _on_order_ended(state: Record, rows: Rows, table: Table, instance: int) -> None:
    """Finish when the last open order has ended without a position; close one whose stop was refused."""
    machine = state.instances[instance]
    signal_exits.close_if_due(state, rows, table, instance)
    waits = machine.state == InstanceState.ENTRY_PENDING or _holds(machine.state)
    if waits and machine.order_first < 0 and state.positions[instance].qty == 0.0:
        _finish(state, rows, instance)


@hot
def _is_due(state: Record, since_ns: int, span_ns: int) -> bool:
    """Tell whether ``span_ns`` (0: never) has passed since ``since_ns``."""
    return span_ns > 0 and state.ts_ns - since_ns >= span_ns


@leaf
def _on_time_held(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """Apply what time alone causes while a position is held: its longest time, and tries after refusals."""
    machine = state.instances[instance]
    position = state.positions[instance]
    if position.qty == 0.0:
        return
    span_ns = state.strategies[machine.strategy].max_hold_ns
    if _is_due(state, position.opened_ns, span_ns):
        signal_exits.close_position(state, rows, table, instance, Role.TIME.value)
        return
    signal_exits.close_if_due(state, rows, table, instance)
    if machine.state == InstanceState.POSITION_ACTIVE:
        if machine.stop_retry_ns != 0:
            signal_protection.place_stop(state, rows, table, instance)
        if machine.target_retry_ns != 0 and state.ts_ns >= machine.target_retry_ns:
            machine.target_retry_ns = 0
            signal_protection.place_targets(state, arena, rows, table, instance)
        if span_ns > 0:
            refused.call_at(state, instance, position.opened_ns + span_ns)
        refused.call_for_next_try(state, instance)


@leaf
def _on_time(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """Apply what time alone causes: timeout of a signal, maximum holding time, end of a cooldown."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    if machine.state == InstanceState.SIGNAL_DETECTED:
        if _is_due(state, machine.signal_ns, strategy.o1_timeout_ns):
            _cancel_signal(state, arena, rows, instance, Reason.O1_TIMEOUT.value)
    elif machine.state == InstanceState.POSITION_ACTIVE:
        _on_time_held(state, arena, rows, table, instance)
    elif machine.state == InstanceState.EXIT_PENDING or machine.state == InstanceState.EMERGENCY_EXIT:
        signal_exits.close_if_due(state, rows, table, instance)
    elif machine.state == InstanceState.SIGNAL_CANCELLED or machine.state == InstanceState.EXITED:
        if state.ts_ns >= machine.cooldown_until_ns:
            signal_lifecycle.return_to_monitoring(state, rows, instance)


@hot
def _is_stale(state: Record, rows: Rows, instance: int) -> bool:
    """Tell whether the last data gap reached the strategy's ``stale_ns``; warns once, at the gap's event."""
    machine = state.instances[instance]
    instrument, limit_ns = state.instruments[machine.instrument], abs(state.strategies[machine.strategy].stale_ns)
    if limit_ns == 0 or instrument.gap_ns < limit_ns:
        return False
    if state.ts_ns == instrument.touched_ns + instrument.gap_ns:
        trading_account.warn(state, rows, WarningCode.FEED_SILENT.value, instance, instrument.gap_ns * 1e-9, 0)
    return True


@hot
def _decide_with_position(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """Evaluate the exits by priority: E1, time, ZE1. Otherwise restore and tighten the protection."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    if state.positions[instance].qty == 0.0:
        return  # closed at the venue; the ends of its orders are still to arrive
    is_stale = _is_stale(state, rows, instance)
    if machine.verdicts[E1] == TRUE or (is_stale and strategy.stale_ns > 0):
        reason = 0 if machine.verdicts[E1] == TRUE else Reason.FEED_SILENT.value
        _fire_exit(state, arena, rows, table, instance, E1, reason)
    elif machine.state == InstanceState.EXIT_PENDING:
        if signal_exits.exit_order(state, instance) < 0 and state.ts_ns >= machine.exit_retry_ns:
            signal_exits.close_position(state, rows, table, instance, machine.exit_role)
    elif _is_due(state, state.positions[instance].opened_ns, strategy.max_hold_ns):
        signal_exits.close_position(state, rows, table, instance, Role.TIME.value)
    elif machine.verdicts[ZE1] == TRUE:
        _fire_exit(state, arena, rows, table, instance, ZE1, 0)
    else:
        trails = strategy.stop_kind == StopKind.TRAILING_PERCENT or strategy.stop_kind == StopKind.TRAILING_VARIANT
        role = Role.TRAILING.value if trails else Role.STOP_LOSS.value
        if strategy.stop_kind != StopKind.NONE and signal_protection.protective_order(state, instance, role, 0) < 0:
            signal_protection.place_stop(state, rows, table, instance)
        signal_protection.tighten_trail(state, arena, rows, instance)


@hot
def _decide(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> int:
    """Evaluate once: at most one transition, by priority. Returns 1 if the instance requests an entry."""
    machine = state.instances[instance]
    if not _only_watches(machine.state):
        market_update.measure_rest(state, arena, table, machine.instrument)
    # Indicators of the instance (P&L, age of its signal) read positions and states, which change without a tick.
    for k in range(machine.own_first, machine.own_first + machine.own_count):
        indicator = state.indicators[k]
        call_evaluate(table[indicator.address], state, arena, instance, indicator.base)
    # A cooldown that ends now ends before S1 is read, so the instance can signal in the same evaluation.
    if machine.timer_ns <= state.ts_ns and (
        machine.state == InstanceState.SIGNAL_CANCELLED or machine.state == InstanceState.EXITED
    ):
        _on_time(state, arena, rows, table, instance)
    signal_sections.evaluate_sections(state, arena, instance)
    if machine.state == InstanceState.MONITORING:
        if machine.verdicts[S1] != TRUE:
            machine.suppressed_for = 0
            return 0
        return 1
    if machine.state == InstanceState.SIGNAL_DETECTED:
        if machine.verdicts[O1] == TRUE:
            _cancel_signal(state, arena, rows, instance, Reason.O1_TRUE.value)
        elif _is_due(state, machine.signal_ns, state.strategies[machine.strategy].o1_timeout_ns):
            _cancel_signal(state, arena, rows, instance, Reason.O1_TIMEOUT.value)
        elif machine.verdicts[Z1] == TRUE or state.strategies[machine.strategy].z1_immediate != 0:
            return 1
    elif machine.state == InstanceState.ENTRY_PENDING:
        if machine.end_reason == 0 and (machine.verdicts[E1] == TRUE or machine.verdicts[O1] == TRUE):
            section = E1 if machine.verdicts[E1] == TRUE else O1
            machine.end_reason = Reason.E1_TRUE.value if section == E1 else Reason.O1_TRUE.value
            signal_sections.report_section(state, arena, rows, instance, section, machine.end_reason)
            signal_exits.cancel_orders(state, rows, instance, True, machine.end_reason)
    elif machine.state == InstanceState.POSITION_ACTIVE or machine.state == InstanceState.EXIT_PENDING:
        _decide_with_position(state, arena, rows, table, instance)
    elif machine.state == InstanceState.EMERGENCY_EXIT and signal_exits.exit_order(state, instance) < 0:
        if state.positions[instance].qty == 0.0 or state.ts_ns < machine.exit_retry_ns:
            return 0
        signal_exits.close_position(state, rows, table, instance, Role.E1.value)
    return 0


@leaf
def _kill(state: Record, rows: Rows, table: Table, instance: int) -> None:
    """Apply the kill switch: cancel entries, close the position, cancel the signal."""
    machine = state.instances[instance]
    signal_exits.cancel_orders(state, rows, instance, True, Reason.KILLED.value)
    if state.positions[instance].qty != 0.0:
        signal_exits.close_position(state, rows, table, instance, Role.MANUAL.value)
    elif machine.state == InstanceState.SIGNAL_DETECTED:
        signal_lifecycle.release(state, rows, instance, InstanceState.SIGNAL_CANCELLED.value, Reason.KILLED.value, 0)
    elif machine.state == InstanceState.ENTRY_PENDING:
        machine.end_reason = Reason.KILLED.value


@compiled(DECIDE)
def decide(state: Record, arena: Floats, rows: Rows, table: Table, instance: int, moment: int) -> int:
    """Handle a ``Moment`` of one instance; returns 1 from DECIDE if it requests an entry, else 0."""
    machine = state.instances[instance]
    if moment == Moment.DECIDE:
        if machine.state == InstanceState.INACTIVE:
            return 0
        confidence_slot = state.strategies[machine.strategy].confidence_slot
        wants = _decide(state, arena, rows, table, instance)
        if wants != 0 and confidence_slot >= 0:
            confidence = value_of(state, arena, machine, confidence_slot)
            machine.confidence = confidence if confidence == confidence else -math.inf
        return wants
    market_update.measure_rest(state, arena, table, machine.instrument)
    if moment == Moment.ENTER:
        if machine.state == InstanceState.MONITORING:
            _detect(state, arena, rows, table, instance)
        else:
            _enter(state, arena, rows, table, instance)
    elif moment == Moment.FILLED:
        _on_fill(state, arena, rows, table, instance)
    elif moment == Moment.ORDER_ENDED:
        _on_order_ended(state, rows, table, instance)
    elif moment == Moment.TIMER:
        _on_time(state, arena, rows, table, instance)
    elif moment == Moment.TRAIL:
        signal_protection.tell_trail(state, arena, rows, instance)
    elif moment == Moment.FOUND:
        _on_found(state, arena, rows, table, instance)
    elif moment == Moment.SILENT:
        _on_silence(state, arena, rows, table, instance)
    else:
        assert moment == Moment.KILL, "a moment is known"
        _kill(state, rows, table, instance)
    return 0
