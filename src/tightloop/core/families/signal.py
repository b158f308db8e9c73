"""The signal family: five sections and the state machine of an instance (one strategy on one instrument).

    MONITORING        S1 TRUE, slot and symbol free   SIGNAL_DETECTED
    SIGNAL_DETECTED   Z1 TRUE                         ENTRY_EVALUATION, then ENTRY_PENDING, or back when denied
                      O1 TRUE or timeout              SIGNAL_CANCELLED
    ENTRY_PENDING     first fill                      POSITION_ACTIVE
                      O1 or E1 TRUE, or unfilled      SIGNAL_CANCELLED
    POSITION_ACTIVE   E1 TRUE                         EMERGENCY_EXIT
                      ZE1 TRUE, longest hold          EXIT_PENDING
                      stop or target at the venue     (flat)
    any of the last   flat, and no order left         EXITED
    SIGNAL_CANCELLED, EXITED    cooldown over         MONITORING

Priority in one evaluation: E1, stop and target (they work at the venue), time, ZE1, O1, Z1, S1. One transition an
evaluation; ``immediate`` alone joins S1 and Z1. A section acts on TRUE only. Stops and targets stay at work until the
position is flat, so an exit under way is never unprotected.
"""

import math

from tightloop.core import limits, log, rounding
from tightloop.core.compiled import compiled, hot, leaf
from tightloop.core.domain.enums import (
    InstanceState,
    Moment,
    Op,
    OrderKind,
    Reason,
    Role,
    RowKind,
    Section,
    StopKind,
    TargetKind,
    TimeInForce,
    WarningCode,
)
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.families._signal import entry as signal_entry
from tightloop.core.families._signal import protection as signal_protection
from tightloop.core.market import update as market_update
from tightloop.core.rules import FALSE, TRUE, evaluate, last_verdict, value_of
from tightloop.core.signatures import DECIDE, call_evaluate
from tightloop.core.trading import account as trading_account
from tightloop.core.trading import commands

PARAMETERS = ()
MEASURES_ON_DEMAND = True
S1, O1, Z1, ZE1, E1 = int(Section.S1), int(Section.O1), int(Section.Z1), int(Section.ZE1), int(Section.E1)


# Sections -----------------------------------------------------------------------------------------------------------


@hot
def _is_needed(state: int, section: int) -> bool:
    """Whether a state listens to a section."""
    if state == InstanceState.MONITORING:
        return section == S1
    if state == InstanceState.SIGNAL_DETECTED:
        return section == O1 or section == Z1
    if state == InstanceState.ENTRY_PENDING:
        return section == O1 or section == E1
    if state == InstanceState.POSITION_ACTIVE:
        return section == ZE1 or section == E1
    return section == E1 and state == InstanceState.EXIT_PENDING


@hot
def _evaluate_sections(state: Record, arena: Floats, instance: int) -> None:
    """Verdicts of the sections the state listens to, and of those with a memory, whose memory must not miss a step."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    for section in range(5):
        own.verdicts[section] = FALSE
        count = strategy.section_count[section]
        if count > 0 and (strategy.section_is_stateful[section] != 0 or _is_needed(own.state, section)):
            own.verdicts[section] = evaluate(state, arena, own, strategy.section_first[section], count, state.ts_ns)


@leaf
def _report_section(state: Record, arena: Floats, rows: Rows, instance: int, section: int, reason: int) -> None:
    """A section fired (reason 0 or the cause) or was suppressed, with each of its conditions."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    row = log.emit(state, rows, RowKind.SECTION.value, instance)
    row.code = section
    row.reason = reason
    row.signal_id = own.signal_id
    row.price = state.instruments[own.instrument].mark
    log.seal(state, row)
    first = strategy.section_first[section]
    for at in range(first, first + strategy.section_count[section]):
        node = state.nodes[at]
        if node.op >= Op.ALL:
            continue
        row = log.emit(state, rows, RowKind.CONDITION.value, instance)
        row.slot = at
        row.code = last_verdict(state, arena, own, node)
        row.value = value_of(state, arena, own, node.left)
        row.threshold = value_of(state, arena, own, node.right)
        if node.op == Op.BETWEEN:
            row.exit_price = value_of(state, arena, own, node.right_high)


