"""Tapes: recent ticks of an instrument with prefix sums; a sum over a time window costs O(1).

Rows. A tape is a ring of rows in the arena, one per trade print or quote. Beside the tick's own values a row holds
cumulative sums up to it: plain sums (volume, price x volume) and time integrals (price dt, spread dt), in which each
tick's value is in force until the next tick.

Windows. A window (t1, t2) covers (T - t1, T - t2], T being now. Each of its two boundaries is an edge: a cursor at the
last row at or before the boundary's time. A sum over the window is the difference of two prefix sums, so an empty
window gives exactly 0; windows with a boundary in common share its edge. A time integral up to a boundary adds the
row's value times the time since that row (``integral``).

Warm. A window is known once a row exists at or before its beginning and no data gap has occurred since (``is_warm``).

Precision. Once per ring length all sums and times are rebased to the oldest row (``_rebase``), so they do not grow
with the length of the run and lose no digits.

Growth. A ring must hold all rows of its longest window. The driver asks ``needs_room`` between events and doubles the
ring; nothing is allocated inside the step.

Times are strategy times (``ts_init_ns``: when the strategy received the tick), ns UTC.
"""

import numpy as np

from tightloop.core import limits
from tightloop.core.compiled import compiled, hot, leaf
from tightloop.core.domain.types import STATE, Floats, Record, Rows
from tightloop.core.kinds import array, boolean, int64

# Common to all tapes: ns since the tape's epoch, exact in a float while below 2^53 (see _rebase).
TIME = 0

# Trade tapes: price and volume; prefix sums of p dt, v, signed v (taker buys +), p v, p ...
PRICE, VOLUME, PRICE_DT, SUM_V, SUM_SIGNED, SUM_PV, SUM_P = 1, 2, 3, 4, 5, 6, 7
# ... if moments are kept: of v dt, p v dt, v^2, return r, r^2, (dt)^2, squared price change d^2, d v ...
VOLUME_DT, PV_DT, SUM_VV, SUM_R, SUM_RR, SUM_GG, SUM_DD, SUM_DV = 8, 9, 10, 11, 12, 13, 14, 15
# ... if extremes are kept: number of the next row at least as high (low), of the last row higher (lower) ...
NEXT_HIGH, BEFORE_HIGH, NEXT_LOW, BEFORE_LOW = 16, 17, 18, 19
# ... and price x volume, whose time integral is PV_DT.
PV = 20
# Without moments and extremes a row has the first 8 columns only: one cache line of LINE floats.
PLAIN_WIDTH, TRADE_WIDTH = 8, 21
LINE = 8

# Quote tapes: best prices and quantities, mid, spread, imbalance (-100 to 100), liquidity (price x qty of both sides,
# quote asset), UNDEFINED: 1 if both quantities are 0 and the imbalance is undefined. Then the time integral of each of
# these, DT columns further on; then prefix sums of spread, spread^2, liquidity.
BID, BID_QTY, ASK, ASK_QTY, MID, SPREAD, IMBALANCE, LIQUIDITY, UNDEFINED = 1, 2, 3, 4, 5, 6, 7, 8, 9
DT = 9
BID_DT, BID_QTY_DT, ASK_DT, ASK_QTY_DT, MID_DT, SPREAD_DT, IMBALANCE_DT, LIQUIDITY_DT, UNDEFINED_DT = (
    10, 11, 12, 13, 14, 15, 16, 17, 18,
)  # fmt: skip
SUM_SPREAD, SUM_SPREAD_2, SUM_LIQUIDITY = 19, 20, 21
QUOTE_WIDTH = 22

DEEP_LEVELS = 3
"""Book tapes have the columns of quote tapes; quantities are totals over this many best levels of a side."""

_SUMS_OF_TRADES = (PRICE_DT, SUM_DV)
_SUMS_OF_QUOTES = (BID_DT, SUM_LIQUIDITY)
_FAR_NS = 1 << 52  # rebase earlier than 2^53 ns after the epoch
_AT_ONCE = -1  # due time of a tape with a new row: its edges must be looked at


# Rows ---------------------------------------------------------------------------------------------------------------


@hot
def row_at(tape: Record, index: int) -> int:
    """Return the arena index of row number ``index``, counted from the first row ever written."""
    return tape.base + (index & (tape.capacity - 1)) * tape.width


@leaf
def needs_room(state: Record, number: int) -> bool:
    """Tell whether the next row would overwrite one that a window still needs."""
    tape = state.tapes[number]
    oldest = max(state.edges[tape.edge_first].at, 0) if tape.edge_count > 0 else tape.count
    return tape.count - oldest >= tape.capacity - 2


