"""The account as a whole: the gate for new risk, peak equity, drawdown, account stops, ruin, and their warnings.

``risk_refusal`` is the only place that decides whether new risk may be taken. Orders of every family reach it through
the checks ``ready``, ``paused``, ``kill_switch``, ``ruined``, ``drawdown`` and ``daily_loss`` that ``commands.send``
calls; bundles of the carry allocator through ``carry/risk.py``. Whatever reduces risk never asks.
"""

import math

from tightloop.core import limits, log
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import InstanceState, Reason, Role, RowKind, WarningCode
from tightloop.core.domain.types import Record, Rows
from tightloop.core.trading import commands, exposure

ALLOCATOR = -1
"""Scope of the gate: the carry allocator of a run, in place of an instance."""


@leaf
def is_killed(state: Record, scope: int) -> bool:
    """Return whether a kill switch covers the scope: an instance, or ALLOCATOR."""
    killed = state.carry.killed if scope == ALLOCATOR else state.instances[scope].killed
    return state.killed != 0 or killed != 0


@leaf
def _is_not_ready(state: Record) -> bool:
    """Return whether a session's view of the account has not been brought into agreement with the venue's."""
    return state.not_ready != 0


@leaf
def _is_paused(state: Record) -> bool:
    """Return whether a session is paused, or is being stopped."""
    return state.paused != 0


@leaf
def _is_drawn_down(state: Record) -> bool:
    """Return whether the drawdown stop is engaged, or equity is at or beyond its limit now."""
    limit = state.limits.max_drawdown_pct
    if state.drawdown_stopped != 0 or limit != limit:
        return state.drawdown_stopped != 0
    drawdown_pct = 100.0 * (1.0 - state.equity / state.equity_peak) if state.equity < state.equity_peak else 0.0
    return not exposure.below(drawdown_pct, limit)


@leaf
def _is_day_lost(state: Record) -> bool:
    """Return whether the daily-loss stop is engaged, or the loss since 00:00 UTC is beyond its limit now."""
    limit = state.limits.daily_loss_pct
    if state.daily_stopped_day == state.day or limit != limit:
        return state.daily_stopped_day == state.day
    return not exposure.within(-exposure.daily_pnl(state), state.day_start_equity * limit / 100.0)


@leaf
def risk_refusal(state: Record, scope: int) -> int:
    """Return the Reason that forbids new risk in a scope (an instance, or ALLOCATOR); 0 when it may be taken."""
    if _is_not_ready(state):
        return Reason.NOT_READY.value
    if _is_paused(state):
        return Reason.PAUSED.value
    if is_killed(state, scope):
        return Reason.KILLED.value
    if scope == ALLOCATOR and state.carry.unknown_count > 0:
        return Reason.UNKNOWN_OUTCOME.value  # of orders a check of their instrument: unknown_outcome
    if exposure.is_ruined(state):
        return Reason.RUINED.value
    if _is_drawn_down(state):
        return Reason.MAX_DRAWDOWN.value
    if _is_day_lost(state):
        return Reason.DAILY_LOSS.value
    return 0


@leaf
def may_take_risk(state: Record, scope: int) -> bool:
    """Return whether new risk may be taken in a scope (an instance, or ALLOCATOR)."""
    return risk_refusal(state, scope) == 0


@leaf
def warn(state: Record, rows: Rows, code: int, instance: int, value: float, order_id: int) -> None:
    """Append a WARNING row to the log; ``instance`` is -1 for the account, ``order_id`` 0 for none."""
    row = log.emit(state, rows, RowKind.WARNING.value, instance)
    row.code = code
    row.value = value
    row.order_id = order_id
    log.seal(state, row)


@leaf
def set_alarm(state: Record) -> None:
    """Set ``alarm_equity``: the equity at or below which a stop or warning may be due.

    One comparison per event then decides whether ``guard_account`` must be called at all.
    """
    stops = state.limits
    alarm = 0.0 if state.ruined == 0 else -math.inf
    if stops.daily_loss_pct == stops.daily_loss_pct and state.daily_stopped_day != state.day:
        alarm = max(alarm, state.day_start_equity * (1.0 - stops.daily_loss_pct / 100.0))
    if stops.max_drawdown_pct == stops.max_drawdown_pct and state.drawdown_stopped == 0:
        near = 1.0 if state.drawdown_warned != 0 else 0.8
        alarm = max(alarm, state.equity_peak * (1.0 - near * stops.max_drawdown_pct / 100.0))
    state.alarm_equity = alarm + abs(alarm) * limits.LIMIT_TOLERANCE


