"""The compiled loop of a carry run: instant by instant, what became known, what was settled, what is decided and done.

The same functions are there one event at a time for the driver that stands outside (``next_carry_event``,
``venue_heard``, ``venue_instructed``, with ``replay.step_one``); both give the same results, byte for byte.
"""

import numpy as np

from tightloop.core.carry.books import unit_value
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.carry import BUCKETS, Monitor
from tightloop.core.domain.enums import EventKind, RowKind
from tightloop.core.domain.kinds import array, boolean, float64, int64, void
from tightloop.core.domain.types import Floats, Ints, Record, Rows, Table
from tightloop.core.signatures import ARENA, EVENTS, LOG_ARRAY, STATES, TABLE
from tightloop.core.step import step
from tightloop.core.venue.carry import bundles, market_events
from tightloop.core.venue.carry.record import CARRY_VENUE

CARRY_VENUES = array(CARRY_VENUE)
MATRIX = array(float64, 2)
FINISHED, LOG_FULL, PAUSED = 0, 1, 2

FIXED = (
    "equity", "unit_price", "units", "flows", "hf", "ltv", "margin_ratio", "delta", "funding_rate", "peg",
    "utilisation", "hf_low", "ltv_high",
)  # fmt: skip
"""First columns of a snapshot: ``hf`` and ``ltv`` as they are at its end, ``margin_ratio``, ``hf_low`` and ``ltv_high``
the worst of the instant; then the buckets, amount and value of each balance, quantity and result of each holding
(values in the share class)."""


def snapshot_width(balances: int, holdings: int) -> int:
    """Columns of a snapshot."""
    return len(FIXED) + BUCKETS + 2 * balances + 2 * holdings


@leaf
def _deliver(state: Record, arena: Floats, venue: Record, log: Rows, table: Table) -> None:
    """Instructions to the venues, what came of them to the step, until neither has anything to say."""
    header = log[0]
    while True:
        if header.oco < header.slot:
            row = log[header.oco]
            header.oco += 1
            if row.kind == RowKind.INSTRUCT:
                bundles.on_instruction(venue, row)
        elif venue.inbox_taken < venue.inbox_count:
            step(state, arena, venue.inbox[venue.inbox_taken], log, table)
            venue.inbox_taken += 1
        else:
            break
    venue.inbox_count = 0
    venue.inbox_taken = 0


@leaf
def write_snapshot(state: Record, row: Floats) -> None:
    """What the fund is worth, holds and earned, into a row."""
    carry = state.carry
    books = carry.books
    row[0], row[1], row[2], row[3] = carry.nav, carry.unit_price, carry.units, carry.flows
    row[4], row[5], row[6], row[7] = carry.hf, carry.ltv, carry.margin_worst, carry.delta
    row[8] = carry.funding_rate
    row[9], row[10] = carry.monitors[Monitor.PEG.value], carry.monitors[Monitor.UTILISATION.value]
    row[11], row[12] = carry.hf_low, carry.ltv_high
    at = len(FIXED)
    for k in range(BUCKETS):
        row[at + k] = carry.buckets[k]
    at += BUCKETS
    for k in range(books.balance_count):
        balance = books.balances[k]
        row[at] = balance.sign * balance.amount
        worth = unit_value(books, k) if balance.amount != 0.0 else 0.0
        row[at + 1] = balance.sign * balance.amount * worth
        at += 2
    for k in range(books.holding_count):
        holding = books.holdings[k]
        row[at] = holding.qty
        row[at + 1] = holding.unrealized * books.assets[holding.quote].price if holding.qty != 0.0 else 0.0
        at += 2


@leaf
def _clear(event: Record, kind: int, now_ns: int) -> None:
    event.kind = kind
    event.phase = 0
    event.instrument = -1
    event.instance = -1
    event.ts_event_ns = now_ns
    event.ts_init_ns = now_ns
    event.order_id = 0
    event.order_slot = -1
    event.reason = 0
    event.is_maker = 0
    event.qty = 0.0
    event.amount = 0.0
    event.price = 0.0
    event.rate = 0.0
    event.stop_price = 0.0


