"""The replay of ticks that stops where somebody outside of the step may decide: after what the strategy received.

It makes the same calls in the same order as ``replay/ticks.py``. Commands leave after the stop, together with those
that the step decided at the same event.
"""

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.enums import EventKind, Phase
from tightloop.core.domain.kinds import int64
from tightloop.core.domain.types import Floats, Ints, Record, Rows, Table
from tightloop.core.replay.bars_stopping import HAS_NEWS, HEARD, STOPPED, listen
from tightloop.core.replay.ticks import (
    ANSWERED,
    CROWDED,
    EQUITY_FULL,
    FINISHED,
    LOG_FULL,
    MISSING,
    NOTHING,
    PAUSED,
    RECEIVED,
    STARVED,
    has_no_room,
    is_grid,
    is_over,
    keep_equity,
    next_occurrence,
    run_at_venue,
    send_commands,
)
from tightloop.core.signatures import ARENA, EQUITIES, EVENTS, LOG_ARRAY, RATES, STATES, STREAMS, TABLE, TICKS, VENUES
from tightloop.core.step import step
from tightloop.core.venue import ticks as venue_ticks

CONTROL_COUNT = 14
# Places in ``control``: the first seven are those of ``tick_replay``, HEARD and HAS_NEWS those of ``replay_outside``.
RESERVE, EQUITY_COUNT, LEFT, PERIOD_NS, LAST_PERIOD, DONE, NUMBER = range(7)
DUE_NS, IS_OWED, WANTS_TRADES, WANTS_QUOTES, IS_MARKET = range(9, CONTROL_COUNT)
assert HEARD == NUMBER + 1, "one function reads both controls"
assert HAS_NEWS == HEARD + 1, "one function reads both controls"


@leaf
def _receive(state: Record, arena: Floats, venue: Record, event: Record, log: Rows, table: Table) -> None:
    if event.ts_event_ns > 0 and event.kind >= EventKind.TRADE:
        own = venue.instruments[event.instrument]
        own.feed_latency_ns = max(event.ts_init_ns - event.ts_event_ns, 0)
    step(state, arena, event, log, table)


@leaf
def _hear(state: Record, arena: Floats, venue: Record, log: Rows, table: Table) -> None:
    """The strategy hears what the venue said."""
    event = venue.inbox[venue.inbox_taken]
    event.ts_init_ns = max(event.ts_init_ns, state.ts_ns)
    event.phase = Phase.RECORD.value
    venue.inbox_taken += 1
    step(state, arena, event, log, table)
    if venue.inbox_taken == venue.inbox_count:
        venue.inbox_taken = 0
        venue.inbox_count = 0


@leaf
def _is_wanted(state: Record, event: Record, control: Ints, is_market: bool) -> bool:
    """Whether somebody outside is called now."""
    if control[HAS_NEWS] != 0 or state.ts_ns >= control[DUE_NS]:
        return True
    if not is_market:
        return False
    wants_trade = control[WANTS_TRADES] != 0 and event.kind == EventKind.TRADE
    return wants_trade or (control[WANTS_QUOTES] != 0 and event.kind == EventKind.QUOTE)


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
    """``tick_replay`` up to the next stop (STOPPED), or until one of the reasons for which ``tick_replay`` returns.

    ``control``: the seven of ``tick_replay``, then [rows of the log that were looked at, 1 when there was a fill, when
    a timer outside is due, 1 when commands and equity of the last event are still to be taken, 1 to stop at prints, 1
    to stop at quotes, 1 when the stop is at a market event, which is in ``events[0]``].
    """
    state, venue, event = states[0], venues[0], events[0]
    while True:
        if control[EQUITY_COUNT] >= len(equity):
            return EQUITY_FULL
        if control[IS_OWED] != 0:
            control[IS_OWED] = 0
            if log[0].oco < log[0].slot:
                send_commands(venue, log)
            keep_equity(state, equity, control)
            if control[IS_MARKET] != 0 and event.instrument >= 0 and has_no_room(state, event.instrument):
                control[NUMBER] = event.instrument
                return CROWDED
            if control[EQUITY_COUNT] >= len(equity):
                return EQUITY_FULL
        if control[LEFT] <= 0:
            return PAUSED
        if log[0].slot > len(log) - control[RESERVE]:
            return LOG_FULL
        # Who has not begun wants to be called at the first thing heard, and not before it.
        due_ns = min(state.next_timer_ns, control[DUE_NS]) if control[DUE_NS] > 0 else state.next_timer_ns
        what, sees = next_occurrence(venue, due_ns, streams, heap, ticks, rates, event)
        if what == MISSING:
            return STARVED
        if what == NOTHING:
            return FINISHED
        is_heard = what == ANSWERED
        control[IS_MARKET] = 0
        if what == RECEIVED:
            if is_grid(event) and is_over(streams, heap, venue):
                return FINISHED
            control[LEFT] -= 1
            control[DONE] += 1
            is_heard = sees & 1 != 0
            control[IS_MARKET] = sees & 1
            if is_heard:
                _receive(state, arena, venue, event, log, table)
            if sees & 2:
                venue_ticks.market_arrives(venue, event, event.ts_init_ns)
        elif what == ANSWERED:
            _hear(state, arena, venue, log, table)
        else:
            run_at_venue(venue, what)
        if is_heard:
            control[IS_OWED] = 1
            listen(log, outside, control)
            if _is_wanted(state, event, control, control[IS_MARKET] != 0):
                return STOPPED
