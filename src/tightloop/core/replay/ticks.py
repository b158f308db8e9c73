"""Compiled loop over ticks: what the strategy receives, what the venue sees, and what travels between the two.

Theory of operation. Two clocks share one merge of streams: a stream feeds the strategy (at the time its data was
received), the venue (at the time it happened) or both (where the data has one clock). Besides the streams there are
four queues: answers on their way from the venue (its inbox), commands on their way to it (its requests), orders that
expire there, and timers of the strategy. ``next_occurrence`` finds which of these is due first, and writes the event
if it is one of the market or a timer. At one time the order is fixed:

    1. the strategy receives prints, quotes, books, funding and states of its feed (in this order, then by number of
       the stream)
    2. the venue's answers reach the strategy
    3. time alone: the grid that advances windows
    4. the venue sees prints, quotes and books of its own clock
    5. timers of the strategy
    6. orders expire at the venue
    7. commands arrive at the venue

So a decision sees all that was received by then, and a command never meets a market older than its arrival. The streams
and their ranks (``_rank``) stand in a heap; the queues are compared with its top. After each event the strategy
received, commands in the log leave for the venue with their latency, and equity is kept.

What may surprise: rows of a stream come in pieces, and a stream without rows stops the loop (STARVED) until the
driver has refilled it, although other queues are due: nothing may overtake it. A jump in trade ids or update numbers is
told as a DATA_GAP event before the row that revealed it; that row is then read again. A timer fires 1 ns after its
time, so that everything received at that time comes first. The log is drained only at LOG_FULL, a tape grows only at
CROWDED.
"""

from tightloop.core import limits
from tightloop.core import log as core_log
from tightloop.core.compiled import compiled, hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain import session_events
from tightloop.core.domain.enums import EventKind, Phase, RowKind
from tightloop.core.domain.ticks import BookRow, Clock, Gap, StreamKind
from tightloop.core.domain.types import Floats, Ints, Record, Rows, Table
from tightloop.core.kinds import boolean, int64, void
from tightloop.core.market import tapes
from tightloop.core.market import update as market_update
from tightloop.core.replay.merge import is_before, sift_down
from tightloop.core.replay.pump import drop_answer, sender
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
    write_equity,
)
from tightloop.core.signatures import (
    ARENA,
    EVENTS,
    LOG_ARRAY,
    RATES,
    STATES,
    STREAMS,
    TABLE,
    TICK_REPLAY,
    TICKS,
    VENUES,
)
from tightloop.core.step import advance
from tightloop.core.venue import ticks as venue_ticks

CONTROL_COUNT = 7
PERIOD_NS, PERIOD_END, DONE, NUMBER = range(3, CONTROL_COUNT)
"""Places in ``control`` after those of ``status.py``: period of the equity; end of the period of its last row; events
taken; the instrument whose tape needs room."""

NOTHING, RECEIVED, ANSWERED, EXPIRED, ARRIVED, MISSING, TIMED = 0, 1, 2, 3, 4, 5, 6
"""What occurs next: nothing ever; a market event or timer; an answer of the venue; an order expires; a command arrives
at the venue; rows are missing; a timer (only inside ``next_occurrence``, which returns it as RECEIVED)."""
STRATEGY, VENUE = 1, 2
"""Flags: who sees a market event."""

_TRADES, _QUOTES, _BOOKS, _FUNDING, _ANSWERS, _GRID, _VENUE = 0, 1, 2, 3, 4, 5, 6
_STARVED_NS = -1
_DECIDE = Phase.DECIDE_ON_CLOSE.value | Phase.RECORD.value


# Streams --------------------------------------------------------------------------------------------------------------


@leaf
def _rank(stream: Record) -> int:
    """Return the place of a stream among those due at one time."""
    if stream.kind == StreamKind.GRID:
        return _GRID
    rank = _TRADES if stream.kind == StreamKind.TRADES else _QUOTES if stream.kind == StreamKind.QUOTES else _FUNDING
    rank = _BOOKS if stream.kind == StreamKind.BOOKS else rank
    return rank + _VENUE if stream.clock == Clock.VENUE else rank


