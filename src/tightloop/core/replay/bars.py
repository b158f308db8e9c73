"""Compiled loop over bars: the step and the simulated venue, one array at a time.

For each market event: the venue first (stage by stage, its answers applied by the step in between), then the step, then
the step's commands to the venue and its answers back, until both queues are empty. Two cases put a TIMER event between:
timers due before a bar opens are called before the venue meets that open, and trailing stops that follow a variant move
before anything is decided on a closed bar.

The functions at the end do the same one event at a time (``step_one``, ``timer_first``, ``timer_after``,
``venue_stage``, ``venue_command``, ``feed_next``) for a driver that acts between two events. The order of calls is the
same, and so are all results.
"""

from tightloop.core import limits
from tightloop.core import log as core_log
from tightloop.core.compiled import compiled, hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import EventKind, Phase, RowKind
from tightloop.core.domain.types import Floats, Ints, Record, Rows, Table
from tightloop.core.kinds import boolean, int64, void
from tightloop.core.replay import merge
from tightloop.core.replay.pump import pump
from tightloop.core.replay.status import (
    EQUITY_COUNT,
    EQUITY_FULL,
    FINISHED,
    LEFT,
    LOG_FULL,
    PAUSED,
    RESERVE,
    write_equity,
)
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

CONTROL_COUNT = 5
IS_DAILY, LAST_DAY = range(3, CONTROL_COUNT)
"""Places in ``control`` after those of ``status.py``: 1 to keep only the first equity and the last of each UTC day
(24:00 belongs to the day that ends); day of the last row."""


@hot
def at_venue(venue: Record, event: Record, stage: int) -> None:
    """Run one stage of the venue on a market event, before the step; the step applies fills between the stages."""
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
    """Return how many stages the venue needs for an event."""
    return 3 if event.kind == EventKind.BAR_CLOSED else 1


@leaf
def _on_row(venue: Record, row: Record) -> None:
    """Pass a row of the log to the venue, if it is a command."""
    if row.kind <= RowKind.AMEND:
        venue_bars.on_command(venue, row)


deliver = pump(_on_row)
"""``deliver(state, arena, venue, log, table)``: the pump of the venue on bars."""


@hot
def is_timer_first(state: Record, event: Record) -> bool:
    """Return whether a timer is due by the time a bar opens: it acts first, so its orders wait for that open."""
    return event.kind == EventKind.BAR_OPENED and state.next_timer_ns <= event.ts_init_ns


@hot
def is_decided_later(state: Record, event: Record) -> bool:
    """Return whether trailing stops must move, and may fill, before this closed bar is decided on."""
    return state.trails_by_variant != 0 and event.phase & Phase.DECIDE_ON_CLOSE != 0


@leaf
def write_timer(timer: Record, now_ns: int, is_before_bar: int, phase: int) -> None:
    """Write a TIMER of instances: a bar is about to open, or ``phase`` is due after an event."""
    fields.write_timer(timer, -1, now_ns, is_before_bar)
    timer.phase = phase


@leaf
def tell_timers(state: Record, arena: Floats, venue: Record, event: Record, log: Rows, table: Table) -> None:
    """Call timers due before the current bar opens, and deliver what they send."""
    assert venue.inbox_count == 0, "answers of the venue are applied before the next event"
    timer = venue_orders.push(venue, EventKind.TIMER.value, -1, 0, event.ts_init_ns)
    write_timer(timer, event.ts_init_ns, 1, Phase.NONE.value)
    at_venue(venue, timer, 0)
    deliver(state, arena, venue, log, table)


@leaf
def decide_later(state: Record, arena: Floats, venue: Record, event: Record, log: Rows, table: Table) -> None:
    """Apply a closed bar, deliver what follows from it at the venue, and only then decide on it, by a TIMER."""
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
def venue_first(state: Record, arena: Floats, venue: Record, event: Record, log: Rows, table: Table) -> bool:
    """Take one market event at the venue; return whether the step is still to take it."""
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
        return False
    return True