@leaf
def next_event(instants: Ints, values: Floats, extras: Rows, last: Floats, at: Ints, event: Record) -> bool:
    """Write what comes next; False at the end.

    ``at``: [instant, series, extra, part of the instant]. Of one instant come series whose value is new, in their order
    (the plan puts indices before rates, prices and marks); extras up to it (settlements, rewards, flows, predictions);
    then that all is known; then that it has ended.
    """
    count, width = values.shape
    while at[0] < count:
        now_ns = instants[at[0]]
        if at[3] == 0:
            while at[1] < width:
                k = at[1]
                at[1] += 1
                value = values[at[0], k]
                if value != last[k] and (value == value or last[k] == last[k]):
                    last[k] = value  # what was known and is not any more is said too
                    _clear(event, EventKind.SERIES_UPDATED.value, now_ns)
                    event.instrument = k
                    event.price = value
                    return True
            at[3] = 1
        if at[3] == 1:
            if at[2] < len(extras) and extras[at[2]].ts_init_ns <= now_ns:
                own = extras[at[2]]
                at[2] += 1
                _clear(event, own.kind, now_ns)
                event.instrument = own.instrument
                event.instance = own.instance
                event.ts_event_ns = own.ts_event_ns
                event.reason = own.reason
                event.order_id, event.order_slot = own.order_id, own.order_slot
                event.qty, event.amount, event.price, event.rate = own.qty, own.amount, own.price, own.rate
                return True
            at[3] = 2
        if at[3] == 2:
            at[3] = 3
            _clear(event, EventKind.SNAPSHOT_COMPLETE.value, now_ns)
            return True
        at[0] += 1
        at[1] = 0
        at[3] = 0
        _clear(event, EventKind.SNAPSHOT_CLOSED.value, now_ns)
        return True
    return False


@compiled(
    int64(STATES, ARENA, CARRY_VENUES, TABLE, MATRIX, EVENTS, ARENA, TABLE, EVENTS, LOG_ARRAY, MATRIX, TABLE, TABLE),
    nogil=True,
)
def carry_replay(
    states: Rows,
    arena: Floats,
    venues: Rows,
    instants: Ints,
    values: Floats,
    extras: Rows,
    last: Floats,
    at: Ints,
    events: Rows,
    log: Rows,
    snapshots: Floats,
    table: Table,
    control: Ints,
) -> int:
    """Run to the end, until the log must be drained, or for a number of events. Returns which of them it was.

    ``control``: [rows of the log that one event may need, events that may be taken in, events taken in so far].
    ``snapshots``: a row for each instant, or none to keep none.
    """
    state, venue, event = states[0], venues[0], events[0]
    left = control[1]
    while True:
        if left <= 0:
            return PAUSED
        if log[0].slot > len(log) - control[0]:
            return LOG_FULL
        if not next_event(instants, values, extras, last, at, event):
            return FINISHED
        left -= 1
        control[2] += 1
        market_events.on_market_event(venue, event)
        if venue.inbox_count > 0:
            _deliver(state, arena, venue, log, table)
        step(state, arena, event, log, table)
        if log[0].oco < log[0].slot:
            _deliver(state, arena, venue, log, table)
        if event.kind == EventKind.SNAPSHOT_CLOSED and at[0] <= len(snapshots):
            write_snapshot(state, snapshots[at[0] - 1])


# One at a time --------------------------------------------------------------------------------------------------------


@compiled(boolean(TABLE, MATRIX, EVENTS, ARENA, TABLE, EVENTS))
def next_carry_event(instants: Ints, values: Floats, extras: Rows, last: Floats, at: Ints, events: Rows) -> bool:
    """The next event into ``events[0]``; False at the end."""
    return next_event(instants, values, extras, last, at, events[0])


@compiled(void(CARRY_VENUES, EVENTS))
def venue_heard(venues: Rows, events: Rows) -> None:
    """What the venues do with ``events[0]`` before the step hears of it."""
    market_events.on_market_event(venues[0], events[0])


@compiled(void(CARRY_VENUES, LOG_ARRAY, int64))
def venue_instructed(venues: Rows, log: Rows, at: int) -> None:
    """Row ``at`` of the log, when it instructs."""
    if log[at].kind == RowKind.INSTRUCT:
        bundles.on_instruction(venues[0], log[at])


@compiled(void(STATES, ARENA))
def snapshot_of(states: Rows, row: Floats) -> None:
    """A snapshot of the state into ``row``."""
    write_snapshot(states[0], row)


def empty_venue() -> Rows:
    """Venues with empty books."""
    venues = np.zeros(1, CARRY_VENUE)
    venues["forced_op"] = -1
    return venues