@hot
def _time_of(stream: Record, ticks: Rows, rates: Rows) -> int:
    """Return when the stream's next event is due; NEVER_NS at its end, below 0 if its rows have run out."""
    if stream.at >= stream.end:
        return limits.NEVER_NS if stream.is_last != 0 else _STARVED_NS
    if stream.kind == StreamKind.FUNDING:
        return rates[stream.at].ts_ns
    tick = ticks[stream.at]
    if stream.clock == Clock.VENUE:
        return tick.ts_event_ns
    return tick.ts_init_ns + stream.offset_ns


@hot
def _reschedule(streams: Rows, heap: Ints, stream: Record, next_ns: int) -> None:
    """Set the next time of the stream at the top of the heap, and restore the order."""
    stream.next_ns = next_ns
    if next_ns == limits.NEVER_NS:
        heap[1] = heap[heap[0]]
        heap[0] -= 1
    count = heap[0]
    if count > 1 and (
        next_ns == limits.NEVER_NS
        or is_before(streams, heap[2], heap[1])
        or (count > 2 and is_before(streams, heap[3], heap[1]))
    ):
        sift_down(heap, streams, 1)


@leaf
def _is_gap(stream: Record, tick: Record) -> bool:
    """Return whether trade ids jumped, so that prints are missing in between; remember this one."""
    last = stream.last_id
    stream.last_id = tick.trade_id
    return last > 0 and tick.trade_id > last + 1


@leaf
def _is_book_gap(stream: Record, tick: Record) -> bool:
    """Return whether update numbers jumped, so that updates are missing in between; remember this one.

    ``last_id`` is one more than the last number, so that 0 means none yet.
    """
    last, is_snapshot = stream.last_id, tick.is_buyer_maker & BookRow.IS_SNAPSHOT
    stream.last_id = tick.trade_id + 1 if is_snapshot else max(last, tick.trade_id + 1)
    return not is_snapshot and last > 0 and tick.trade_id > last


@hot
def _take_tick(stream: Record, tick: Record, event: Record, now_ns: int) -> bool:
    """Write a print or a quote; return True if a gap was written instead, and the row is still to come."""
    if stream.kind == StreamKind.QUOTES:
        fields.write_quote(event, stream.instrument, now_ns, tick)
    elif stream.clock != Clock.VENUE and _is_gap(stream, tick):
        fields.write_gap(event, stream.instrument, now_ns, Gap.PRINTS.value)
        event.phase = _DECIDE
        return True
    else:
        fields.write_trade(event, stream.instrument, now_ns, tick)
    event.phase = _DECIDE
    return False


@leaf
def _take_level(stream: Record, tick: Record, event: Record, now_ns: int) -> bool:
    """Write a level of a book, decided on after the last of its update; return True if a gap was written instead."""
    if stream.clock != Clock.VENUE and _is_book_gap(stream, tick):
        fields.write_gap(event, stream.instrument, now_ns, Gap.BOOK.value)
        event.phase = _DECIDE
        return True
    fields.write_book_level(event, stream.instrument, now_ns, tick)
    if fields.book_flags(event) & BookRow.IS_LAST:
        event.phase = _DECIDE
    return False


@leaf
def _take_other(stream: Record, rates: Rows, event: Record, now_ns: int) -> None:
    """Write a funding rate, which the venue settles at its own mark, or a point of the grid."""
    if stream.kind == StreamKind.FUNDING:
        fields.write_funding_rate(event, stream.instrument, now_ns, rates[stream.at].rate, 0.0)
        event.phase = Phase.RECORD.value
    else:
        fields.write_timer(event, stream.instrument, now_ns, 0)
        event.phase = _DECIDE


@hot
def _seen_by(stream: Record) -> int:
    """Return who sees the events of a stream: STRATEGY, VENUE or both."""
    return STRATEGY | VENUE if stream.clock == Clock.BOTH else STRATEGY if stream.clock == Clock.STRATEGY else VENUE


