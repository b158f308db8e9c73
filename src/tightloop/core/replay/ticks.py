"""Compiled loops over ticks: what the strategy receives, what the venue sees, and what travels between the two.

Four things happen, ordered by time and at one time in this order: a market event the strategy receives; what the venue
said arrives at the strategy; time alone (the grid of windows, timers of the strategy); a market event at the venue,
what expires there, and commands that arrive there. ``next_occurrence`` finds the next of them, for the array driver
and for the one that takes one event at a time. Streams give their rows in pieces: one that has no more asks
for them (STARVED).
"""

from tightloop.core import limits
from tightloop.core.compiled import compiled, hot, leaf
from tightloop.core.domain.enums import EventKind, Phase, RowKind
from tightloop.core.domain.kinds import boolean, int64, void
from tightloop.core.domain.ticks import BookRow, Clock, Gap, StreamKind
from tightloop.core.domain.types import Floats, Ints, Record, Rows, Table
from tightloop.core.market import tapes
from tightloop.core.market import update as market_update
from tightloop.core.replay.merge import is_before, sift_down
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

FINISHED, LOG_FULL, EQUITY_FULL, PAUSED, STARVED, CROWDED = 0, 1, 2, 3, 4, 5

# What occurs next.
NOTHING, RECEIVED, ANSWERED, EXPIRED, ARRIVED, MISSING = 0, 1, 2, 3, 4, 5
TIMED = 6

_TRADES, _QUOTES, _BOOKS, _FUNDING, _ANSWERS, _GRID, _VENUE = 0, 1, 2, 3, 4, 5, 6
_STARVED_NS = -1


# Streams --------------------------------------------------------------------------------------------------------------


@leaf
def _rank(stream: Record) -> int:
    """The place of a stream among those of one time: prints, quotes, books, funding; the grid; then the venue's."""
    if stream.kind == StreamKind.GRID:
        return _GRID
    own = _TRADES if stream.kind == StreamKind.TRADES else _QUOTES if stream.kind == StreamKind.QUOTES else _FUNDING
    own = _BOOKS if stream.kind == StreamKind.BOOKS else own
    return own + _VENUE if stream.clock == Clock.VENUE else own


@hot
def _time_of(stream: Record, ticks: Rows, rates: Rows) -> int:
    """When the stream's next event is due; NEVER_NS at its end, below 0 when rows are missing."""
    if stream.at >= stream.end:
        return limits.NEVER_NS if stream.is_last != 0 else _STARVED_NS
    if stream.kind == StreamKind.FUNDING:
        return rates[stream.at].ts_ns
    tick = ticks[stream.at]
    if stream.clock == Clock.VENUE:
        return tick.ts_event_ns
    return tick.ts_init_ns + stream.offset_ns


@hot
def _go_on(streams: Rows, heap: Ints, stream: Record, next_ns: int) -> None:
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
    """Trade ids jumped: prints are missing in between."""
    last = stream.last_id
    stream.last_id = tick.trade_id
    return last > 0 and tick.trade_id > last + 1


@leaf
def _is_book_gap(stream: Record, tick: Record) -> bool:
    """The numbers of updates jumped: some are missing in between. ``last_id`` is one more than the last number."""
    last, is_snapshot = stream.last_id, tick.is_buyer_maker & BookRow.IS_SNAPSHOT
    stream.last_id = tick.trade_id + 1 if is_snapshot else max(last, tick.trade_id + 1)
    return not is_snapshot and last > 0 and tick.trade_id > last


@hot
def _write_tick(event: Record, stream: Record, tick: Record, now_ns: int) -> None:
    event.ts_event_ns = tick.ts_event_ns
    event.instance = 0
    event.reason = 0
    event.order_slot = -1
    event.stop_price = 0.0
    event.ts_init_ns = now_ns
    event.instrument = stream.instrument
    event.price = tick.price
    event.qty = tick.qty
    event.phase = Phase.DECIDE_ON_CLOSE.value | Phase.RECORD.value
    if stream.kind == StreamKind.TRADES:
        event.kind = EventKind.TRADE.value
        event.order_id = tick.trade_id
        event.is_maker = tick.is_buyer_maker
        event.rate = 0.0
        event.amount = 0.0
    else:
        event.kind = EventKind.QUOTE.value
        event.order_id = 0
        event.is_maker = 0
        event.rate = tick.ask
        event.amount = tick.ask_qty


