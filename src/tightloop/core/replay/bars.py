"""Compiled loops over a whole run: the step and the simulated venue, one array at a time.

The same functions are there one event at a time (``step_one``, ``timer_first``, ``venue_stage``, ``venue_command``,
``feed_next``) for the driver that speaks to the outside between two events. Both orders of calls are the same, and so
are all results.
"""

from tightloop.core import limits
from tightloop.core.compiled import compiled, hot, leaf
from tightloop.core.domain.enums import EventKind, Phase, RowKind
from tightloop.core.domain.kinds import boolean, int64, void
from tightloop.core.domain.types import Floats, Ints, Record, Rows, Table
from tightloop.core.replay import merge
from tightloop.core.signatures import (
    ARENA,
    BARS,
    EVENTS,
    LOG_ARRAY,
    RATES,
    REPLAY,
    STATES,
    STREAMS,
    TABLE,
    VENUES,
)
from tightloop.core.step import advance, step
from tightloop.core.venue import bars as venue_bars
from tightloop.core.venue import orders as venue_orders

FINISHED, LOG_FULL, EQUITY_FULL, PAUSED = 0, 1, 2, 3

STAGES_BEFORE = 4


@hot
def at_venue(venue: Record, event: Record, stage: int) -> None:
    """What the venue does with a market event before the step hears of it; fills are heard between the stages."""
    kind = event.kind
    if kind == EventKind.BAR_CLOSED:
        if stage == 0:
            venue_bars.open_known(venue, event)
        elif stage == 1:
            venue_bars.in_bar(venue, event)
        elif stage == 2:
            venue_bars.end_bar(venue, event)
    elif stage == 0:
        if kind == EventKind.BAR_OPENED:
            venue_bars.begin_bar(venue, event)
        elif kind == EventKind.FUNDING_RATE:
            venue_bars.settle_funding(venue, event)
        elif kind == EventKind.TIMER:
            venue.ts_ns = event.ts_init_ns


@hot
def stage_count(event: Record) -> int:
    return 3 if event.kind == EventKind.BAR_CLOSED else 1


@leaf
def deliver(state: Record, arena: Floats, venue: Record, log: Rows, table: Table) -> None:
    """Commands to the venue, its events to the step, until neither has anything to say."""
    header = log[0]
    while True:
        if header.oco < header.slot:
            row = log[header.oco]
            header.oco += 1
            if row.kind <= RowKind.AMEND:
                venue_bars.on_command(venue, row)
        elif venue.inbox_taken < venue.inbox_count:
            step(state, arena, venue.inbox[venue.inbox_taken], log, table)
            venue.inbox_taken += 1
        else:
            break
    venue.inbox_count = 0
    venue.inbox_taken = 0


@hot
def is_timer_first(state: Record, event: Record) -> bool:
    """A timer due until a bar begins speaks before it does, so that what it sends waits for that open as all else."""
    return event.kind == EventKind.BAR_OPENED and state.next_timer_ns <= event.ts_init_ns


@hot
def is_decided_later(state: Record, event: Record) -> bool:
    """Before anybody decides on a bar that ended, trailing stops move by the distance at its close, and may fill."""
    return state.trails_by_variant != 0 and event.phase & Phase.DECIDE_ON_CLOSE != 0


@leaf
def write_timer(timer: Record, now_ns: int, reason: int, phase: int) -> None:
    """Nothing but time: that a bar is about to begin (reason 1), or what is due (``phase``) after an event."""
    timer.kind = EventKind.TIMER.value
    timer.phase = phase
    timer.instrument = -1
    timer.instance = 0
    timer.reason = reason
    timer.ts_event_ns = now_ns
    timer.ts_init_ns = now_ns


@leaf
def tell_timers(state: Record, arena: Floats, venue: Record, event: Record, log: Rows, table: Table) -> None:
    """Timers that are due before the bar in hand begins, and what they send to the venue."""
    assert venue.inbox_count == 0, "what the venue said is heard before the next event"
    timer = venue_orders.push(venue, EventKind.TIMER.value, -1, 0, event.ts_init_ns)
    write_timer(timer, event.ts_init_ns, 1, Phase.NONE.value)
    at_venue(venue, timer, 0)
    deliver(state, arena, venue, log, table)


@leaf
def decide_later(state: Record, arena: Floats, venue: Record, event: Record, log: Rows, table: Table) -> None:
    """The step on a bar that ended, what follows from it at the venue, and then what is due."""
    phase = event.phase
    assert event.kind == EventKind.BAR_CLOSED, "bars are decided on when they end"
    event.phase = Phase.NONE.value
    step(state, arena, event, log, table)
    event.phase = phase
    deliver(state, arena, venue, log, table)
    timer = venue_orders.push(venue, EventKind.TIMER.value, -1, 0, event.ts_init_ns)
    write_timer(timer, event.ts_init_ns, 0, phase)
    deliver(state, arena, venue, log, table)