@hot
def _take_top(streams: Rows, heap: Ints, ticks: Rows, rates: Rows, event: Record) -> int:
    """Write the market event that is due first; return who sees it: STRATEGY, VENUE or both."""
    stream = streams[heap[1]]
    now_ns = stream.next_ns
    if stream.kind == StreamKind.TRADES or stream.kind == StreamKind.QUOTES:
        if _take_tick(stream, ticks[stream.at], event, now_ns):
            return STRATEGY
        stream.at += 1
        _reschedule(streams, heap, stream, _time_of(stream, ticks, rates))
        return _seen_by(stream)
    if stream.kind == StreamKind.BOOKS:
        if _take_level(stream, ticks[stream.at], event, now_ns):
            return STRATEGY
        stream.at += 1
        _reschedule(streams, heap, stream, _time_of(stream, ticks, rates))
        return _seen_by(stream)
    if stream.kind == StreamKind.FEED_STATES:
        tick = ticks[stream.at]
        if tick.is_buyer_maker != 0:
            fields.write_gap(event, stream.instrument, now_ns, tick.trade_id)
        else:
            session_events.write_feed_state(event, stream.instrument, tick.ts_event_ns, now_ns, tick.trade_id)
        event.phase = Phase.RECORD.value
        stream.at += 1
        _reschedule(streams, heap, stream, _time_of(stream, ticks, rates))
        return STRATEGY
    _take_other(stream, rates, event, now_ns)
    if stream.kind == StreamKind.FUNDING:
        stream.at += 1
        _reschedule(streams, heap, stream, _time_of(stream, ticks, rates))
        return STRATEGY | VENUE
    _reschedule(streams, heap, stream, now_ns + stream.period_ns)
    return STRATEGY


# What occurs ----------------------------------------------------------------------------------------------------------


@hot
def next_occurrence(
    venue: Record, timer_ns: int, streams: Rows, heap: Ints, ticks: Rows, rates: Rows, event: Record
) -> tuple[int, int]:
    """Return what occurs next, and who sees it if it is a market event or a timer, which is written into ``event``."""
    market_ns, rank = limits.NEVER_NS, 0
    if heap[0] > 0:
        market_ns, rank = streams[heap[1]].next_ns, streams[heap[1]].next_phase
    if market_ns < 0:
        return MISSING, 0
    answer_ns = venue_ticks.next_response_ns(venue)
    if answer_ns < market_ns or (answer_ns == market_ns and rank >= _ANSWERS):
        due_ns, what = answer_ns, ANSWERED
    else:
        due_ns, what = market_ns, RECEIVED
    if timer_ns < due_ns and due_ns != limits.NEVER_NS:
        due_ns, what = timer_ns, TIMED
    arrives_ns = venue_ticks.next_request_ns(venue)
    if arrives_ns < due_ns:
        due_ns, what = arrives_ns, ARRIVED
    if venue.expires_next_ns < due_ns or (venue.expires_next_ns == due_ns and what == ARRIVED):
        due_ns, what = venue.expires_next_ns, EXPIRED
    if due_ns == limits.NEVER_NS:
        return NOTHING, 0
    if what == RECEIVED:
        return RECEIVED, _take_top(streams, heap, ticks, rates, event)
    if what == TIMED:
        fields.write_timer(event, -1, timer_ns + 1, 0)
        event.phase = Phase.RECORD.value
        return RECEIVED, STRATEGY
    return what, 0


@hot
def is_grid(event: Record) -> bool:
    """Return whether an event is a point of the grid: time alone, for the windows of an instrument."""
    return event.kind == EventKind.TIMER and event.instrument >= 0


@leaf
def is_over(streams: Rows, heap: Ints, venue: Record) -> bool:
    """Return whether only grids are left, so that nothing will happen any more."""
    for place in range(1, heap[0] + 1):
        if streams[heap[place]].kind != StreamKind.GRID:
            return False
    return (
        venue_ticks.next_response_ns(venue) == limits.NEVER_NS and venue_ticks.next_request_ns(venue) == limits.NEVER_NS
    )


