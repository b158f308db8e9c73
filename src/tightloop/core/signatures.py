"""Every plug-in point of the core: the signatures that files found in a folder are called by, and their callers.

Indicators, checks and families are called through a table of addresses, so nothing that calls one imports it. The
kinds of arrays that compiled loops take are here too.
"""

from tightloop.core.compiled import caller
from tightloop.core.domain.ticks import TICK
from tightloop.core.domain.types import BAR, EQUITY, EVENT, LOG_ROW, ORDER, RATE, STATE, STREAM, VENUE
from tightloop.core.kinds import array, float64, int64, void

ARENA = array(float64)
TABLE = array(int64)
LOG_ARRAY = array(LOG_ROW)
STATES, VENUES, EVENTS, EQUITIES = array(STATE), array(VENUE), array(EVENT), array(EQUITY)
STREAMS, BARS, TICKS, RATES = array(STREAM), array(BAR), array(TICK), array(RATE)

STEP = void(STATE, ARENA, EVENT, LOG_ARRAY, TABLE)
"""``step(state, arena, event, rows, table)``; also what takes in events that only carry has."""

DECIDE = int64(STATE, ARENA, LOG_ARRAY, TABLE, int64, int64)
"""``decide(state, arena, rows, table, instance, moment)`` of a strategy family."""

CHECK = int64(STATE, ORDER, float64)
"""``check(state, order, notional)`` before an entry is sent."""

UPDATE = void(ARENA, int64, BAR)
"""``update(arena, base, bar)`` of a market indicator."""

EVALUATE = void(STATE, ARENA, int64, int64)
"""``evaluate(state, arena, instance, base)`` of an indicator of the instance itself."""

MEASURE = EVALUATE
"""``measure(state, arena, instrument, base)`` of an indicator over windows of time."""

REPLAY = int64(STATES, ARENA, VENUES, STREAMS, TABLE, BARS, RATES, EVENTS, LOG_ARRAY, EQUITIES, TABLE, TABLE)
TICK_REPLAY = int64(STATES, ARENA, VENUES, STREAMS, TABLE, TICKS, RATES, EVENTS, LOG_ARRAY, EQUITIES, TABLE, TABLE)
"""The loops over a whole run, of bars and of ticks."""

call_apply = caller(STEP)
call_decide = caller(DECIDE)
call_check = caller(CHECK)
call_update = caller(UPDATE)
call_evaluate = caller(EVALUATE)
call_replay = caller(REPLAY, TICK_REPLAY)