@leaf
def _write_level(event: Record, stream: Record, tick: Record, now_ns: int) -> None:
    """A row of an order book; who decides does so after the last of its update."""
    event.kind = EventKind.BOOK_LEVEL.value
    event.phase = Phase.NONE.value
    if tick.is_buyer_maker & BookRow.IS_LAST:
        event.phase = Phase.DECIDE_ON_CLOSE.value | Phase.RECORD.value
    event.ts_event_ns = tick.ts_event_ns
    event.ts_init_ns = now_ns
    event.instrument = stream.instrument
    event.instance = 0
    event.order_slot = -1
    event.order_id = tick.trade_id
    event.reason = tick.is_buyer_maker
    event.is_maker = 0
    event.price = tick.price
    event.qty = tick.qty
    event.rate = 0.0
    event.amount = 0.0
    event.stop_price = 0.0


@leaf
def _write_other(event: Record, stream: Record, rates: Rows, now_ns: int) -> None:
    """Funding, or a point of the grid."""
    event.instance = 0
    event.reason = 0
    event.order_slot = -1
    event.stop_price = 0.0
    event.ts_event_ns = now_ns
    event.ts_init_ns = now_ns
    event.instrument = stream.instrument
    event.order_id = 0
    event.is_maker = 0
    event.price = 0.0
    event.qty = 0.0
    event.rate = 0.0
    event.amount = 0.0
    if stream.kind == StreamKind.FUNDING:
        event.kind = EventKind.FUNDING_RATE.value
        event.rate = rates[stream.at].rate
        event.phase = Phase.RECORD.value
    else:
        event.kind = EventKind.TIMER.value
        event.phase = Phase.DECIDE_ON_CLOSE.value | Phase.RECORD.value


@leaf
def _write_timer(event: Record, timer_ns: int) -> None:
    """A timer of the strategy is due: told as soon as its time is over."""
    event.kind = EventKind.TIMER.value
    event.phase = Phase.RECORD.value
    event.ts_event_ns = timer_ns + 1
    event.ts_init_ns = timer_ns + 1
    event.instrument = -1
    event.instance = 0
    event.reason = 0
    event.order_slot = -1
    event.stop_price = 0.0
    event.order_id = 0
    event.is_maker = 0
    event.price = 0.0
    event.qty = 0.0
    event.rate = 0.0
    event.amount = 0.0


@leaf
def _note_gap(event: Record, now_ns: int, what: int) -> None:
    """What is in hand says that some before it is missing: that is told first."""
    event.kind = EventKind.DATA_GAP.value
    event.phase = Phase.DECIDE_ON_CLOSE.value | Phase.RECORD.value
    event.reason = what
    event.order_id = 0
    event.is_maker = 0
    event.price = 0.0
    event.qty = 0.0
    event.ts_event_ns = now_ns


@hot
def _take_top(streams: Rows, heap: Ints, ticks: Rows, rates: Rows, event: Record) -> int:
    """Write the next market event; whether the strategy (1), the venue (2) or both (3) see it."""
    stream = streams[heap[1]]
    now_ns = stream.next_ns
    if stream.kind == StreamKind.TRADES or stream.kind == StreamKind.QUOTES:
        tick = ticks[stream.at]
        _write_tick(event, stream, tick, now_ns)
        if stream.kind == StreamKind.TRADES and stream.clock != Clock.VENUE and _is_gap(stream, tick):
            _note_gap(event, now_ns, Gap.PRINTS.value)
            return 1
        stream.at += 1
        _go_on(streams, heap, stream, _time_of(stream, ticks, rates))
        return 3 if stream.clock == Clock.BOTH else 1 if stream.clock == Clock.STRATEGY else 2
    if stream.kind == StreamKind.BOOKS:
        tick = ticks[stream.at]
        _write_level(event, stream, tick, now_ns)
        if stream.clock != Clock.VENUE and _is_book_gap(stream, tick):
            _note_gap(event, now_ns, Gap.BOOK.value)
            return 1
        stream.at += 1
        _go_on(streams, heap, stream, _time_of(stream, ticks, rates))
        return 3 if stream.clock == Clock.BOTH else 1 if stream.clock == Clock.STRATEGY else 2
    _write_other(event, stream, rates, now_ns)
    if stream.kind == StreamKind.FUNDING:
        stream.at += 1
        _go_on(streams, heap, stream, _time_of(stream, ticks, rates))
        return 3
    _go_on(streams, heap, stream, now_ns + stream.period_ns)
    return 1