@hot
def _advance(state: Record, arena: Floats, venue: Record, event: Record, log: Rows, table: Table) -> None:
    """Take one market event: venue first, then the step, then the step's commands."""
    if venue_first(state, arena, venue, event, log, table):
        advance(state, arena, event, log, table)
        if core_log.has_commands(log):
            deliver(state, arena, venue, log, table)


@leaf
def _next_day_row(state: Record, control: Ints) -> None:
    """Step back to the last row if it is of the same day, so that it is overwritten; the first row stays."""
    day = (state.ts_ns - 1) // limits.DAY_NS
    if control[EQUITY_COUNT] > 1 and day == control[LAST_DAY]:
        control[EQUITY_COUNT] -= 1
    control[LAST_DAY] = day


@hot
def keep_equity(state: Record, equity: Rows, control: Ints) -> None:
    """Write the current equity into the next row of ``equity``, or over that of the same day (IS_DAILY)."""
    if control[IS_DAILY] != 0:
        _next_day_row(state, control)
    write_equity(state, equity[control[EQUITY_COUNT]])
    control[EQUITY_COUNT] += 1


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
    """Run to the end, until a buffer must be drained, or for ``control[LEFT]`` events; return which of them it was.

    ``control``: int64 array, one place each as named above and in ``status.py``; ``events``: room for one.
    """
    state, venue, event = states[0], venues[0], events[0]
    reserve, left = control[RESERVE], control[LEFT]
    rows = len(equity)
    while True:
        if left <= 0:
            return PAUSED
        if not core_log.has_room(log, reserve):
            return LOG_FULL
        if control[EQUITY_COUNT] >= rows:
            return EQUITY_FULL
        if not merge.next_event(streams, heap, bars, rates, event):
            return FINISHED
        left -= 1
        _advance(state, arena, venue, event, log, table)
        if event.phase & Phase.RECORD:
            keep_equity(state, equity, control)


# One event at a time --------------------------------------------------------------------------------------------------


@compiled(void(STREAMS, TABLE, BARS, RATES))
def feed_begin(streams: Rows, heap: Ints, bars: Rows, rates: Rows) -> None:
    """Put the streams of a feed in order, once, before its first event."""
    merge.begin(streams, heap, bars, rates)


@compiled(boolean(STREAMS, TABLE, BARS, RATES, EVENTS))
def feed_next(streams: Rows, heap: Ints, bars: Rows, rates: Rows, events: Rows) -> bool:
    """Write the next market event into ``events[0]``; return False at the end."""
    return merge.next_event(streams, heap, bars, rates, events[0])


@compiled(void(STATES, ARENA, EVENTS, LOG_ARRAY, TABLE))
def step_one(states: Rows, arena: Floats, events: Rows, log: Rows, table: Table) -> None:
    """Call the step on ``events[0]``."""
    step(states[0], arena, events[0], log, table)


@compiled(boolean(STATES, EVENTS, EVENTS))
def timer_first(states: Rows, events: Rows, timers: Rows) -> bool:
    """Return whether a timer comes before ``events[0]`` goes to the venue; if so, write it to ``timers[0]``."""
    if not is_timer_first(states[0], events[0]):
        return False
    write_timer(timers[0], events[0].ts_init_ns, 1, Phase.NONE.value)
    return True


@compiled(boolean(STATES, EVENTS, EVENTS))
def timer_after(states: Rows, events: Rows, timers: Rows) -> bool:
    """Return whether what ``events[0]`` makes due must wait until its consequences at the venue are applied.

    If so, write ``timers[0]``, which carries the phase, and clear the phase of the event.
    """
    if not is_decided_later(states[0], events[0]):
        return False
    write_timer(timers[0], events[0].ts_init_ns, 0, events[0].phase)
    events[0].phase = Phase.NONE.value
    return True


@compiled(void(VENUES, EVENTS, int64))
def venue_stage(venues: Rows, events: Rows, stage: int) -> None:
    """Run one stage of the simulated venue on ``events[0]``, before the step."""
    at_venue(venues[0], events[0], stage)


@compiled(void(VENUES, LOG_ARRAY, int64))
def venue_command(venues: Rows, log: Rows, at: int) -> None:
    """Give the simulated venue the command in row ``at`` of the log."""
    venue_bars.on_command(venues[0], log[at])
