"""Tapes: what came in of one instrument, kept for windows of time.

A tape is a ring of rows in the arena, one for each print or quote, each with prefix sums; a window (t1, t2) covers
(T - t1, T - t2], so every sum over it is one subtraction, an empty window is exactly 0, and two windows that share an
end share its cursor. Time-weighted sums hold the last value in force: ``integral`` extends the row by the time since.
Rings grow between events (``needs_room``, asked by the driver); sums begin anew from the oldest row once a round, so
they do not drift. Times are strategy times (``ts_init_ns``).
"""

import numpy as np

from tightloop.core import limits
from tightloop.core.compiled import compiled, hot, leaf
from tightloop.core.domain.kinds import array, boolean, int64
from tightloop.core.domain.types import STATE, Floats, Record, Rows

# Columns of both kinds: nanoseconds since the tape's epoch (whole, below 2^53: rebased each round).
TIME = 0

# Prints: price and volume, then sums: of p dt, v, signed v (buyers took: +), p v, p ...
PRICE, VOLUME, PRICE_DT, SUM_V, SUM_SIGNED, SUM_PV, SUM_P = 1, 2, 3, 4, 5, 6, 7
# ... of v dt, p v dt, v^2, returns r, r^2, squared seconds between prints, squared changes of price d, d x v ...
VOLUME_DT, PV_DT, SUM_VV, SUM_R, SUM_RR, SUM_GG, SUM_DD, SUM_DV = 8, 9, 10, 11, 12, 13, 14, 15
# ... and for extremes the number of the next row that is as high (low), and of the last one that was higher (lower).
NEXT_HIGH, BEFORE_HIGH, NEXT_LOW, BEFORE_LOW = 16, 17, 18, 19
# ... and price x volume.
PV = 20
# A tape that keeps no moments and no extremes has rows of the first columns alone.
PLAIN_WIDTH, TRADE_WIDTH = 8, 21
LINE = 8

# Quotes: mid, spread, imbalance (-100 to 100) and liquidity (both sides, in money), 1 where both quantities are 0, so
# that there is no imbalance; of each the sum over time, _DT columns further; plain sums of spread, spread^2, liquidity.
BID, BID_QTY, ASK, ASK_QTY, MID, SPREAD, IMBALANCE, LIQUIDITY, UNDEFINED = 1, 2, 3, 4, 5, 6, 7, 8, 9
DT = 9
BID_DT, BID_QTY_DT, ASK_DT, ASK_QTY_DT, MID_DT, SPREAD_DT, IMBALANCE_DT, LIQUIDITY_DT, UNDEFINED_DT = (
    10, 11, 12, 13, 14, 15, 16, 17, 18,
)  # fmt: skip
SUM_SPREAD, SUM_SPREAD_2, SUM_LIQUIDITY = 19, 20, 21
QUOTE_WIDTH = 22

DEEP_LEVELS = 3
"""A tape of a book has the columns of quotes; quantities are those of so many best levels of a side together."""

_SUMS_OF_TRADES = (PRICE_DT, SUM_DV)
_SUMS_OF_QUOTES = (BID_DT, SUM_LIQUIDITY)
_FAR_NS = 1 << 52
_AT_ONCE = -1


# Rows ---------------------------------------------------------------------------------------------------------------


@hot
def row_at(tape: Record, index: int) -> int:
    """Where row number ``index`` (counted from the first that ever came) lies in the arena."""
    return tape.base + (index & (tape.capacity - 1)) * tape.width


@leaf
def needs_room(state: Record, number: int) -> bool:
    """Whether the next row would overwrite one that a window still needs."""
    tape = state.tapes[number]
    oldest = max(state.edges[tape.edge_first].at, 0) if tape.edge_count > 0 else tape.count
    return tape.count - oldest >= tape.capacity - 2


