"""Loop over facts as they arrive: what is due before a fact happens first, then the fact is taken.

Theory of operation. A recorded run knows its future, a session does not: facts come one by one, with strictly
increasing times of receipt. Before a fact received at T is taken, everything due before T is run at its due time: grid
points, answers of the simulated venue, timers of the strategy, expiries and arrivals there, in the order of
``replay/ticks.py`` (its ``next_occurrence`` decides). So it does not matter when the process woke up, nor how facts
are cut into batches, and a backtest over the same rows with ``clock: receive`` makes the same calls in the same order.

``take`` takes a batch of facts (rows of EVENT, in order of ``ts_init_ns``), each after what is due before it, and then
advances to ``control[UNTIL_NS]``, a time before which nothing more was received (0: it does not). It returns early when
the driver has something to do (see ``status.py``) and goes on where it stopped when it is called again. Strategies in
Python act between events, so their driver asks for one at a time (``run_next_before``, ``gap_before``).

Data. ``streams`` has two rows an instrument: row k is its grid, and its ``last_id`` the trade id of its last print; in
row ``count + k`` ``last_id`` is one more than the last update number of its book. A jump is told as a DATA_GAP before
the fact that revealed it. A grid begins at the first multiple of its period at or after the first tick of its
instrument. ``heap`` holds the grids that have begun.

What may surprise: a BAR_CLOSED whose phase is RECORD alone is of the past, and no later decision is about it. With
``IS_ON_BARS`` the strategy receives bars, and ticks only reach the venue. Without ``HAS_VENUE`` nothing is simulated:
commands stay in the log for the driver, and ``take`` returns COMMANDED as soon as there are any. A timer is due when
nothing else is: in a session another fact always comes.
"""

from tightloop.core import limits
from tightloop.core import log as core_log
from tightloop.core.compiled import compiled, hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import EventKind, Phase
from tightloop.core.domain.ticks import BookRow, Gap
from tightloop.core.domain.types import Floats, Ints, Record, Rows, Table
from tightloop.core.kinds import boolean, int64
from tightloop.core.replay.merge import sift_down
from tightloop.core.replay.pump import drop_answer
from tightloop.core.replay.status import (
    CROWDED,
    EQUITY_COUNT,
    EQUITY_FULL,
    FINISHED,
    LOG_FULL,
    RESERVE,
)
from tightloop.core.replay.ticks import (
    ANSWERED,
    ARRIVED,
    DONE,
    EXPIRED,
    NOTHING,
    NUMBER,
    RECEIVED,
    STRATEGY,
    VENUE,
    answer,
    has_no_room,
    keep_equity,
    next_occurrence,
    note_latency,
    receive_answer,
    run_at_venue,
    send_commands,
)
from tightloop.core.signatures import ARENA, EQUITIES, EVENTS, LOG_ARRAY, RATES, STATES, STREAMS, TABLE, TICKS, VENUES
from tightloop.core.step import advance
from tightloop.core.venue import ticks as venue_ticks

CONTROL_COUNT = 13
AT, COUNT, UNTIL_NS, HAS_VENUE, IS_ON_BARS, IN_FACT = range(7, CONTROL_COUNT)
"""Places in ``control`` after those of ``tick_replay``: the next fact of the batch; facts in it; what is due before
this time is run after them (0: nothing); 1 if a venue is simulated; 1 if strategies run on bars; one more than
the fact that is being taken (0: none), so that a failed assertion tells which one it was."""
assert AT == NUMBER + 1, "one function reads both controls"

COMMANDED = 7
"""Why ``take`` returned, besides the reasons in ``status.py``: there are commands for a venue that is not simulated."""

GRID_RANK = 5
"""``next_phase`` of a grid: its place among what is due at one time, as ``replay/ticks.py`` has it."""
_DECIDE = Phase.DECIDE_ON_CLOSE.value | Phase.RECORD.value


