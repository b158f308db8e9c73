"""Bar replay that yields to Python wherever a user strategy may act, at most once a bar.

It makes the same calls in the same order as ``replay/bars.py``; what a strategy requests comes in as events between two
market events. It stops after the last bar that closes at an instant, and after the last that opens if there was a fill
or a timer is due: at these points no order can be matched against a price range that lies before it.
"""

from tightloop.core import log as core_log
from tightloop.core.compiled import compiled, hot, leaf
from tightloop.core.domain.enums import EventKind, Phase, RowKind
from tightloop.core.domain.types import Floats, Ints, Record, Rows, Table
from tightloop.core.kinds import int64, void
from tightloop.core.market.history import keep_bar
from tightloop.core.replay import merge
from tightloop.core.replay.bars import deliver, keep_equity, venue_first
from tightloop.core.replay.status import (
    EQUITY_COUNT,
    EQUITY_FULL,
    FINISHED,
    LEFT,
    LOG_FULL,
    PAUSED,
    RESERVE,
    STOPPED,
)
from tightloop.core.signatures import ARENA, BARS, EQUITIES, EVENTS, LOG_ARRAY, RATES, STATES, STREAMS, TABLE, VENUES
from tightloop.core.step import step

CONTROL_COUNT = 10
IS_OWED, DUE_NS, SCANNED, HAS_NEWS, STOP_AT_BARS = range(5, CONTROL_COUNT)
"""Places in ``control`` after those of ``replay``: 1 while the equity after the last event is still to be written; when
the next timer of a user strategy is due; rows of the log looked at; 1 after a fill; 1 to stop at every close."""


@leaf
def _take(state: Record, arena: Floats, venue: Record, event: Record, log: Rows, table: Table) -> None:
    """Take one market event: venue first, then the step, then the step's commands."""
    if venue_first(state, arena, venue, event, log, table):
        step(state, arena, event, log, table)
        if core_log.has_commands(log):
            deliver(state, arena, venue, log, table)


@hot
def listen(log: Rows, outside: Ints, control: Ints) -> None:
    """Look through new rows of the log for a fill of an instance of a user strategy (flag 1 in ``outside``)."""
    for row in range(control[SCANNED], core_log.end(log)):
        if log[row].kind == RowKind.FILL and outside[log[row].instance] != 0:
            control[HAS_NEWS] = 1
    control[SCANNED] = core_log.end(log)


@compiled(
    int64(STATES, ARENA, VENUES, STREAMS, TABLE, BARS, RATES, EVENTS, LOG_ARRAY, EQUITIES, TABLE, TABLE, BARS, TABLE),
    nogil=True,
)
def replay_outside(
    states: Rows,
    arena: Floats,
    venues: Rows,
    streams: Rows,
    heap: Ints,
    bars: Rows,
    rates: Rows,
    events: Rows,
    log: Rows,
    equity: Rows,
    table: Table,
    control: Ints,
    past: Rows,
    outside: Ints,
) -> int:
    """Run as ``replay`` does, up to the next stop (STOPPED).

    ``past``: rings of HISTORY_BARS_MAX closed BARs, one after the other by instrument. ``outside``: 1 for each instance
    of a user strategy.
    """
    state, venue, event = states[0], venues[0], events[0]
    while True:
        if control[IS_OWED] != 0:
            if control[EQUITY_COUNT] >= len(equity):
                return EQUITY_FULL
            keep_equity(state, equity, control)
            control[IS_OWED] = 0
        if control[LEFT] <= 0:
            return PAUSED
        if not core_log.has_room(log, control[RESERVE]):
            return LOG_FULL
        if not merge.next_event(streams, heap, bars, rates, event):
            return FINISHED
        control[LEFT] -= 1
        _take(state, arena, venue, event, log, table)
        if event.kind == EventKind.BAR_CLOSED:
            keep_bar(state, past, event.instrument)
        listen(log, outside, control)
        if event.phase & Phase.RECORD:
            control[IS_OWED] = 1
        is_due = control[HAS_NEWS] != 0 or state.ts_ns >= control[DUE_NS]
        if event.phase & Phase.DECIDE_ON_CLOSE:
            if is_due or control[STOP_AT_BARS] != 0:
                return STOPPED
        elif is_due and event.phase & Phase.RECORD and event.kind == EventKind.BAR_OPENED:
            return STOPPED


@compiled(void(STATES, ARENA, VENUES, LOG_ARRAY, TABLE))
def deliver_all(states: Rows, arena: Floats, venues: Rows, log: Rows, table: Table) -> None:
    """Send what user strategies requested to the venue, and apply what it answers."""
    deliver(states[0], arena, venues[0], log, table)