# What occurs ----------------------------------------------------------------------------------------------------------


@hot
def next_occurrence(
    venue: Record, timer_ns: int, streams: Rows, heap: Ints, ticks: Rows, rates: Rows, event: Record
) -> tuple[int, int]:
    """What occurs next, and who sees it when it is a market event. ``event`` is written for those."""
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
        _write_timer(event, timer_ns)
        return RECEIVED, 1
    return what, 0


@hot
def is_grid(event: Record) -> bool:
    return event.kind == EventKind.TIMER and event.instrument >= 0


@leaf
def is_over(streams: Rows, heap: Ints, venue: Record) -> bool:
    """Only grids are left: time goes on, and nothing else will."""
    for place in range(1, heap[0] + 1):
        if streams[heap[place]].kind != StreamKind.GRID:
            return False
    return (
        venue_ticks.next_response_ns(venue) == limits.NEVER_NS and venue_ticks.next_request_ns(venue) == limits.NEVER_NS
    )


@leaf
def send_commands(venue: Record, log: Rows) -> None:
    """Commands that the step just wrote leave for the venue."""
    header = log[0]
    while header.oco < header.slot:
        row = log[header.oco]
        header.oco += 1
        if row.kind <= RowKind.AMEND:
            venue_ticks.send(venue, row)


@leaf
def run_at_venue(venue: Record, what: int) -> None:
    if what == ARRIVED:
        venue_ticks.request_arrives(venue)
    else:
        venue_ticks.expire(venue, venue.expires_next_ns)


@leaf
def answer(state: Record, arena: Floats, venue: Record, log: Rows, table: Table) -> None:
    """The strategy hears what the venue said."""
    event = venue.inbox[venue.inbox_taken]
    event.ts_init_ns = max(event.ts_init_ns, state.ts_ns)  # a timer is told when its time is over, and acts at it
    event.phase = Phase.RECORD.value
    venue.inbox_taken += 1
    advance(state, arena, event, log, table)
    if venue.inbox_taken == venue.inbox_count:
        venue.inbox_taken = 0
        venue.inbox_count = 0


@leaf
def has_no_room(state: Record, instrument: int) -> bool:
    """A window needs more rows than its tape has room for."""
    own = state.instruments[instrument]
    if own.trade_tape >= 0 and tapes.needs_room(state, own.trade_tape):
        return True
    if own.book_tape >= 0 and tapes.needs_room(state, own.book_tape):
        return True
    return own.quote_tape >= 0 and tapes.needs_room(state, own.quote_tape)