def arena_of(floats: int) -> Floats:
    """Zeros that begin where a line of the processor's memory does, so that a plain row of prints is one line."""
    whole = np.zeros(floats + LINE)
    first = -(whole.ctypes.data // whole.itemsize) % LINE
    return whole[first : first + floats]


@compiled(boolean(array(STATE), int64))
def is_full(states: Rows, number: int) -> bool:
    """Whether a tape must grow before its next row."""
    return needs_room(states[0], number)


@leaf
def _rebase(state: Record, arena: Floats, number: int) -> None:
    """Count times and sums from the oldest row that is kept."""
    tape = state.tapes[number]
    first = max(tape.count - tape.capacity + 1, 0)
    low, high = _SUMS_OF_QUOTES if tape.is_quotes != 0 else _SUMS_OF_TRADES
    if tape.is_quotes == 0 and tape.has_moments == 0:
        high = SUM_P
    oldest = row_at(tape, first)
    passed = arena[oldest + TIME]
    # Row by row, the oldest last: it holds what is taken off.
    for index in range(tape.count - 1, first - 1, -1):
        row = row_at(tape, index)
        for column in range(low, high + 1):
            arena[row + column] -= arena[oldest + column]
        arena[row + TIME] -= passed
    tape.epoch_ns += int(passed)
    for k in range(tape.edge_first, tape.edge_first + tape.edge_count):
        if state.edges[k].at >= 0:
            _look_at(arena, tape, state.edges[k])


@leaf
def _look_at(arena: Floats, tape: Record, edge: Record) -> None:
    """Keep what is asked of the row in force at an end."""
    row = row_at(tape, edge.at)
    edge.row_time, edge.row_price, edge.row_price_dt = arena[row + TIME], arena[row + PRICE], arena[row + PRICE_DT]


@leaf
def _begin(state: Record, arena: Floats, number: int, ts_ns: int) -> int:
    """Room for the next row, its time written; the row's place."""
    tape = state.tapes[number]
    if tape.count == 0:
        tape.epoch_ns = ts_ns
    if tape.first_ns == limits.NEVER_NS:
        tape.first_ns = ts_ns
    if tape.count & (tape.capacity - 1) == 0 or ts_ns - tape.epoch_ns >= _FAR_NS:
        if tape.count > 0:
            _rebase(state, arena, number)
    row = row_at(tape, tape.count)
    arena[row + TIME] = float(ts_ns - tape.epoch_ns)
    tape.count += 1
    tape.due_ns = _AT_ONCE
    return row


@leaf
def _link_extremes(arena: Floats, tape: Record, row: int, price: float) -> None:
    """Rows below (above) the new one learn that it is the next as high (low)."""
    index = tape.count - 1
    oldest = max(tape.count - tape.capacity, 0)
    at = index - 1
    while at >= oldest and arena[row_at(tape, at) + PRICE] <= price:
        arena[row_at(tape, at) + NEXT_HIGH] = float(index)
        at = int(arena[row_at(tape, at) + BEFORE_HIGH])
    arena[row + BEFORE_HIGH] = float(at)
    arena[row + NEXT_HIGH] = -1.0
    at = index - 1
    while at >= oldest and arena[row_at(tape, at) + PRICE] >= price:
        arena[row_at(tape, at) + NEXT_LOW] = float(index)
        at = int(arena[row_at(tape, at) + BEFORE_LOW])
    arena[row + BEFORE_LOW] = float(at)
    arena[row + NEXT_LOW] = -1.0


@leaf
def _add_moments(arena: Floats, row: int, before: int, dt_s: float, price: float, qty: float) -> None:
    old_price, old_qty = arena[before + PRICE], arena[before + VOLUME]
    change, rate = price - old_price, price / old_price - 1.0
    arena[row + VOLUME_DT] = arena[before + VOLUME_DT] + old_qty * dt_s
    arena[row + PV_DT] = arena[before + PV_DT] + arena[before + PV] * dt_s
    arena[row + SUM_VV] = arena[before + SUM_VV] + qty * qty
    arena[row + SUM_R] = arena[before + SUM_R] + rate
    arena[row + SUM_RR] = arena[before + SUM_RR] + rate * rate
    arena[row + SUM_GG] = arena[before + SUM_GG] + dt_s * dt_s
    arena[row + SUM_DD] = arena[before + SUM_DD] + change * change
    arena[row + SUM_DV] = arena[before + SUM_DV] + change * qty


@hot
def take_trade(state: Record, arena: Floats, number: int, ts_ns: int, price: float, qty: float, sign: float) -> None:
    """Append a print. ``sign``: 1 when a buyer took, -1 when a seller did."""
    assert price > 0.0, "a price is positive"
    assert qty >= 0.0, "a volume is not negative"
    tape = state.tapes[number]
    row = _begin(state, arena, number, ts_ns)
    arena[row + PRICE], arena[row + VOLUME] = price, qty
    if tape.has_moments != 0:
        arena[row + PV] = price * qty
    if tape.count == 1:
        arena[row + PRICE_DT] = 0.0
        arena[row + SUM_V], arena[row + SUM_SIGNED] = qty, sign * qty
        arena[row + SUM_PV], arena[row + SUM_P] = price * qty, price
        if tape.has_moments != 0:
            for column in range(VOLUME_DT, SUM_DV + 1):
                arena[row + column] = 0.0
            arena[row + SUM_VV] = qty * qty
    else:
        before = row_at(tape, tape.count - 2)
        dt_s = (arena[row + TIME] - arena[before + TIME]) * 1e-9
        arena[row + PRICE_DT] = arena[before + PRICE_DT] + arena[before + PRICE] * dt_s
        arena[row + SUM_V] = arena[before + SUM_V] + qty
        arena[row + SUM_SIGNED] = arena[before + SUM_SIGNED] + sign * qty
        arena[row + SUM_PV] = arena[before + SUM_PV] + price * qty
        arena[row + SUM_P] = arena[before + SUM_P] + price
        if tape.has_moments != 0:
            _add_moments(arena, row, before, dt_s, price, qty)
    if tape.has_extremes != 0:
        _link_extremes(arena, tape, row, price)


@leaf
def take_quote(
    state: Record, arena: Floats, number: int, ts_ns: int, bid: float, bid_qty: float, ask: float, ask_qty: float
) -> None:
    """Append a quote."""
    assert bid > 0.0, "a price is positive"
    assert ask > 0.0, "a price is positive"
    tape = state.tapes[number]
    row = _begin(state, arena, number, ts_ns)
    qty = bid_qty + ask_qty
    arena[row + BID], arena[row + BID_QTY], arena[row + ASK], arena[row + ASK_QTY] = bid, bid_qty, ask, ask_qty
    arena[row + MID], arena[row + SPREAD] = 0.5 * (bid + ask), ask - bid
    arena[row + IMBALANCE] = 100.0 * (bid_qty - ask_qty) / qty if qty > 0.0 else 0.0
    arena[row + LIQUIDITY] = bid_qty * bid + ask_qty * ask
    arena[row + UNDEFINED] = 0.0 if qty > 0.0 else 1.0
    if tape.count == 1:
        for column in range(BID_DT, UNDEFINED_DT + 1):
            arena[row + column] = 0.0
        arena[row + SUM_SPREAD], arena[row + SUM_SPREAD_2] = ask - bid, (ask - bid) * (ask - bid)
        arena[row + SUM_LIQUIDITY] = arena[row + LIQUIDITY]
        return
    old = row_at(tape, tape.count - 2)
    dt_s = (arena[row + TIME] - arena[old + TIME]) * 1e-9
    for column in range(BID, UNDEFINED + 1):
        arena[row + DT + column] = arena[old + DT + column] + arena[old + column] * dt_s
    arena[row + SUM_SPREAD] = arena[old + SUM_SPREAD] + (ask - bid)
    arena[row + SUM_SPREAD_2] = arena[old + SUM_SPREAD_2] + (ask - bid) * (ask - bid)
    arena[row + SUM_LIQUIDITY] = arena[old + SUM_LIQUIDITY] + arena[row + LIQUIDITY]


@leaf
def is_repeated(
    state: Record, arena: Floats, number: int, bid: float, bid_qty: float, ask: float, ask_qty: float
) -> bool:
    """The last row says the same, and nothing was missed since."""
    tape = state.tapes[number]
    if tape.count == 0 or tape.first_ns == limits.NEVER_NS:
        return False
    row = row_at(tape, tape.count - 1)
    if arena[row + BID] != bid or arena[row + ASK] != ask:
        return False
    return arena[row + BID_QTY] == bid_qty and arena[row + ASK_QTY] == ask_qty


@leaf
def forget(state: Record, number: int) -> None:
    """A gap: windows over it are not known; they are again when they begin after the next row."""
    state.tapes[number].first_ns = limits.NEVER_NS


# Ends of windows ----------------------------------------------------------------------------------------------------


@hot
def advance(state: Record, arena: Floats, number: int, now_ns: int) -> None:
    """Move every end of a window on this tape to the row in force then. Most of the time none is due."""
    if now_ns >= state.tapes[number].due_ns:
        _move_ends(state, arena, number, now_ns)


@hot
def _move_ends(state: Record, arena: Floats, number: int, now_ns: int) -> None:
    tape = state.tapes[number]
    last = tape.count - 1
    due_ns = limits.NEVER_NS
    for k in range(tape.edge_first, tape.edge_first + tape.edge_count):
        edge = state.edges[k]
        if edge.at < last:
            if edge.due_ns == limits.NEVER_NS:
                edge.due_ns = int(arena[row_at(tape, edge.at + 1) + TIME]) + tape.epoch_ns + edge.offset_ns
            if edge.offset_ns == 0:
                edge.at = last
                edge.due_ns = limits.NEVER_NS
                _look_at(arena, tape, edge)
            elif edge.due_ns <= now_ns:
                _move(arena, tape, edge, last, now_ns)
        due_ns = min(due_ns, edge.due_ns)
    tape.due_ns = due_ns


@leaf
def _move(arena: Floats, tape: Record, edge: Record, last: int, now_ns: int) -> None:
    target = now_ns - edge.offset_ns - tape.epoch_ns
    at = edge.at
    while at < last and arena[row_at(tape, at + 1) + TIME] <= target:
        at += 1
    edge.at = at
    _look_at(arena, tape, edge)
    edge.due_ns = limits.NEVER_NS
    if at < last:
        edge.due_ns = int(arena[row_at(tape, at + 1) + TIME]) + tape.epoch_ns + edge.offset_ns


# What indicators read -----------------------------------------------------------------------------------------------


@hot
def edge_of(arena: Floats, place: int) -> int:
    """The number of an edge that an indicator's memory holds."""
    return int(arena[place])


@hot
def is_warm(state: Record, edge: int) -> bool:
    """A row came at or before this end of a window, and no gap since."""
    own = state.edges[edge]
    tape = state.tapes[own.tape]
    return own.at >= 0 and state.ts_ns - own.offset_ns >= tape.first_ns


@hot
def value(state: Record, arena: Floats, edge: int, column: int) -> float:
    """A column of the row in force at an end; 0 before the first row, as sums begin."""
    own = state.edges[edge]
    if own.at < 0:
        return 0.0
    return arena[row_at(state.tapes[own.tape], own.at) + column]


@hot
def total(state: Record, arena: Floats, old: int, new: int, column: int) -> float:
    """A plain sum over the window between two ends."""
    return value(state, arena, new, column) - value(state, arena, old, column)


@hot
def rows_between(state: Record, old: int, new: int) -> int:
    """How many rows the window between two ends holds."""
    return state.edges[new].at - state.edges[old].at


@hot
def integral(state: Record, arena: Floats, edge: int, column: int, sums: int) -> float:
    """A sum over time up to an end: that of the row in force there, and its own value since. Seconds."""
    own = state.edges[edge]
    tape = state.tapes[own.tape]
    row = row_at(tape, own.at)
    since = float(state.ts_ns - own.offset_ns - tape.epoch_ns) - arena[row + TIME]
    return arena[row + sums] + arena[row + column] * since * 1e-9


@hot
def seconds_between(state: Record, old: int, new: int) -> float:
    """Length of the window between two ends."""
    return float(state.edges[old].offset_ns - state.edges[new].offset_ns) * 1e-9


@hot
def _price_dt(edge: Record, passed_ns: int) -> float:
    """The sum of p dt of prints up to an end, ``passed_ns`` after the tape's epoch."""
    since = float(passed_ns - edge.offset_ns) - edge.row_time
    return edge.row_price_dt + edge.row_price * since * 1e-9


@hot
def price_mean(state: Record, old: int, new: int) -> float:
    """Mean price of prints over time between two warm ends."""
    begin, end = state.edges[old], state.edges[new]
    passed_ns = state.ts_ns - state.tapes[begin.tape].epoch_ns
    whole = _price_dt(end, passed_ns) - _price_dt(begin, passed_ns)
    return whole / (float(begin.offset_ns - end.offset_ns) * 1e-9)


@hot
def time_mean(state: Record, arena: Floats, old: int, new: int, column: int, sums: int) -> float:
    """Mean over time of what was in force between two warm ends."""
    whole = integral(state, arena, new, column, sums) - integral(state, arena, old, column, sums)
    return whole / seconds_between(state, old, new)


@leaf
def sum_at(state: Record, arena: Floats, number: int, index: int, column: int) -> float:
    """A plain sum up to a row of a tape; 0 before the first."""
    return arena[row_at(state.tapes[number], index) + column] if index >= 0 else 0.0


@leaf
def is_sample(state: Record, arena: Floats, place: int, refresh_ns: int) -> bool:
    """Whether now is a point of a grid that was not sampled yet, all that came at its time included; remembers it.

    ``place`` holds the number of the last point, 0 before the first.
    """
    if state.is_grid == 0 or state.ts_ns % refresh_ns != 0:
        return False
    point = float(state.ts_ns // refresh_ns)
    is_due = point != arena[place]
    arena[place] = point
    return is_due