# The machine --------------------------------------------------------------------------------------------------------


@hot
def _transition(state: Record, rows: Rows, instance: int, to: int, reason: int) -> None:
    own = state.instances[instance]
    row = log.emit(state, rows, RowKind.TRANSITION.value, instance)
    row.slot = own.state
    row.code = to
    row.reason = reason
    row.signal_id = own.signal_id
    log.seal(state, row)
    own.state = to
    own.state_since_ns = state.ts_ns


@leaf
def _set_timer(state: Record, instance: int, due_ns: int) -> None:
    state.instances[instance].timer_ns = due_ns
    state.next_timer_ns = min(state.next_timer_ns, due_ns)


@leaf
def _rest(state: Record, rows: Rows, instance: int, to: int, reason: int, cooldown_ns: int) -> None:
    """Give slot and lock back and cool down; without a cooldown the instance is in MONITORING at once."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    assert strategy.slots_used > 0, "a slot is given back once"
    strategy.slots_used -= 1
    state.instruments[own.instrument].lock = 0
    own.cooldown_until_ns = state.ts_ns + cooldown_ns
    own.end_reason = 0
    _transition(state, rows, instance, to, reason)
    if cooldown_ns > 0:
        _set_timer(state, instance, own.cooldown_until_ns)
    else:
        _monitor(state, rows, instance)


@leaf
def _monitor(state: Record, rows: Rows, instance: int) -> None:
    own = state.instances[instance]
    own.timer_ns = limits.NEVER_NS
    _transition(state, rows, instance, InstanceState.MONITORING.value, 0)
    own.signal_id = 0
    own.signal_ns = 0


@leaf
def _cancel_signal(state: Record, arena: Floats, rows: Rows, instance: int, reason: int) -> None:
    """O1: the signal is off."""
    own = state.instances[instance]
    _report_section(state, arena, rows, instance, O1, reason)
    cooldown_ns = state.strategies[own.strategy].o1_cooldown_ns
    _rest(state, rows, instance, InstanceState.SIGNAL_CANCELLED.value, reason, cooldown_ns)


@leaf
def _guard(state: Record, instance: int) -> int:
    """Why S1 may not fire now; 0 when it may."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    if trading_account.is_killed(state, instance):
        return Reason.KILL_SWITCH.value
    if strategy.max_concurrent_positions > 0 and strategy.slots_used >= strategy.max_concurrent_positions:
        return Reason.SLOTS_FULL.value
    if state.instruments[own.instrument].lock != 0:
        return Reason.SYMBOL_LOCKED.value
    return 0