@hot
def keep_equity(state: Record, equity: Rows, control: Ints) -> None:
    """The last equity of each period is kept, and the first of all."""
    if state.ts_ns <= control[4]:
        control[1] -= 1 if control[1] > 1 else 0
    else:
        control[4] = ((state.ts_ns - 1) // control[3] + 1) * control[3]
    row = equity[control[1]]
    row.ts_ns = state.ts_ns
    row.equity = state.equity
    row.cash = state.equity - state.unrealized
    control[1] += 1


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
    """Run until the end, until a buffer must be drained, filled or grown, or for a number of events. Returns which.

    ``control``: [rows of the log that one event may need, equity rows written, events that may be taken in, period of
    the equity in ns, the end of the period of its last row, events taken in, the instrument whose tape needs room].
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
        what, sees = next_occurrence(venue, state.next_timer_ns, streams, heap, ticks, rates, event)
        if what == MISSING:
            return STARVED
        if what == NOTHING:
            return FINISHED
        if what == RECEIVED:
            if is_grid(event) and is_over(streams, heap, venue):
                return FINISHED
            if sees & 1:
                left -= 1
                control[5] += 1
                if event.kind >= EventKind.TRADE and event.ts_event_ns > 0:
                    own = venue.instruments[event.instrument]
                    own.feed_latency_ns = max(event.ts_init_ns - event.ts_event_ns, 0)
                advance(state, arena, event, log, table)
            if sees & 2:
                venue_ticks.market_arrives(venue, event, event.ts_init_ns)
            if sees & 1:
                if log[0].oco < log[0].slot:
                    send_commands(venue, log)
                keep_equity(state, equity, control)
                if event.instrument >= 0 and has_no_room(state, event.instrument):
                    control[6] = event.instrument
                    return CROWDED
        elif what == ANSWERED:
            answer(state, arena, venue, log, table)
            if log[0].oco < log[0].slot:
                send_commands(venue, log)
            keep_equity(state, equity, control)
        else:
            run_at_venue(venue, what)


@compiled(void(STREAMS, TABLE, TICKS, RATES))
def ticks_begin(streams: Rows, heap: Ints, ticks: Rows, rates: Rows) -> None:
    """Order the streams; the grids begin with the first event of their instrument (``next_ns`` of them is set)."""
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
    """The stream at the top has new rows, or is at its end."""
    assert heap[0] > 0, "a stream asked for rows"
    stream = streams[heap[1]]
    _go_on(streams, heap, stream, _time_of(stream, ticks, rates))


# One at a time --------------------------------------------------------------------------------------------------------


@compiled(int64(STATES, VENUES, STREAMS, TABLE, TICKS, RATES, EVENTS, int64))
def run_next_occurrence(
    states: Rows, venues: Rows, streams: Rows, heap: Ints, ticks: Rows, rates: Rows, events: Rows, timer_ns: int
) -> int:
    """What occurs next: NOTHING, MISSING, ANSWERED (in ``events[0]`` too), EXPIRED, ARRIVED, or RECEIVED (8 times who
    sees it, added). ``timer_ns``: when somebody outside of the step wants to be called; NEVER_NS when nobody does."""
    venue = venues[0]
    due_ns = min(states[0].next_timer_ns, timer_ns)
    what, sees = next_occurrence(venue, due_ns, streams, heap, ticks, rates, events[0])
    if (
        what == RECEIVED
        and events[0].kind == EventKind.TIMER
        and events[0].instrument >= 0
        and is_over(streams, heap, venue)
    ):
        return NOTHING
    if what == ANSWERED:
        events[0] = venue.inbox[venue.inbox_taken]
        events[0].ts_init_ns = max(events[0].ts_init_ns, states[0].ts_ns)
        events[0].phase = Phase.RECORD.value
        venue.inbox_taken += 1
        if venue.inbox_taken == venue.inbox_count:
            venue.inbox_taken = 0
            venue.inbox_count = 0
    if what == EXPIRED or what == ARRIVED:
        run_at_venue(venue, what)
    return what + 8 * sees


@compiled(void(VENUES, EVENTS))
def venue_sees(venues: Rows, events: Rows) -> None:
    """A market event at the venue."""
    venue_ticks.market_arrives(venues[0], events[0], events[0].ts_init_ns)


@compiled(void(VENUES, EVENTS))
def strategy_received(venues: Rows, events: Rows) -> None:
    """The latency of the feed, as the strategy sees it."""
    event = events[0]
    if event.ts_event_ns > 0 and event.kind >= EventKind.TRADE:
        venues[0].instruments[event.instrument].feed_latency_ns = max(event.ts_init_ns - event.ts_event_ns, 0)


@compiled(void(VENUES, LOG_ARRAY))
def send_new(venues: Rows, log: Rows) -> None:
    """Commands in the log that were not sent yet leave for the venue."""
    send_commands(venues[0], log)


@compiled(void(STATES, ARENA, TABLE))
def measure_put_off(states: Rows, arena: Floats, table: Table) -> None:
    """Compute what was put off: the run is over, or somebody looks at all of it."""
    market_update.measure_all(states[0], arena, table)


@compiled(boolean(STATES, int64))
def is_crowded(states: Rows, instrument: int) -> bool:
    """A tape of an instrument needs room before its next row."""
    return has_no_room(states[0], instrument)