@leaf
def _on_row(venue: Record, row: Record) -> None:
    """Send a row of the log to the venue, if it is a command; it arrives after its latency."""
    if row.kind <= RowKind.AMEND:
        venue_ticks.send(venue, row)


send_commands = sender(_on_row)
"""``send_commands(venue, log)``: send the commands in the log that were not sent yet."""


@leaf
def run_at_venue(venue: Record, what: int) -> None:
    """Run what occurs at the venue alone: a command arrives (ARRIVED), or orders expire (EXPIRED)."""
    if what == ARRIVED:
        venue_ticks.request_arrives(venue)
    else:
        venue_ticks.expire(venue, venue.expires_next_ns)


@hot
def note_latency(venue: Record, event: Record) -> None:
    """Keep how long the market data of an instrument took to arrive; recorded latency sends commands by it."""
    is_of_market = event.kind == EventKind.TRADE or event.kind == EventKind.QUOTE or event.kind == EventKind.BOOK_LEVEL
    if is_of_market and event.ts_event_ns > 0:
        venue.instruments[event.instrument].feed_latency_ns = max(event.ts_init_ns - event.ts_event_ns, 0)


@hot
def receive_answer(state: Record, event: Record) -> None:
    """Set the time of an answer at its arrival: never before State, which a timer may have moved 1 ns ahead."""
    event.ts_init_ns = max(event.ts_init_ns, state.ts_ns)
    event.phase = Phase.RECORD.value


@leaf
def answer(state: Record, arena: Floats, venue: Record, log: Rows, table: Table) -> None:
    """Apply the next answer of the venue."""
    event = venue.inbox[venue.inbox_taken]
    receive_answer(state, event)
    advance(state, arena, event, log, table)
    drop_answer(venue)


@leaf
def has_no_room(state: Record, instrument: int) -> bool:
    """Return whether a window of an instrument needs more rows than its tape has room for."""
    market = state.instruments[instrument]
    if market.trade_tape >= 0 and tapes.needs_room(state, market.trade_tape):
        return True
    if market.book_tape >= 0 and tapes.needs_room(state, market.book_tape):
        return True
    return market.quote_tape >= 0 and tapes.needs_room(state, market.quote_tape)