# What is due ----------------------------------------------------------------------------------------------------------


@leaf
def _is_timer_alone(venue: Record, timer_ns: int, heap: Ints) -> bool:
    """Return whether a timer is due first while neither a grid nor an answer is to come."""
    if heap[0] > 0 or venue_ticks.next_response_ns(venue) != limits.NEVER_NS:
        return False
    return timer_ns <= venue.expires_next_ns and timer_ns <= venue_ticks.next_request_ns(venue)


@hot
def _due_ns(venue: Record, timer_ns: int, streams: Rows, heap: Ints) -> int:
    """Return when the next thing is due; NEVER_NS if nothing is."""
    due_ns = min(timer_ns, venue.expires_next_ns)
    due_ns = min(due_ns, venue_ticks.next_response_ns(venue))
    due_ns = min(due_ns, venue_ticks.next_request_ns(venue))
    return min(due_ns, streams[heap[1]].next_ns) if heap[0] > 0 else due_ns


@leaf
def _next_before(
    venue: Record, timer_ns: int, streams: Rows, heap: Ints, ticks: Rows, rates: Rows, event: Record, until_ns: int
) -> tuple[int, int]:
    """Return what occurs next before ``until_ns`` and who sees it, as ``next_occurrence`` does; NOTHING if nothing."""
    if _due_ns(venue, timer_ns, streams, heap) >= until_ns:
        return NOTHING, 0
    if _is_timer_alone(venue, timer_ns, heap):
        fields.write_timer(event, -1, timer_ns + 1, 0)
        event.phase = Phase.RECORD.value
        return RECEIVED, STRATEGY
    return next_occurrence(venue, timer_ns, streams, heap, ticks, rates, event)


@hot
def _is_full(log: Rows, equity: Rows, control: Ints) -> int:
    """Return LOG_FULL or EQUITY_FULL if a buffer must be drained before the next event, else 0."""
    if not core_log.has_room(log, control[RESERVE]):
        return LOG_FULL
    return EQUITY_FULL if control[EQUITY_COUNT] >= len(equity) else 0


@leaf
def _settle(state: Record, venue: Record, log: Rows, equity: Rows, control: Ints) -> None:
    """Send what was commanded, if the venue is simulated, and keep the equity."""
    if control[HAS_VENUE] != 0 and core_log.has_commands(log):
        send_commands(venue, log)
    keep_equity(state, equity, control)


@leaf
def _receive(state: Record, arena: Floats, event: Record, log: Rows, table: Table, control: Ints) -> None:
    """Step an event that the strategy receives."""
    control[DONE] += 1
    advance(state, arena, event, log, table)


@leaf
def _run(
    state: Record, arena: Floats, venue: Record, event: Record, log: Rows, equity: Rows, table: Table, control: Ints,
    what: int,
) -> int:  # fmt: skip
    """Run what is due: an event of time alone, an answer, or something at the venue; return CROWDED, or 0."""
    if what == RECEIVED:
        _receive(state, arena, event, log, table, control)
        _settle(state, venue, log, equity, control)
        return _crowded(state, event.instrument, control)
    if what == ANSWERED:
        answer(state, arena, venue, log, table)
        _settle(state, venue, log, equity, control)
    else:
        run_at_venue(venue, what)
    return 0


@hot
def _crowded(state: Record, instrument: int, control: Ints) -> int:
    """Return CROWDED, and which instrument it is, if a tape of it needs room, else 0."""
    if instrument >= 0 and has_no_room(state, instrument):
        control[NUMBER] = instrument
        return CROWDED
    return 0


# Facts ----------------------------------------------------------------------------------------------------------------


@hot
def _is_tick(kind: int) -> bool:
    """Return whether a fact is a print, a quote or a level of a book."""
    return kind == EventKind.TRADE or kind == EventKind.QUOTE or kind == EventKind.BOOK_LEVEL


