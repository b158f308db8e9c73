"""Events that only a venue and a session tell, applied to State: the arm of the step for CANCEL_REJECTED and after.

What they mean is in ``domain/session_events.py``. Executions and corrections are booked by ``trading/corrections.py``,
control and rules are set by ``trading/control.py``; here is who is called for it.
"""

import numpy as np

from tightloop.core.compiled import float_bits, leaf
from tightloop.core.domain.enums import EventKind, FeedState, Moment, SessionControl, WarningCode
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.hashing import mix
from tightloop.core.market import update as market_update
from tightloop.core.trading import account as trading_account
from tightloop.core.trading import commands, control, corrections, orders, refused


@leaf
def _answered(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """Apply that a cancel was refused, or that an amend was confirmed or refused."""
    slot = orders.find(state, event.order_id, event.order_slot)
    if slot < 0:
        return  # the order ended meanwhile
    order = state.orders[slot]
    if event.kind == EventKind.CANCEL_REJECTED:
        commands.cancel_refused(state, rows, slot)
        return
    commands.amended(state, rows, slot, event)
    if event.reason != 0:
        refused.note_amend(state, rows, order, event.reason)
        if refused.is_exit_due(state, order.instance):
            corrections.tell(state, arena, rows, table, order.instance, Moment.TIMER.value)


@leaf
def _feed_state(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """Apply the state of a feed: how long it has been silent, which instances with a position are told."""
    instrument = state.instruments[event.instrument]
    if event.reason == FeedState.UP:
        instrument.gap_ns = 0
        return
    if event.reason == FeedState.DOWN:
        instrument.has_venue_mark = 0
    before_ns = instrument.gap_ns
    silent_ns = event.ts_init_ns - event.ts_event_ns
    instrument.gap_ns = max(silent_ns, before_ns)
    number = instrument.instance_first
    while number >= 0:
        following = state.instances[number].next
        limit_ns = abs(state.strategies[state.instances[number].strategy].stale_ns)
        if 0 < limit_ns <= silent_ns and before_ns < limit_ns and state.positions[number].qty != 0.0:
            trading_account.warn(state, rows, WarningCode.FEED_SILENT.value, number, silent_ns * 1e-9, 0)
            corrections.tell(state, arena, rows, table, number, Moment.SILENT.value)
        number = following


@leaf
def _session_control(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """Apply a control of the session; STOP_FLATTEN closes positions as a kill switch over everything does."""
    control.session(state, rows, event.reason)
    if event.reason == SessionControl.STOP_FLATTEN:
        for number in range(state.instance_count):
            state.instances[number].killed |= control.FLATTENED
            corrections.tell(state, arena, rows, table, number, Moment.KILL.value)


@leaf
def apply(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """Switch on the kinds that only a venue and a session tell."""
    kind = event.kind
    mix(state, float_bits(event.high) + np.uint64(3) * float_bits(event.low))
    mix(state, event.side * 4096 + event.order_kind)
    if orders.is_booked(state, event.fill_key):
        trading_account.warn(state, rows, WarningCode.REPEATED_FILL.value, event.instance, event.qty, event.order_id)
    elif kind == EventKind.CANCEL_REJECTED or kind == EventKind.AMENDED:
        _answered(state, arena, rows, table, event)
    elif kind == EventKind.FILL_FOUND:
        corrections.found(state, arena, rows, table, event)
    elif kind == EventKind.POSITION_CORRECTED:
        corrections.position(state, arena, rows, table, event)
    elif kind == EventKind.BALANCE_CORRECTED:
        corrections.balance(state, rows, event)
    elif kind == EventKind.INSTRUMENT_CHANGED:
        control.set_rules(state.instruments[event.instrument], event)
        market_update.remark(state, event.instrument)
    elif kind == EventKind.SESSION_CONTROL:
        _session_control(state, arena, rows, table, event)
    elif kind == EventKind.FEED_STATE:
        _feed_state(state, arena, rows, table, event)
    else:
        market_update.mark_reported(state, event.instrument, event.price)
        control.take_liquidation_price(state, event)
