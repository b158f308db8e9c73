"""Tick replay that yields to Python wherever a user strategy may act: after what the strategy received.

It makes the same calls in the same order as ``replay/ticks.py``. Commands leave after the stop: those of the user's
strategy together with those that the step wrote at the same event.
"""

from tightloop.core import log as core_log
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import Floats, Ints, Record, Rows, Table
from tightloop.core.kinds import int64
from tightloop.core.replay.bars_stopping import HAS_NEWS, SCANNED, listen
from tightloop.core.replay.pump import drop_answer
from tightloop.core.replay.status import (
    CROWDED,
    EQUITY_COUNT,
    EQUITY_FULL,
    FINISHED,
    LEFT,
    LOG_FULL,
    PAUSED,
    RESERVE,
    STARVED,
    STOPPED,
)
from tightloop.core.replay.ticks import (
    ANSWERED,
    DONE,
    MISSING,
    NOTHING,
    NUMBER,
    RECEIVED,
    STRATEGY,
    VENUE,
    has_no_room,
    is_grid,
    is_over,
    keep_equity,
    next_occurrence,
    note_latency,
    receive_answer,
    run_at_venue,
    send_commands,
)
from tightloop.core.signatures import ARENA, EQUITIES, EVENTS, LOG_ARRAY, RATES, STATES, STREAMS, TABLE, TICKS, VENUES
from tightloop.core.step import step
from tightloop.core.venue import ticks as venue_ticks

CONTROL_COUNT = 14
DUE_NS, IS_OWED, STOP_AT_TRADES, STOP_AT_QUOTES, IS_MARKET = range(9, CONTROL_COUNT)
"""Places in ``control`` after those of ``tick_replay`` and after SCANNED and HAS_NEWS, which ``listen`` writes: when
the next timer of a user strategy is due; 1 while commands and equity of the last event are still to be taken; 1 to
stop at prints; 1 to stop at quotes; 1 if the stop is at a market event, which is in ``events[0]``."""
assert SCANNED == NUMBER + 1, "one function reads both controls"
assert HAS_NEWS == SCANNED + 1, "one function reads both controls"


@leaf
def _receive(state: Record, arena: Floats, venue: Record, event: Record, log: Rows, table: Table) -> None:
    """Apply a market event that the strategy received."""
    note_latency(venue, event)
    step(state, arena, event, log, table)


@leaf
def _receive_answer(state: Record, arena: Floats, venue: Record, log: Rows, table: Table) -> None:
    """Apply the next answer of the venue."""
    event = venue.inbox[venue.inbox_taken]
    receive_answer(state, event)
    step(state, arena, event, log, table)
    drop_answer(venue)


@leaf
def _is_wanted(state: Record, event: Record, control: Ints, is_market: bool) -> bool:
    """Return whether a user strategy is called now."""
    if control[HAS_NEWS] != 0 or state.ts_ns >= control[DUE_NS]:
        return True
    if not is_market:
        return False
    stops_at_trade = control[STOP_AT_TRADES] != 0 and event.kind == EventKind.TRADE
    return stops_at_trade or (control[STOP_AT_QUOTES] != 0 and event.kind == EventKind.QUOTE)


@compiled(
    int64(STATES, ARENA, VENUES, STREAMS, TABLE, TICKS, RATES, EVENTS, LOG_ARRAY, EQUITIES, TABLE, TABLE, TABLE),
    nogil=True,
)
def tick_replay_outside(
    states: Rows,
    arena: Floats,
    venues: Rows,
    streams: Rows,
    heap: Ints,
    ticks: Rows,
    rates: Rows,
    events: Rows,
    log: Rows,
    equity: Rows,
    table: Table,
    control: Ints,
    outside: Ints,
) -> int:
    """Run as ``tick_replay`` does, up to the next stop (STOPPED); ``outside``: 1 for instances of user strategies."""
    state, venue, event = states[0], venues[0], events[0]
    while True:
        if control[EQUITY_COUNT] >= len(equity):
            return EQUITY_FULL
        if control[IS_OWED] != 0:
            control[IS_OWED] = 0
            if core_log.has_commands(log):
                send_commands(venue, log)
            keep_equity(state, equity, control)
            if control[IS_MARKET] != 0 and event.instrument >= 0 and has_no_room(state, event.instrument):
                control[NUMBER] = event.instrument
                return CROWDED
            if control[EQUITY_COUNT] >= len(equity):
                return EQUITY_FULL
        if control[LEFT] <= 0:
            return PAUSED
        if not core_log.has_room(log, control[RESERVE]):
            return LOG_FULL
        # A user strategy that has not begun (DUE_NS 0) is called at the first event received, not by a timer before it.
        due_ns = min(state.next_timer_ns, control[DUE_NS]) if control[DUE_NS] > 0 else state.next_timer_ns
        what, sees = next_occurrence(venue, due_ns, streams, heap, ticks, rates, event)
        if what == MISSING:
            return STARVED
        if what == NOTHING:
            return FINISHED
        is_received = what == ANSWERED
        control[IS_MARKET] = 0
        if what == RECEIVED:
            if is_grid(event) and is_over(streams, heap, venue):
                return FINISHED
            control[LEFT] -= 1
            control[DONE] += 1
            is_received = sees & STRATEGY != 0
            control[IS_MARKET] = sees & STRATEGY
            if is_received:
                _receive(state, arena, venue, event, log, table)
            if sees & VENUE:
                venue_ticks.market_arrives(venue, event, event.ts_init_ns)
        elif what == ANSWERED:
            _receive_answer(state, arena, venue, log, table)
        else:
            run_at_venue(venue, what)
        if is_received:
            control[IS_OWED] = 1
            listen(log, outside, control)
            if _is_wanted(state, event, control, control[IS_MARKET] != 0):
                return STOPPED