def arena_of(floats: int) -> Floats:
    """Return ``floats`` zeros aligned to a 64-byte cache line.

    A row of a plain trade tape (PLAIN_WIDTH floats) then occupies exactly one line.
    """
    whole = np.zeros(floats + LINE)
    first = -(whole.ctypes.data // whole.itemsize) % LINE
    return whole[first : first + floats]


@compiled(boolean(array(STATE), int64))
def is_full(states: Rows, number: int) -> bool:
    """Tell whether a tape must grow before its next row; ``needs_room`` for the driver."""
    return needs_room(states[0], number)


@leaf
def _rebase(state: Record, arena: Floats, number: int) -> None:
    """Subtract the oldest kept row's time and sums from all rows, and move the tape's epoch to it."""
    tape = state.tapes[number]
    first = max(tape.count - tape.capacity + 1, 0)
    low, high = _SUMS_OF_QUOTES if tape.is_quotes != 0 else _SUMS_OF_TRADES
    if tape.is_quotes == 0 and tape.has_moments == 0:
        high = SUM_P
    oldest = row_at(tape, first)
    passed = arena[oldest + TIME]
    # Newest first: the oldest row holds the amounts to subtract and must change last.
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
    """Cache in the edge the columns of its row that ``price_mean`` needs, which saves a cache miss per evaluation."""
    row = row_at(tape, edge.at)
    edge.row_time, edge.row_price, edge.row_price_dt = arena[row + TIME], arena[row + PRICE], arena[row + PRICE_DT]


@leaf
def _begin(state: Record, arena: Floats, number: int, ts_ns: int) -> int:
    """Append a row with time ``ts_ns`` and its other columns unset; return its arena index."""
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
    """Link earlier rows to the new one if it is their next price at least as high (low).

    A monotonic stack: rows without a next higher (lower) row form a chain through BEFORE_HIGH (BEFORE_LOW), and the new
    row pops those it exceeds. O(1) amortised.
    """
    index = tape.count - 1
    oldest = max(tape.count - tape.capacity, 0)
    earlier = index - 1
    while earlier >= oldest and arena[row_at(tape, earlier) + PRICE] <= price:
        arena[row_at(tape, earlier) + NEXT_HIGH] = float(index)
        earlier = int(arena[row_at(tape, earlier) + BEFORE_HIGH])
    arena[row + BEFORE_HIGH] = float(earlier)
    arena[row + NEXT_HIGH] = -1.0
    earlier = index - 1
    while earlier >= oldest and arena[row_at(tape, earlier) + PRICE] >= price:
        arena[row_at(tape, earlier) + NEXT_LOW] = float(index)
        earlier = int(arena[row_at(tape, earlier) + BEFORE_LOW])
    arena[row + BEFORE_LOW] = float(earlier)
    arena[row + NEXT_LOW] = -1.0


@leaf
def _add_moments(arena: Floats, row: int, before: int, dt_s: float, price: float, qty: float) -> None:
    """Extend the sums that only volatility and VTWPA indicators need; ``before`` is the previous row."""
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
    """Append a trade print; ``sign`` is 1 if the buyer was the taker, -1 if the seller was."""
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
    """Append a quote: best prices and quantities of both sides."""
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
    """Tell whether the last row has the same values, with no data gap since: a duplicate to skip."""
    tape = state.tapes[number]
    if tape.count == 0 or tape.first_ns == limits.NEVER_NS:
        return False
    row = row_at(tape, tape.count - 1)
    if arena[row + BID] != bid or arena[row + ASK] != ask:
        return False
    return arena[row + BID_QTY] == bid_qty and arena[row + ASK_QTY] == ask_qty


@leaf
def forget(state: Record, number: int) -> None:
    """Record a data gap: windows are unknown until they begin at or after the next row."""
    state.tapes[number].first_ns = limits.NEVER_NS


# Ends of windows ----------------------------------------------------------------------------------------------------


@hot
def advance(state: Record, arena: Floats, number: int, now_ns: int) -> None:
    """Move the window edges of a tape forward to ``now_ns``; returns at once if no edge is due."""
    if now_ns >= state.tapes[number].due_ns:
        _move_ends(state, arena, number, now_ns)


@hot
def _move_ends(state: Record, arena: Floats, number: int, now_ns: int) -> None:
    """Move each edge that is due, and set the time at which the next one is.

    An edge is due when its boundary reaches the row after its cursor: that row's time + the edge's offset.
    """
    tape = state.tapes[number]
    last = tape.count - 1
    due_ns = limits.NEVER_NS
    for k in range(tape.edge_first, tape.edge_first + tape.edge_count):
        edge = state.edges[k]
        if edge.at < last:
            # NEVER_NS: the edge was at the last row until the new one came, so its next move is not set yet.
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
    """Move one edge to the last row at or before its boundary; set the time of its next move."""
    target = now_ns - edge.offset_ns - tape.epoch_ns
    row = edge.at
    while row < last and arena[row_at(tape, row + 1) + TIME] <= target:
        row += 1
    edge.at = row
    _look_at(arena, tape, edge)
    edge.due_ns = limits.NEVER_NS
    if row < last:
        edge.due_ns = int(arena[row_at(tape, row + 1) + TIME]) + tape.epoch_ns + edge.offset_ns


# What indicators read -----------------------------------------------------------------------------------------------


@hot
def edge_of(arena: Floats, place: int) -> int:
    """Return the edge number stored in an arena cell of an indicator."""
    return int(arena[place])


@hot
def is_warm(state: Record, edge_number: int) -> bool:
    """Tell whether a row exists at or before this boundary, with no data gap since."""
    edge = state.edges[edge_number]
    tape = state.tapes[edge.tape]
    # first_ns: time of the first row since the last gap, NEVER_NS directly after one.
    return edge.at >= 0 and state.ts_ns - edge.offset_ns >= tape.first_ns


@hot
def value(state: Record, arena: Floats, edge_number: int, column: int) -> float:
    """Return a column of the row in force at a boundary; 0 before the first row, where sums begin."""
    edge = state.edges[edge_number]
    if edge.at < 0:
        return 0.0
    return arena[row_at(state.tapes[edge.tape], edge.at) + column]


@hot
def total(state: Record, arena: Floats, old: int, new: int, column: int) -> float:
    """Return the sum over the window between two boundaries, from a column of prefix sums."""
    return value(state, arena, new, column) - value(state, arena, old, column)


@hot
def rows_between(state: Record, old: int, new: int) -> int:
    """Count the rows of the window between two boundaries."""
    return state.edges[new].at - state.edges[old].at


@hot
def integral(state: Record, arena: Floats, edge_number: int, column: int, sums: int) -> float:
    """Return the time integral of ``column`` up to a boundary, value x seconds.

    ``sums`` is the column of integrals up to the row in force; the row's value since then is added.
    """
    edge = state.edges[edge_number]
    tape = state.tapes[edge.tape]
    row = row_at(tape, edge.at)
    since = float(state.ts_ns - edge.offset_ns - tape.epoch_ns) - arena[row + TIME]
    return arena[row + sums] + arena[row + column] * since * 1e-9


@hot
def seconds_between(state: Record, old: int, new: int) -> float:
    """Return the length of the window between two boundaries, s."""
    return float(state.edges[old].offset_ns - state.edges[new].offset_ns) * 1e-9


@hot
def _price_dt(edge: Record, passed_ns: int) -> float:
    """Return the time integral of the print price up to an edge; ``passed_ns`` is now, since the tape's epoch."""
    since = float(passed_ns - edge.offset_ns) - edge.row_time
    return edge.row_price_dt + edge.row_price * since * 1e-9


@hot
def price_mean(state: Record, old: int, new: int) -> float:
    """Return the time-weighted average price (TWPA) of prints between two warm boundaries."""
    begin, end = state.edges[old], state.edges[new]
    passed_ns = state.ts_ns - state.tapes[begin.tape].epoch_ns
    whole = _price_dt(end, passed_ns) - _price_dt(begin, passed_ns)
    return whole / (float(begin.offset_ns - end.offset_ns) * 1e-9)


@hot
def time_mean(state: Record, arena: Floats, old: int, new: int, column: int, sums: int) -> float:
    """Return the time-weighted mean of ``column`` between two warm boundaries; ``sums`` holds its integrals."""
    whole = integral(state, arena, new, column, sums) - integral(state, arena, old, column, sums)
    return whole / seconds_between(state, old, new)


@leaf
def sum_at(state: Record, arena: Floats, number: int, index: int, column: int) -> float:
    """Return a prefix sum up to row ``index`` of tape ``number``; 0 for index -1, before the first row."""
    return arena[row_at(state.tapes[number], index) + column] if index >= 0 else 0.0


@leaf
def is_sample(state: Record, arena: Floats, place: int, refresh_ns: int) -> bool:
    """Tell whether now is a grid point not sampled yet, after all ticks of that time; marks it as sampled.

    ``arena[place]`` holds the number of the last sampled point, 0 before the first.
    """
    if state.is_grid == 0 or state.ts_ns % refresh_ns != 0:
        return False
    point = float(state.ts_ns // refresh_ns)
    is_due = point != arena[place]
    arena[place] = point
    return is_due
