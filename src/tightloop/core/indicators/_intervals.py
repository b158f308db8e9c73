"""The median of the times between prints of a window, found digit by digit: exact, without a copy of the window.

A time between prints belongs to a window that holds both of them. Work is a few passes over the window, so it is done
at points of a grid, never at every event.
"""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import share_of
from tightloop.core.market import tapes

_BITS = 10
SCRATCH = 1 << _BITS  # floats that the counts of one digit take


@leaf
def _interval_ns(arena: Floats, tape: Record, index: int) -> int:
    own = arena[tapes.row_at(tape, index) + tapes.TIME] - arena[tapes.row_at(tape, index - 1) + tapes.TIME]
    assert own >= 0.0, "prints come in order of time"
    return int(own)


@leaf
def _of_rank(arena: Floats, tape: Record, before: int, last: int, rank: int, scratch: int) -> int:
    """The interval that ``rank`` others precede in order of length."""
    assert 0 <= rank < last - before, "a rank is of one of them"
    longest = 0
    for index in range(before + 1, last + 1):
        longest = max(longest, _interval_ns(arena, tape, index))
    shift, found, left = 0, 0, rank
    while longest >> (shift + _BITS) > 0:
        shift += _BITS
    while shift >= 0:
        for digit in range(SCRATCH):
            arena[scratch + digit] = 0.0
        for index in range(before + 1, last + 1):
            own = _interval_ns(arena, tape, index)
            if own >> (shift + _BITS) == found:
                arena[scratch + ((own >> shift) & (SCRATCH - 1))] += 1.0
        digit = 0
        while arena[scratch + digit] <= left:
            left -= int(arena[scratch + digit])
            digit += 1
        found = (found << _BITS) | digit
        shift -= _BITS
    assert found <= longest, "one of them is no longer than the longest"
    return found


@leaf
def median_interval(state: Record, arena: Floats, window: int, scratch: int) -> float:
    """The median time between prints of a window in nanoseconds; NaN with fewer than two or until it is warm."""
    old, new = tapes.edge_of(arena, window), tapes.edge_of(arena, window + 1)
    before, last = state.edges[old].at + 1, state.edges[new].at
    if not tapes.is_warm(state, old) or last <= before:
        return math.nan
    assert before > 0, "a print lies at or before the beginning of a warm window"
    tape, half = state.tapes[state.edges[old].tape], (last - before) // 2
    upper = _of_rank(arena, tape, before, last, half, scratch)
    if (last - before) % 2 == 1:
        return float(upper)
    below, lower = 0, 0
    for index in range(before + 1, last + 1):
        own = _interval_ns(arena, tape, index)
        if own < upper:
            below += 1
            lower = max(lower, own)
    assert below <= half, "no more than half of them are shorter than the upper of the middle two"
    return 0.5 * float((lower if below == half else upper) + upper)


@leaf
def between_prints(state: Record, arena: Floats, window: int, column: int) -> float:
    """A plain sum over all prints of a window but the first: of what each has of the time since the one before it."""
    old, new = state.edges[tapes.edge_of(arena, window)], tapes.edge_of(arena, window + 1)
    assert state.edges[new].at > old.at, "the window holds a print"
    return tapes.value(state, arena, new, column) - tapes.sum_at(state, arena, old.tape, old.at + 1, column)


@leaf
def density(state: Record, arena: Floats, cur: int, base: int, scratch: int) -> float:
    """How many times shorter the median time between prints is than in the base."""
    return share_of(median_interval(state, arena, base, scratch), median_interval(state, arena, cur, scratch))