@leaf
def _begin_grid(streams: Rows, heap: Ints, instrument: int, now_ns: int) -> None:
    """Begin the grid of an instrument at its first tick."""
    stream = streams[instrument]
    stream.next_ns = -(-now_ns // stream.period_ns) * stream.period_ns
    heap[0] += 1
    heap[heap[0]] = instrument
    for place in range(heap[0] // 2, 0, -1):
        sift_down(heap, streams, place)


@leaf
def _write_gap(streams: Rows, fact: Record, event: Record) -> bool:
    """Write a DATA_GAP and return True if the ids before a print or a book update jumped; remember its id."""
    count = len(streams) // 2
    if fact.kind == EventKind.TRADE:
        stream = streams[fact.instrument]
        last = stream.last_id
        stream.last_id = fact.order_id
        if last > 0 and fact.order_id > last + 1:
            fields.write_gap(event, fact.instrument, fact.ts_init_ns, Gap.PRINTS.value)
            event.phase = _DECIDE
            return True
    elif fact.kind == EventKind.BOOK_LEVEL:
        stream = streams[count + fact.instrument]
        last, is_snapshot = stream.last_id, fields.book_flags(fact) & BookRow.IS_SNAPSHOT
        number = fields.book_seq(fact)
        stream.last_id = number + 1 if is_snapshot else max(last, number + 1)
        if not is_snapshot and last > 0 and number > last:
            fields.write_gap(event, fact.instrument, fact.ts_init_ns, Gap.BOOK.value)
            event.phase = _DECIDE
            return True
    return False


@hot
def _seen_by(fact: Record, control: Ints) -> int:
    """Return who sees a fact: STRATEGY, VENUE or both."""
    if _is_tick(fact.kind):
        return VENUE if control[IS_ON_BARS] != 0 else STRATEGY | VENUE
    return STRATEGY | VENUE if fact.kind == EventKind.FUNDING_RATE else STRATEGY


@hot
def _is_received_tick(fact: Record, control: Ints) -> bool:
    """Return whether a fact is a tick that the strategy receives."""
    return control[IS_ON_BARS] == 0 and _is_tick(fact.kind)


@leaf
def _look(streams: Rows, heap: Ints, fact: Record, event: Record) -> bool:
    """Begin the grid of a tick's instrument, if it is the first; write a gap before the tick and return True if any."""
    stream = streams[fact.instrument]
    if stream.period_ns > 0 and stream.next_ns == 0:
        _begin_grid(streams, heap, fact.instrument, fact.ts_init_ns)
    return _write_gap(streams, fact, event)


@hot
def _is_of_the_past(fact: Record) -> bool:
    """Return whether a fact is a bar that a session is warmed up with: it is recorded, and nothing is decided on it."""
    return fact.kind == EventKind.BAR_CLOSED and fact.phase == Phase.RECORD.value


@hot
def _take_fact(
    state: Record, arena: Floats, venue: Record, fact: Record, log: Rows, equity: Rows, table: Table, control: Ints
) -> int:
    """Take a fact; return CROWDED or COMMANDED if the driver has something to do for it, else 0."""
    sees = _seen_by(fact, control)
    if _is_tick(fact.kind):
        note_latency(venue, fact)
    if sees & STRATEGY:
        _receive(state, arena, fact, log, table, control)
        if _is_of_the_past(fact):
            state.touched_count = 0
    if sees & VENUE and control[HAS_VENUE] != 0:
        venue_ticks.market_arrives(venue, fact, fact.ts_init_ns)
    if not sees & STRATEGY:
        return 0
    _settle(state, venue, log, equity, control)
    status = _crowded(state, fact.instrument, control)
    if status == 0 and control[HAS_VENUE] == 0 and core_log.has_commands(log):
        return COMMANDED
    return status


_TAKE = int64(STATES, ARENA, VENUES, STREAMS, TABLE, TICKS, RATES, EVENTS, EVENTS, LOG_ARRAY, EQUITIES, TABLE, TABLE)


@compiled(_TAKE, nogil=True)
def take(
    states: Rows,
    arena: Floats,
    venues: Rows,
    streams: Rows,
    heap: Ints,
    ticks: Rows,
    rates: Rows,
    facts: Rows,
    events: Rows,
    log: Rows,
    equity: Rows,
    table: Table,
    control: Ints,
) -> int:
    """Take ``facts[control[AT]:control[COUNT]]``, each after what is due before it, then advance to ``UNTIL_NS``.

    Return FINISHED, or why it stopped before: it goes on from there when it is called again.

    ``events``: room for one; ``ticks`` and ``rates``: empty, no stream reads from them.
    """
    state, venue, event = states[0], venues[0], events[0]
    while True:
        status = _is_full(log, equity, control)
        if status != 0:
            return status
        has_fact = control[AT] < control[COUNT]
        until_ns = facts[control[AT]].ts_init_ns if has_fact else control[UNTIL_NS]
        what, _ = _next_before(venue, state.next_timer_ns, streams, heap, ticks, rates, event, until_ns)
        if what != NOTHING:
            status = _run(state, arena, venue, event, log, equity, table, control, what)
            if status != 0:
                return status
            continue
        if not has_fact:
            return FINISHED
        fact = facts[control[AT]]
        control[IN_FACT] = control[AT] + 1
        is_placed = not _is_tick(fact.kind) or 0 <= fact.instrument < state.instrument_count
        assert is_placed, "a tick is of an instrument of the run"
        if _is_received_tick(fact, control) and _look(streams, heap, fact, event):
            note_latency(venue, event)
            _receive(state, arena, event, log, table, control)
            _settle(state, venue, log, equity, control)
            control[IN_FACT] = 0
            continue
        control[AT] += 1
        status = _take_fact(state, arena, venue, fact, log, equity, table, control)
        control[IN_FACT] = 0
        if status != 0:
            return status


@compiled(int64(STATES, VENUES, STREAMS, TABLE))
def next_due_ns(states: Rows, venues: Rows, streams: Rows, heap: Ints) -> int:
    """Return when something is due without a fact, so that a session in silence knows when to wake; NEVER_NS: never."""
    return _due_ns(venues[0], states[0].next_timer_ns, streams, heap)


# One at a time --------------------------------------------------------------------------------------------------------


@compiled(int64(STATES, VENUES, STREAMS, TABLE, TICKS, RATES, EVENTS, int64, int64))
def run_next_before(
    states: Rows,
    venues: Rows,
    streams: Rows,
    heap: Ints,
    ticks: Rows,
    rates: Rows,
    events: Rows,
    timer_ns: int,
    until_ns: int,
) -> int:
    """Run what occurs next before ``until_ns`` at the venue, or write it into ``events[0]``; return which.

    ``timer_ns``: the next timer of a user strategy; NEVER_NS for none. NOTHING: nothing is due before ``until_ns``.
    """
    venue = venues[0]
    due_ns = min(states[0].next_timer_ns, timer_ns)
    what, _ = _next_before(venue, due_ns, streams, heap, ticks, rates, events[0], until_ns)
    if what == ANSWERED:
        events[0] = venue.inbox[venue.inbox_taken]
        receive_answer(states[0], events[0])
        drop_answer(venue)
    if what == EXPIRED or what == ARRIVED:
        run_at_venue(venue, what)
    return what


@compiled(boolean(STREAMS, TABLE, EVENTS, EVENTS, TABLE))
def gap_before(streams: Rows, heap: Ints, facts: Rows, events: Rows, control: Ints) -> bool:
    """Write a DATA_GAP into ``events[0]`` and return True if one comes before ``facts[0]``; begin its grid."""
    fact = facts[0]
    return _is_received_tick(fact, control) and _look(streams, heap, fact, events[0])