@hot
def _advance(state: Record, arena: Floats, venue: Record, event: Record, log: Rows, table: Table) -> None:
    """One market event: venue first, then the step, then what the step commands."""
    if is_timer_first(state, event):
        tell_timers(state, arena, venue, event, log, table)
    if venue_bars.has_business(venue):
        for stage in range(stage_count(event)):
            at_venue(venue, event, stage)
            if venue.inbox_count > 0:
                deliver(state, arena, venue, log, table)
    else:
        venue_bars.watch(venue, event)
    if is_decided_later(state, event):
        decide_later(state, arena, venue, event, log, table)
        return
    advance(state, arena, event, log, table)
    if log[0].oco < log[0].slot:
        deliver(state, arena, venue, log, table)


@hot
def write_equity(state: Record, row: Record) -> None:
    row.ts_ns = state.ts_ns
    row.equity = state.equity
    row.cash = state.equity - state.unrealized


@leaf
def next_day_row(state: Record, control: Ints) -> None:
    """Go back to the last row when it is of the same day, so that it is written over; the first row stays."""
    day = (state.ts_ns - 1) // limits.DAY_NS
    if control[1] > 1 and day == control[4]:
        control[1] -= 1
    control[4] = day


@compiled(REPLAY, nogil=True)
def replay(
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
) -> int:
    """Run until the end, until a buffer must be drained, or for a number of events. Returns which of them it was.

    ``control``: [rows of the log that one event may need, equity rows written, events that may be taken in, 1 to keep
    only the first equity and the last of each UTC day (24:00 is of the day that ends), the day of the last row].
    """
    state, venue, event = states[0], venues[0], events[0]
    reserve, left = control[0], control[2]
    rows = len(equity)
    while True:
        if left <= 0:
            return PAUSED
        if log[0].slot > len(log) - reserve:
            return LOG_FULL
        if control[1] >= rows:
            return EQUITY_FULL
        if not merge.next_event(streams, heap, bars, rates, event):
            return FINISHED
        left -= 1
        _advance(state, arena, venue, event, log, table)
        if event.phase & Phase.RECORD:
            if control[3] != 0:
                next_day_row(state, control)
            write_equity(state, equity[control[1]])
            control[1] += 1


@compiled(void(STREAMS, TABLE, BARS, RATES))
def feed_begin(streams: Rows, heap: Ints, bars: Rows, rates: Rows) -> None:
    merge.begin(streams, heap, bars, rates)


@compiled(boolean(STREAMS, TABLE, BARS, RATES, EVENTS))
def feed_next(streams: Rows, heap: Ints, bars: Rows, rates: Rows, events: Rows) -> bool:
    """The next market event into ``events[0]``; False at the end."""
    return merge.next_event(streams, heap, bars, rates, events[0])


@compiled(void(STATES, ARENA, EVENTS, LOG_ARRAY, TABLE))
def step_one(states: Rows, arena: Floats, events: Rows, log: Rows, table: Table) -> None:
    """The step on ``events[0]``."""
    step(states[0], arena, events[0], log, table)


@compiled(boolean(STATES, EVENTS, EVENTS))
def timer_first(states: Rows, events: Rows, timers: Rows) -> bool:
    """Whether ``timers[0]`` is to be stepped before ``events[0]`` goes to the venue; then it is written."""
    if not is_timer_first(states[0], events[0]):
        return False
    write_timer(timers[0], events[0].ts_init_ns, 1, Phase.NONE.value)
    return True


@compiled(boolean(STATES, EVENTS, EVENTS))
def timer_after(states: Rows, events: Rows, timers: Rows) -> bool:
    """Whether ``timers[0]`` is to be stepped for what ``events[0]`` makes due, once its other consequences are heard.

    Then it is written, and the event has no phase any more.
    """
    if not is_decided_later(states[0], events[0]):
        return False
    write_timer(timers[0], events[0].ts_init_ns, 0, events[0].phase)
    events[0].phase = Phase.NONE.value
    return True


@compiled(void(VENUES, EVENTS, int64))
def venue_stage(venues: Rows, events: Rows, stage: int) -> None:
    """One stage of the simulated venue before the step hears of ``events[0]``."""
    at_venue(venues[0], events[0], stage)


@compiled(void(VENUES, LOG_ARRAY, int64))
def venue_command(venues: Rows, log: Rows, at: int) -> None:
    """Give the simulated venue the command in row ``at`` of the log."""
    venue_bars.on_command(venues[0], log[at])
