"""Exact median of the times between prints in a window, by radix selection: no copy and no sort of the window.

An interval belongs to a window that holds both of its prints. The cost is a few passes over the window, so it is
computed at grid points, never at every tick.
"""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._one_window import share_of
from tightloop.core.market import tapes

_BITS = 10
SCRATCH = 1 << _BITS  # floats: one counter for each value of a digit


@leaf
def _interval_ns(arena: Floats, tape: Record, index: int) -> int:
    """Return the time between a print and the one before it, ns."""
    interval_ns = arena[tapes.row_at(tape, index) + tapes.TIME] - arena[tapes.row_at(tape, index - 1) + tapes.TIME]
    assert interval_ns >= 0.0, "prints come in order of time"
    return int(interval_ns)


@leaf
def _of_rank(arena: Floats, tape: Record, before: int, last: int, rank: int, scratch: int) -> int:
    """Return the interval of rank ``rank`` (0 is the shortest) among the intervals that end in rows (before, last].

    Radix selection from the most significant digit of ``_BITS`` bits: count the digits of the intervals that share the
    prefix selected so far, pick the digit that contains the rank, go on to the next digit.
    """
    assert 0 <= rank < last - before, "a rank is of one of them"
    longest = 0
    for index in range(before + 1, last + 1):
        longest = max(longest, _interval_ns(arena, tape, index))
    shift, prefix, rank_left = 0, 0, rank
    while longest >> (shift + _BITS) > 0:
        shift += _BITS
    while shift >= 0:
        for digit in range(SCRATCH):
            arena[scratch + digit] = 0.0
        for index in range(before + 1, last + 1):
            interval_ns = _interval_ns(arena, tape, index)
            if interval_ns >> (shift + _BITS) == prefix:
                arena[scratch + ((interval_ns >> shift) & (SCRATCH - 1))] += 1.0
        digit = 0
        while arena[scratch + digit] <= rank_left:
            rank_left -= int(arena[scratch + digit])
            digit += 1
        prefix = (prefix << _BITS) | digit
        shift -= _BITS
    assert prefix <= longest, "one of them is no longer than the longest"
    return prefix


@leaf
def median_interval(state: Record, arena: Floats, window: int, scratch: int) -> float:
    """Return the median time between prints of a window, ns; NaN with fewer than 2 prints or until warm."""
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
        interval_ns = _interval_ns(arena, tape, index)
        if interval_ns < upper:
            below += 1
            lower = max(lower, interval_ns)
    assert below <= half, "no more than half of them are shorter than the upper of the middle two"
    return 0.5 * float((lower if below == half else upper) + upper)


@leaf
def between_prints(state: Record, arena: Floats, window: int, column: int) -> float:
    """Return the sum of a per-interval column over a window, without the interval that ends at its first print.

    That interval begins with a print before the window.
    """
    old, new = state.edges[tapes.edge_of(arena, window)], tapes.edge_of(arena, window + 1)
    assert state.edges[new].at > old.at, "the window holds a print"
    return tapes.value(state, arena, new, column) - tapes.sum_at(state, arena, old.tape, old.at + 1, column)


@leaf
def density(state: Record, arena: Floats, cur: int, base: int, scratch: int) -> float:
    """Return median interval of the base / median interval of the window: above 1 prints come faster now."""
    return share_of(median_interval(state, arena, base, scratch), median_interval(state, arena, cur, scratch))