@hot
def keep_equity(state: Record, equity: Rows, control: Ints) -> None:
    """Write the current equity: the first row stays, then the last of each period is kept."""
    if state.ts_ns <= control[PERIOD_END]:
        control[EQUITY_COUNT] -= 1 if control[EQUITY_COUNT] > 1 else 0
    else:
        control[PERIOD_END] = ((state.ts_ns - 1) // control[PERIOD_NS] + 1) * control[PERIOD_NS]
    write_equity(state, equity[control[EQUITY_COUNT]])
    control[EQUITY_COUNT] += 1


@compiled(TICK_REPLAY, nogil=True)
def tick_replay(
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
) -> int:
    """Run to the end, until a buffer must be drained, filled or grown, or for ``control[LEFT]`` events; return which.

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
        what, sees = next_occurrence(venue, state.next_timer_ns, streams, heap, ticks, rates, event)
        if what == MISSING:
            return STARVED
        if what == NOTHING:
            return FINISHED
        if what == RECEIVED:
            if is_grid(event) and is_over(streams, heap, venue):
                return FINISHED
            if sees & STRATEGY:
                left -= 1
                control[DONE] += 1
                note_latency(venue, event)
                advance(state, arena, event, log, table)
            if sees & VENUE:
                venue_ticks.market_arrives(venue, event, event.ts_init_ns)
            if sees & STRATEGY:
                if core_log.has_commands(log):
                    send_commands(venue, log)
                keep_equity(state, equity, control)
                if event.instrument >= 0 and has_no_room(state, event.instrument):
                    control[NUMBER] = event.instrument
                    return CROWDED
        elif what == ANSWERED:
            answer(state, arena, venue, log, table)
            if core_log.has_commands(log):
                send_commands(venue, log)
            keep_equity(state, equity, control)
        else:
            run_at_venue(venue, what)


@compiled(void(STREAMS, TABLE, TICKS, RATES))
def ticks_begin(streams: Rows, heap: Ints, ticks: Rows, rates: Rows) -> None:
    """Build the heap of streams; ``next_ns`` of grids is set already, to the first event of their instrument."""
    assert len(heap) > len(streams), "the heap holds its count and every stream"
    heap[0] = 0
    for k in range(len(streams)):
        stream = streams[k]
        stream.next_phase = _rank(stream)
        if stream.kind != StreamKind.GRID:
            stream.next_ns = _time_of(stream, ticks, rates)
        if stream.next_ns < limits.NEVER_NS:
            heap[0] += 1
            heap[heap[0]] = k
    for place in range(heap[0] // 2, 0, -1):
        sift_down(heap, streams, place)


@compiled(void(STREAMS, TABLE, TICKS, RATES))
def ticks_refilled(streams: Rows, heap: Ints, ticks: Rows, rates: Rows) -> None:
    """Update the place of the stream at the top, which has new rows or is at its end."""
    assert heap[0] > 0, "a stream asked for rows"
    stream = streams[heap[1]]
    _reschedule(streams, heap, stream, _time_of(stream, ticks, rates))


# One at a time --------------------------------------------------------------------------------------------------------


@compiled(int64(STATES, VENUES, STREAMS, TABLE, TICKS, RATES, EVENTS, int64))
def run_next_occurrence(
    states: Rows, venues: Rows, streams: Rows, heap: Ints, ticks: Rows, rates: Rows, events: Rows, timer_ns: int
) -> int:
    """Run the next occurrence at the venue, or write it into ``events[0]``; return it, plus 8 times who sees it.

    ``timer_ns``: the next timer of a user strategy; NEVER_NS for none.
    """
    venue = venues[0]
    due_ns = min(states[0].next_timer_ns, timer_ns)
    what, sees = next_occurrence(venue, due_ns, streams, heap, ticks, rates, events[0])
    if what == RECEIVED and is_grid(events[0]) and is_over(streams, heap, venue):
        return NOTHING
    if what == ANSWERED:
        events[0] = venue.inbox[venue.inbox_taken]
        receive_answer(states[0], events[0])
        drop_answer(venue)
    if what == EXPIRED or what == ARRIVED:
        run_at_venue(venue, what)
    return what + 8 * sees


@compiled(void(VENUES, EVENTS))
def venue_sees(venues: Rows, events: Rows) -> None:
    """Pass ``events[0]`` to the venue."""
    venue_ticks.market_arrives(venues[0], events[0], events[0].ts_init_ns)


@compiled(void(VENUES, EVENTS))
def strategy_received(venues: Rows, events: Rows) -> None:
    """Keep the latency of the feed that ``events[0]`` came with."""
    note_latency(venues[0], events[0])


@compiled(void(VENUES, LOG_ARRAY))
def send_new(venues: Rows, log: Rows) -> None:
    """Send the commands in the log that were not sent yet."""
    send_commands(venues[0], log)


@compiled(void(VENUES, LOG_ARRAY, int64))
def send_row(venues: Rows, log: Rows, row: int) -> None:
    """Send the command in a row of the log."""
    _on_row(venues[0], log[row])


@compiled(void(STATES, ARENA, TABLE))
def measure_put_off(states: Rows, arena: Floats, table: Table) -> None:
    """Compute lazy indicators: the run is over, or all of State is to be read."""
    market_update.measure_all(states[0], arena, table)


@compiled(boolean(STATES, int64))
def is_crowded(states: Rows, instrument: int) -> bool:
    """Return whether a tape of an instrument needs room before its next row."""
    return has_no_room(states[0], instrument)
