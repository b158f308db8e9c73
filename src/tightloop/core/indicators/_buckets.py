"""Buckets of a base: sums over equal pieces of a window, their median, and where in a tape they begin."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Values
from tightloop.core.market import tapes

BUCKETS_MAX = 1_024


def bucket_count(parameters: Values) -> int:
    """How many whole pieces of the window's length the base (t3, t4) holds."""
    length = round((parameters["t1"] - parameters["t2"]) * 1e9)
    return round((parameters["t3"] - parameters["t4"]) * 1e9) // length if length > 0 else 0


@leaf
def row_before(state: Record, arena: Floats, number: int, time_ns: int, high: int, near: int) -> int:
    """The last row of a tape at or before a time, looked for among those up to ``high``; -1 without one.

    The first look is ``near`` rows back: every look far from the last one is a wait for memory.
    """
    tape = state.tapes[number]
    target = time_ns - tape.epoch_ns
    low = max(tape.count - tape.capacity + 1, 0) - 1
    middle, stride = high - near, 16
    while low < middle < high:
        if arena[tapes.row_at(tape, middle) + tapes.TIME] <= target:
            low = middle
            middle += stride
        else:
            high = middle - 1
            middle -= stride
        stride *= 2
    while low < high:
        middle = (low + high + 1) // 2
        if arena[tapes.row_at(tape, middle) + tapes.TIME] <= target:
            low = middle
        else:
            high = middle - 1
    return low


@leaf
def median_of(arena: Floats, at: int, count: int) -> float:
    """The median of ``count`` floats at ``at``, which are put in order."""
    assert count > 0, "a median is of something"
    for k in range(1, count):
        x, place = arena[at + k], k
        while place > 0 and arena[at + place - 1] > x:
            arena[at + place] = arena[at + place - 1]
            place -= 1
        arena[at + place] = x
    half = count // 2
    return arena[at + half] if count % 2 else 0.5 * (arena[at + half - 1] + arena[at + half])


@leaf
def typical_volume(state: Record, arena: Floats, end: int, length_s: float, base_s: float, at: int) -> float:
    """The median volume of the buckets back from an end of a window, their mean when it is 0; NaN when that is too.

    Buckets of ``length_s`` in a base of ``base_s``; ``at`` has room for as many floats as there are buckets.
    """
    edge = state.edges[end]
    length_ns = int(length_s * 1e9 + 0.5)
    count = int(base_s * 1e9 + 0.5) // length_ns
    assert count > 0, "a base holds a bucket"
    end_ns = state.ts_ns - edge.offset_ns
    total = 0.0
    last, near = edge.at, 1
    for k in range(count):
        first = row_before(state, arena, edge.tape, end_ns - (k + 1) * length_ns, last, near)
        near = max(last - first, 1)
        volume = tapes.sum_at(state, arena, edge.tape, last, tapes.SUM_V)
        volume -= tapes.sum_at(state, arena, edge.tape, first, tapes.SUM_V)
        arena[at + k] = volume
        total += volume
        last = first
    median = median_of(arena, at, count)
    if median > 0.0:
        return median
    return total / count if total > 0.0 else math.nan