@leaf
def guard_account(state: Record, rows: Rows) -> None:
    """Engage the daily-loss stop (until the next UTC day), the drawdown stop (until re-armed), and their warnings."""
    stops = state.limits
    if stops.daily_loss_pct == stops.daily_loss_pct and state.daily_stopped_day != state.day:
        loss = -exposure.daily_pnl(state)
        if not exposure.within(loss, state.day_start_equity * stops.daily_loss_pct / 100.0):
            state.daily_stopped_day = state.day
            warn(state, rows, WarningCode.DAILY_LOSS_STOP.value, -1, loss, 0)
    if (
        stops.max_drawdown_pct == stops.max_drawdown_pct
        and state.drawdown_stopped == 0
        and state.equity < state.equity_peak
    ):
        drawdown_pct = 100.0 * (1.0 - state.equity / state.equity_peak)
        if not exposure.below(drawdown_pct, stops.max_drawdown_pct):
            state.drawdown_stopped = 1
            warn(state, rows, WarningCode.DRAWDOWN_STOP.value, -1, drawdown_pct, 0)
        elif state.drawdown_warned == 0 and drawdown_pct >= 0.8 * stops.max_drawdown_pct:
            state.drawdown_warned = 1
            warn(state, rows, WarningCode.DRAWDOWN_NEAR.value, -1, drawdown_pct, 0)
    set_alarm(state)


@leaf
def _ruin(state: Record, rows: Rows) -> None:
    """Latch ruin (equity not above 0 at a record): no entries until re-armed; pending entries are cancelled."""
    state.ruined = 1
    warn(state, rows, WarningCode.RUINED.value, -1, state.equity, 0)
    for slot in range(state.order_high):
        order = state.orders[slot]
        if order.id != 0 and order.role == Role.ENTRY:
            commands.cancel(state, rows, slot, Reason.RUINED.value)
            instance = state.instances[order.instance]
            if instance.state == InstanceState.ENTRY_PENDING:
                instance.end_reason = Reason.RUINED.value  # should it fill before the cancel arrives, it is closed
    set_alarm(state)


@hot
def _follow_drawdown(state: Record) -> None:
    """Update the maximum drawdown and the longest time below the peak."""
    statistics = state.statistics
    if state.equity < statistics.deepest_equity:
        statistics.deepest_equity = state.equity
        statistics.max_drawdown_pct = 100.0 * (1.0 - state.equity / statistics.peak_equity)
    statistics.longest_drawdown_ns = max(statistics.longest_drawdown_ns, state.ts_ns - statistics.peak_ns)


@hot
def _follow_peak(state: Record) -> None:
    """Update the peak of the statistics. Re-arming resets ``equity_peak``, which the limit uses; never this peak."""
    statistics = state.statistics
    if state.equity > statistics.peak_equity:
        statistics.peak_equity = state.equity
        statistics.deepest_equity = state.equity * (1.0 - statistics.max_drawdown_pct / 100.0)
    if state.equity == statistics.peak_equity:
        statistics.peak_ns = state.ts_ns
    else:
        _follow_drawdown(state)


@hot
def record(state: Record, rows: Rows) -> None:
    """Record equity at the end of an instant: account stops, peak, drawdown, and sums for the average equity."""
    if state.equity <= state.alarm_equity:
        guard_account(state, rows)
        if state.ruined == 0 and not state.equity > 0.0:
            _ruin(state, rows)
    statistics = state.statistics
    if state.equity >= state.equity_peak:
        if state.equity > state.equity_peak:
            state.equity_peak = state.equity
            state.drawdown_warned = 0
            set_alarm(state)
        _follow_peak(state)
    else:
        _follow_drawdown(state)
    if statistics.first_ns == 0:
        statistics.first_ns = state.ts_ns
    statistics.last_ns = state.ts_ns
    statistics.equity_sum += state.equity
    statistics.record_count += 1
