"""Median volume of the equal-length buckets that a base period is divided into."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Values
from tightloop.core.market import tapes

BUCKETS_MAX = 1_024


def bucket_count(parameters: Values) -> int:
    """Count the whole buckets of the window's length (t1 - t2) that fit into the base (t3, t4)."""
    length = round((parameters["t1"] - parameters["t2"]) * 1e9)
    return round((parameters["t3"] - parameters["t4"]) * 1e9) // length if length > 0 else 0


@leaf
def row_before(state: Record, arena: Floats, number: int, time_ns: int, high: int, near: int) -> int:
    """Find the last tape row at or before ``time_ns``, among rows up to ``high``; -1 if none.

    Galloping search that starts ``near`` rows below ``high``, then bisection: neighbouring buckets hold similar numbers
    of rows, and each probe far from the last one costs a cache miss.
    """
    tape = state.tapes[number]
    target_ns = time_ns - tape.epoch_ns
    low = max(tape.count - tape.capacity + 1, 0) - 1
    probe, stride = high - near, 16
    while low < probe < high:
        if arena[tapes.row_at(tape, probe) + tapes.TIME] <= target_ns:
            low = probe
            probe += stride
        else:
            high = probe - 1
            probe -= stride
        stride *= 2
    while low < high:
        probe = (low + high + 1) // 2
        if arena[tapes.row_at(tape, probe) + tapes.TIME] <= target_ns:
            low = probe
        else:
            high = probe - 1
    return low


@leaf
def median_of(arena: Floats, at: int, count: int) -> float:
    """Return the median of ``count`` floats at ``arena[at]``; sorts them in place."""
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
    """Return the median volume of the buckets before a window boundary; their mean if the median is 0.

    NaN if there was no volume at all. The base of ``base_s`` seconds is cut into buckets of ``length_s``;
    ``arena[at:]`` is scratch for one float per bucket.
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
