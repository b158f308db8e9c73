"""Compiled loop of a carry run, instant by instant: new values, settlements and flows, then decisions and what they do.

For each event: the venues first (they settle, stop out and liquidate by themselves; their answers are applied), then
the step, then its instructions to the venues and their answers, until both queues are empty.

The functions at the end do the same one event at a time (``next_carry_event``, ``run_venues``, ``venue_instructed``,
``snapshot_of``, with ``step_one`` of ``replay/bars.py``); both give the same results, byte for byte.
"""

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.carry.books import unit_value
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.carry import BUCKETS, Monitor
from tightloop.core.domain.enums import EventKind, RowKind
from tightloop.core.domain.types import Floats, Ints, Record, Rows, Table
from tightloop.core.kinds import array, boolean, float64, int64, void
from tightloop.core.replay.pump import pump
from tightloop.core.replay.status import FINISHED, LEFT, LOG_FULL, PAUSED, RESERVE
from tightloop.core.signatures import ARENA, EVENTS, LOG_ARRAY, STATES, TABLE
from tightloop.core.step import step
from tightloop.core.venue.carry import bundles, market_events
from tightloop.core.venue.carry.record import CARRY_VENUE

CARRY_VENUES = array(CARRY_VENUE)
MATRIX = array(float64, 2)
CONTROL_COUNT = 3
DONE = 2
"""Place in ``control`` after RESERVE and LEFT: events taken."""
PLACES = 4
INSTANT, SERIES, EXTRA, PART = range(PLACES)
"""Places in ``at``, where a run is in its tape: the instant, the next series and extra, the part of the instant."""
_VALUES, _EXTRAS, _DECIDES, _CLOSES = range(4)
"""Parts of an instant."""

FIXED = (
    "equity", "unit_price", "units", "flows", "hf", "ltv", "margin_ratio", "delta", "funding_rate", "peg",
    "utilisation", "hf_low", "ltv_high",
)  # fmt: skip
"""First columns of a snapshot: ``hf`` and ``ltv`` as they are at its end, ``margin_ratio``, ``hf_low`` and ``ltv_high``
the worst of the instant; then the components of profit, amount and value of each balance, quantity and unrealised
result of each holding (values in the share class)."""


def snapshot_width(balances: int, holdings: int) -> int:
    """Return the number of columns of a snapshot."""
    return len(FIXED) + BUCKETS + 2 * balances + 2 * holdings


@leaf
def _on_row(venue: Record, row: Record) -> None:
    """Pass a row of the log to the venues, if it is an instruction."""
    if row.kind == RowKind.INSTRUCT:
        bundles.on_instruction(venue, row)


_deliver = pump(_on_row)


@leaf
def write_snapshot(state: Record, row: Floats) -> None:
    """Write worth, risk, components of profit, balances and holdings of the fund into a row of a snapshot."""
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
def next_event(instants: Ints, values: Floats, extras: Rows, last: Floats, at: Ints, event: Record) -> bool:
    """Write the next event; return False at the end.

    ``values``: (instants, series) float64; ``last``: the last value told of each series; ``at``: places as named above.
    At one instant come series whose value is new, in their order (the plan puts indices before rates, prices and
    marks); extras up to it (settlements, rewards, flows, signals, operators); then SNAPSHOT_COMPLETE, at which is
    decided; then SNAPSHOT_CLOSED.
    """
    count, width = values.shape
    while at[INSTANT] < count:
        now_ns = instants[at[INSTANT]]
        if at[PART] == _VALUES:
            while at[SERIES] < width:
                k = at[SERIES]
                at[SERIES] += 1
                value = values[at[INSTANT], k]
                if value != last[k] and (value == value or last[k] == last[k]):
                    last[k] = value  # a value that is not known any more (NaN after a number) is told too
                    fields.write_series(event, k, now_ns, value)
                    return True
            at[PART] = _EXTRAS
        if at[PART] == _EXTRAS:
            if at[EXTRA] < len(extras) and extras[at[EXTRA]].ts_init_ns <= now_ns:
                at[EXTRA] += 1
                fields.write_scheduled(event, extras[at[EXTRA] - 1], now_ns)
                return True
            at[PART] = _DECIDES
        if at[PART] == _DECIDES:
            at[PART] = _CLOSES
            fields.write_snapshot(event, EventKind.SNAPSHOT_COMPLETE.value, now_ns)
            return True
        at[INSTANT] += 1
        at[SERIES] = 0
        at[PART] = _VALUES
        fields.write_snapshot(event, EventKind.SNAPSHOT_CLOSED.value, now_ns)
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
    """Run to the end, until the log must be drained, or for ``control[LEFT]`` events; return which of them it was.

    ``control``, ``at``: int64 arrays, one place each as named above. ``snapshots``: a row for each instant, or none.
    """
    state, venue, event = states[0], venues[0], events[0]
    left = control[LEFT]
    while True:
        if left <= 0:
            return PAUSED
        if not core_log.has_room(log, control[RESERVE]):
            return LOG_FULL
        if not next_event(instants, values, extras, last, at, event):
            return FINISHED
        left -= 1
        control[DONE] += 1
        market_events.on_market_event(venue, event)
        if venue.inbox_count > 0:
            _deliver(state, arena, venue, log, table)
        step(state, arena, event, log, table)
        if core_log.has_commands(log):
            _deliver(state, arena, venue, log, table)
        if event.kind == EventKind.SNAPSHOT_CLOSED and at[INSTANT] <= len(snapshots):
            write_snapshot(state, snapshots[at[INSTANT] - 1])


# One at a time --------------------------------------------------------------------------------------------------------


@compiled(boolean(TABLE, MATRIX, EVENTS, ARENA, TABLE, EVENTS))
def next_carry_event(instants: Ints, values: Floats, extras: Rows, last: Floats, at: Ints, events: Rows) -> bool:
    """Write the next event into ``events[0]``; return False at the end."""
    return next_event(instants, values, extras, last, at, events[0])


@compiled(void(CARRY_VENUES, EVENTS))
def run_venues(venues: Rows, events: Rows) -> None:
    """Run the venues on ``events[0]``, before the step."""
    market_events.on_market_event(venues[0], events[0])


@compiled(void(CARRY_VENUES, LOG_ARRAY, int64))
def venue_instructed(venues: Rows, log: Rows, at: int) -> None:
    """Pass row ``at`` of the log to the venues, if it is an instruction."""
    if log[at].kind == RowKind.INSTRUCT:
        bundles.on_instruction(venues[0], log[at])


@compiled(void(STATES, ARENA))
def snapshot_of(states: Rows, row: Floats) -> None:
    """Write a snapshot of State into ``row``."""
    write_snapshot(states[0], row)


def empty_venue() -> Rows:
    """Make venues with empty books."""
    venues = np.zeros(1, CARRY_VENUE)
    venues["forced_op"] = -1
    return venues