@leaf
def _detect(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """S1 is TRUE: take a slot and the symbol, or say once why not."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    reason = _guard(state, instance)
    if reason != 0:
        if own.suppressed_for != reason:
            own.suppressed_for = reason
            _report_section(state, arena, rows, instance, S1, reason)
        return
    own.suppressed_for = 0
    strategy.slots_used += 1
    instrument = state.instruments[own.instrument]
    instrument.lock = instance + 1
    own.signal_id = log.next_id(state)
    own.signal_ns = state.ts_ns
    own.high_since_signal = instrument.bar.high
    own.low_since_signal = instrument.bar.low
    if strategy.target_kind == TargetKind.LADDER_RETRACEMENT:
        own.signal_base = value_of(state, arena, own, strategy.base_slot)
    _report_section(state, arena, rows, instance, S1, 0)
    _transition(state, rows, instance, InstanceState.SIGNAL_DETECTED.value, 0)
    if strategy.o1_timeout_ns > 0:
        _set_timer(state, instance, own.signal_ns + strategy.o1_timeout_ns)
    if strategy.z1_immediate != 0:
        _enter(state, arena, rows, table, instance)


@leaf
def _enter(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """Z1: plan, size, check, reserve, send; a refusal gives the slot back at once."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    own.timer_ns = limits.NEVER_NS
    _report_section(state, arena, rows, instance, Z1, 0)
    _transition(state, rows, instance, InstanceState.ENTRY_EVALUATION.value, 0)
    price = signal_entry.entry_price(state, arena, instance)
    signal_entry.keep_retracement(state, arena, instance)
    stop = signal_entry.stop_price(state, arena, instance, price)
    rests = signal_entry.stop_at_rest(state, instance, stop)
    target = signal_entry.target_price(state, arena, instance, price, 0)
    asked = signal_entry.quantity(state, arena, instance, price, rests)
    qty = signal_entry.fitted(state, instance, price, asked)
    reason = signal_entry.refusal(state, instance, price, qty, rests, target)
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
            increment = state.instruments[own.instrument].price_increment
            limit = price * (1.0 + strategy.direction * strategy.limit_offset_bps / 10_000.0)
            order.price = rounding.price_passive(limit, increment, strategy.direction)
            if reason == 0 and not order.price > 0.0:
                reason = Reason.PRICE_UNKNOWN.value
    if strategy.order_ttl_ns > 0:
        order.tif = TimeInForce.GTT.value
        order.expires_ns = state.ts_ns + strategy.order_ttl_ns
    own.signal_price = price
    own.planned_stop = stop
    own.planned_target = target
    if reason != 0:
        commands.deny(state, rows, slot, reason)
    else:
        reason = commands.send(state, rows, table, slot)
    if reason == 0 and qty < asked:
        trading_account.warn(state, rows, WarningCode.SIZE_REDUCED.value, instance, asked, state.orders[slot].id)
    if reason != 0:
        _rest(state, rows, instance, InstanceState.SIGNAL_CANCELLED.value, reason, 0)
    else:
        _transition(state, rows, instance, InstanceState.ENTRY_PENDING.value, 0)


# Exits --------------------------------------------------------------------------------------------------------------


@leaf
def _is_exit(role: int) -> bool:
    """An order that closes the whole position at once, not a stop or a target that waits."""
    return role == Role.ZE1 or role == Role.E1 or role == Role.TIME or role == Role.MANUAL


@leaf
def _cancel_orders(state: Record, rows: Rows, instance: int, entries_only: bool, reason: int) -> None:
    at = state.instances[instance].order_first
    while at >= 0:
        order = state.orders[at]
        if not entries_only or order.role == Role.ENTRY:
            commands.cancel(state, rows, at, reason)
        at = order.next


@leaf
def _exit_order(state: Record, instance: int) -> int:
    """The slot of the exit that is under way, -1 when there is none."""
    at = state.instances[instance].order_first
    while at >= 0:
        if _is_exit(state.orders[at].role):
            return at
        at = state.orders[at].next
    return -1


@leaf
def _exit(state: Record, rows: Rows, table: Table, instance: int, role: int) -> None:
    """Close all of the position at market, reduce-only; one exit order at a time."""
    own = state.instances[instance]
    position = state.positions[instance]
    to = InstanceState.EMERGENCY_EXIT.value if role == Role.E1 else InstanceState.EXIT_PENDING.value
    if role == Role.ZE1:
        _transition(state, rows, instance, InstanceState.CLOSE_ORDER_EVALUATION.value, 0)
    if role != Role.E1 or state.strategies[own.strategy].e1_cancels_pending != 0:
        _cancel_orders(state, rows, instance, True, Reason.EXIT.value)
    if _exit_order(state, instance) < 0:
        side = -1 if position.qty > 0.0 else 1
        slot = commands.draft(state, instance, role, side, abs(position.qty))
        commands.send(state, rows, table, slot)
    own.timer_ns = limits.NEVER_NS
    own.exit_role = role
    _transition(state, rows, instance, to, 0)


@leaf
def _fire_exit(
    state: Record, arena: Floats, rows: Rows, table: Table, instance: int, section: int, reason: int
) -> None:
    _report_section(state, arena, rows, instance, section, reason)
    _exit(state, rows, table, instance, Role.E1.value if section == E1 else Role.ZE1.value)


@leaf
def _exit_cooldown_ns(strategy: Record, role: int) -> int:
    if role == Role.E1 or role == Role.LIQUIDATION:
        return strategy.e1_cooldown_ns
    if role == Role.STOP_LOSS or role == Role.TRAILING:
        return 0
    return strategy.ze1_cooldown_ns


# Moments ------------------------------------------------------------------------------------------------------------


@leaf
def _finish(state: Record, rows: Rows, instance: int) -> None:
    """Flat, and no order left: the end of an entry that never filled, or of a position."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    if own.state == InstanceState.ENTRY_PENDING:
        reason = own.end_reason if own.end_reason != 0 else Reason.ENTRY_UNFILLED.value
        cooldown_ns = strategy.e1_cooldown_ns if reason == Reason.E1_TRUE else strategy.o1_cooldown_ns
        _rest(state, rows, instance, InstanceState.SIGNAL_CANCELLED.value, reason, cooldown_ns)
    else:
        # Once E1 fired it is an emergency, whichever order closed the position.
        role = Role.E1.value if own.state == InstanceState.EMERGENCY_EXIT else own.exit_role
        cooldown_ns = _exit_cooldown_ns(strategy, role)
        _rest(state, rows, instance, InstanceState.EXITED.value, Reason.EXIT.value, cooldown_ns)


@leaf
def _holds(state: int) -> bool:
    """States in which a position is, or was until just now."""
    return (
        state == InstanceState.POSITION_ACTIVE
        or state == InstanceState.EXIT_PENDING
        or state == InstanceState.EMERGENCY_EXIT
    )


@leaf
def _on_fill(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    position = state.positions[instance]
    if position.qty == 0.0:
        if _holds(own.state):
            _cancel_orders(state, rows, instance, False, Reason.EXIT.value)
        if own.order_first < 0:
            _finish(state, rows, instance)
        return
    if own.state == InstanceState.ENTRY_PENDING:
        _transition(state, rows, instance, InstanceState.POSITION_ACTIVE.value, 0)
        if strategy.max_hold_ns > 0:
            _set_timer(state, instance, max(position.opened_ns + strategy.max_hold_ns, state.ts_ns))
        if own.end_reason != 0:
            # It filled while its cancel was on the way: what was called off is closed.
            role = Role.E1.value if own.end_reason == Reason.E1_TRUE else Role.ZE1.value
            own.end_reason = 0
            _exit(state, rows, table, instance, role)
    if _is_stopping(state, instance):
        _cancel_orders(state, rows, instance, True, Reason.EXIT.value)
    signal_protection.place_stop(state, rows, table, instance)
    signal_protection.place_targets(state, arena, rows, table, instance)


@leaf
def _is_stopping(state: Record, instance: int) -> bool:
    """A stop that filled in part is closing the position: nothing may go on entering it."""
    at = state.instances[instance].order_first
    while at >= 0:
        order = state.orders[at]
        if (order.role == Role.STOP_LOSS or order.role == Role.TRAILING) and order.filled_qty > 0.0:
            return True
        at = order.next
    return False


@leaf
def _on_order_ended(state: Record, rows: Rows, instance: int) -> None:
    own = state.instances[instance]
    waits = own.state == InstanceState.ENTRY_PENDING or _holds(own.state)
    if waits and own.order_first < 0 and state.positions[instance].qty == 0.0:
        _finish(state, rows, instance)


@hot
def _is_due(state: Record, since_ns: int, span_ns: int) -> bool:
    return span_ns > 0 and state.ts_ns - since_ns >= span_ns


@leaf
def _on_time(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """What time alone brings about: the timeout of a signal, the longest hold, the end of a cooldown."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    if own.state == InstanceState.SIGNAL_DETECTED:
        if _is_due(state, own.signal_ns, strategy.o1_timeout_ns):
            _cancel_signal(state, arena, rows, instance, Reason.O1_TIMEOUT.value)
    elif own.state == InstanceState.POSITION_ACTIVE:
        position = state.positions[instance]
        if position.qty != 0.0 and _is_due(state, position.opened_ns, strategy.max_hold_ns):
            _exit(state, rows, table, instance, Role.TIME.value)
    elif own.state == InstanceState.SIGNAL_CANCELLED or own.state == InstanceState.EXITED:
        if state.ts_ns >= own.cooldown_until_ns:
            _monitor(state, rows, instance)


@hot
def _is_stale(state: Record, rows: Rows, instance: int) -> bool:
    """Whether the gap that was last told of came after too long a silence; warns when it is told."""
    own = state.instances[instance]
    instrument, limit_ns = state.instruments[own.instrument], abs(state.strategies[own.strategy].stale_ns)
    if limit_ns == 0 or instrument.gap_ns < limit_ns:
        return False
    if state.ts_ns == instrument.touched_ns + instrument.gap_ns:
        trading_account.warn(state, rows, WarningCode.FEED_SILENT.value, instance, instrument.gap_ns * 1e-9, 0)
    return True


@hot
def _decide_with_position(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> None:
    """E1, then time, then ZE1; else keep the protection in shape."""
    own = state.instances[instance]
    strategy = state.strategies[own.strategy]
    if state.positions[instance].qty == 0.0:
        return  # closed, and the ends of its orders are on their way
    is_stale = _is_stale(state, rows, instance)
    if own.verdicts[E1] == TRUE or (is_stale and strategy.stale_ns > 0):
        reason = 0 if own.verdicts[E1] == TRUE else Reason.FEED_SILENT.value
        _fire_exit(state, arena, rows, table, instance, E1, reason)
    elif own.state == InstanceState.EXIT_PENDING:
        if _exit_order(state, instance) < 0:
            _exit(state, rows, table, instance, own.exit_role)
    elif _is_due(state, state.positions[instance].opened_ns, strategy.max_hold_ns):
        _exit(state, rows, table, instance, Role.TIME.value)
    elif own.verdicts[ZE1] == TRUE:
        _fire_exit(state, arena, rows, table, instance, ZE1, 0)
    else:
        trails = strategy.stop_kind == StopKind.TRAILING_PERCENT or strategy.stop_kind == StopKind.TRAILING_VARIANT
        role = Role.TRAILING.value if trails else Role.STOP_LOSS.value
        if strategy.stop_kind != StopKind.NONE and signal_protection.protective_order(state, instance, role, 0) < 0:
            signal_protection.place_stop(state, rows, table, instance)
        signal_protection.tighten_trail(state, arena, rows, instance)


@hot
def _only_watches(state: int) -> bool:
    """States in which nothing but S1, and sections with a memory, are read at an evaluation."""
    return state == InstanceState.MONITORING or state == InstanceState.SIGNAL_CANCELLED or state == InstanceState.EXITED


@hot
def _decide(state: Record, arena: Floats, rows: Rows, table: Table, instance: int) -> int:
    """One evaluation: at most one transition, by priority. Returns 1 when the instance wants to enter."""
    own = state.instances[instance]
    if not _only_watches(own.state):
        market_update.measure_rest(state, arena, table, own.instrument)
    for k in range(own.own_first, own.own_first + own.own_count):
        indicator = state.indicators[k]
        call_evaluate(table[indicator.address], state, arena, instance, indicator.base)
    if own.timer_ns <= state.ts_ns and (
        own.state == InstanceState.SIGNAL_CANCELLED or own.state == InstanceState.EXITED
    ):
        _on_time(state, arena, rows, table, instance)
    _evaluate_sections(state, arena, instance)
    if own.state == InstanceState.MONITORING:
        if own.verdicts[S1] != TRUE:
            own.suppressed_for = 0
            return 0
        return 1
    if own.state == InstanceState.SIGNAL_DETECTED:
        if own.verdicts[O1] == TRUE:
            _cancel_signal(state, arena, rows, instance, Reason.O1_TRUE.value)
        elif _is_due(state, own.signal_ns, state.strategies[own.strategy].o1_timeout_ns):
            _cancel_signal(state, arena, rows, instance, Reason.O1_TIMEOUT.value)
        elif own.verdicts[Z1] == TRUE or state.strategies[own.strategy].z1_immediate != 0:
            return 1
    elif own.state == InstanceState.ENTRY_PENDING:
        if own.end_reason == 0 and (own.verdicts[E1] == TRUE or own.verdicts[O1] == TRUE):
            section = E1 if own.verdicts[E1] == TRUE else O1
            own.end_reason = Reason.E1_TRUE.value if section == E1 else Reason.O1_TRUE.value
            _report_section(state, arena, rows, instance, section, own.end_reason)
            _cancel_orders(state, rows, instance, True, own.end_reason)
    elif own.state == InstanceState.POSITION_ACTIVE or own.state == InstanceState.EXIT_PENDING:
        _decide_with_position(state, arena, rows, table, instance)
    elif own.state == InstanceState.EMERGENCY_EXIT and _exit_order(state, instance) < 0:
        if state.positions[instance].qty == 0.0:
            return 0
        _exit(state, rows, table, instance, Role.E1.value)
    return 0


@leaf
def _kill(state: Record, rows: Rows, table: Table, instance: int) -> None:
    """The kill switch: cancel what enters, close what is held, end what is watched."""
    own = state.instances[instance]
    _cancel_orders(state, rows, instance, True, Reason.KILLED.value)
    if state.positions[instance].qty != 0.0:
        _exit(state, rows, table, instance, Role.MANUAL.value)
    elif own.state == InstanceState.SIGNAL_DETECTED:
        _rest(state, rows, instance, InstanceState.SIGNAL_CANCELLED.value, Reason.KILLED.value, 0)
    elif own.state == InstanceState.ENTRY_PENDING:
        own.end_reason = Reason.KILLED.value


@compiled(DECIDE)
def decide(state: Record, arena: Floats, rows: Rows, table: Table, instance: int, moment: int) -> int:
    """The family's answer to a moment in the life of one instance."""
    own = state.instances[instance]
    if moment == Moment.DECIDE:
        if own.state == InstanceState.INACTIVE:
            return 0
        confidence_slot = state.strategies[own.strategy].confidence_slot
        wants = _decide(state, arena, rows, table, instance)
        if wants != 0 and confidence_slot >= 0:
            confidence = value_of(state, arena, own, confidence_slot)
            own.confidence = confidence if confidence == confidence else -math.inf
        return wants
    market_update.measure_rest(state, arena, table, own.instrument)
    if moment == Moment.ENTER:
        if own.state == InstanceState.MONITORING:
            _detect(state, arena, rows, table, instance)
        else:
            _enter(state, arena, rows, table, instance)
    elif moment == Moment.FILLED:
        _on_fill(state, arena, rows, table, instance)
    elif moment == Moment.ORDER_ENDED:
        _on_order_ended(state, rows, instance)
    elif moment == Moment.TIMER:
        _on_time(state, arena, rows, table, instance)
    elif moment == Moment.TRAIL:
        signal_protection.tell_trail(state, arena, rows, instance)
    else:
        assert moment == Moment.KILL, "a moment is known"
        _kill(state, rows, table, instance)
    return 0
