"""Funding schedules: missing settlements, for venues that change their settlement interval.

A run of equal steps is either an interval of the venue or a row of holes of equal length. Holes are the less likely
the longer the run is, and the more settlements each step would lack; ``EVIDENCE`` is the threshold.
"""

from itertools import pairwise

import numpy as np

from tightloop.adapters.data._shared.arrays import Times
from tightloop.model.times import DAY_NS, MINUTE_NS

SURE_STEPS = 9
"""This many equal steps in a row are an interval, whatever surrounds them."""
EVIDENCE, EVIDENCE_AT_EDGE = 64.0, 8.0
"""Threshold on (longer step / shorter step) ** (length of the run), from which it is an interval.

8 to 1 twice, 4 to 1 three times, 2 to 1 six times; a shorter run suffices at the ends of the data.
"""


def missing_settlements(times: Times) -> Times:
    """Return the missing time stamps of strictly ascending settlements, by the interval in force at each place.

    Where two intervals meet the longer one decides, so a change is no hole in either direction.
    """
    steps = np.diff(times)
    steps = np.where(steps >= MINUTE_NS, (steps + MINUTE_NS // 2) // MINUTE_NS * MINUTE_NS, steps)
    if len(steps) < 2 or bool((steps == steps[0]).all()):
        return np.empty(0, np.int64)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(steps)) + 1))
    counts = np.diff(np.concatenate((starts, [len(steps)])))
    lengths = steps[starts].tolist()
    intervals = _intervals(lengths, counts.tolist())
    around = _around(intervals)
    values, many = np.unique(steps, return_counts=True)
    commonest = int(values[many.argmax()])
    missing: list[int] = []
    for run, is_interval in enumerate(intervals):
        beside = [lengths[neighbour] for neighbour in around[run]]
        # Between two intervals the longer one applies: a change at any hour is no hole, a longer step is.
        due = lengths[run] if is_interval else max(beside, default=commonest)
        slack = due - MINUTE_NS if len(set(beside)) > 1 else due // 2
        lacking = (lengths[run] + slack) // due - 1
        for row in range(int(starts[run]), int(starts[run] + counts[run])) if lacking > 0 else ():
            missing += [int(times[row]) + due * number for number in range(1, lacking + 1)]
    return np.array(missing, np.int64)


def _intervals(lengths: list[int], counts: list[int]) -> list[bool]:
    """Return for each run of equal steps whether it is an interval of the venue."""
    last = len(lengths) - 1
    sure = []
    for run, (length, count) in enumerate(zip(lengths, counts, strict=True)):
        beside = [lengths[at] for at in (run - 1, run + 1) if 0 <= at <= last]
        is_short = count > 1 and all(2 * length < 3 * other for other in beside)
        sure.append(DAY_NS % length == 0 and (count >= SURE_STEPS or is_short))
    is_interval = list(sure)
    for run, near in enumerate(_around(sure)):
        if not sure[run] and near and DAY_NS % lengths[run] == 0:
            evidence = EVIDENCE_AT_EDGE if run in (0, last) else EVIDENCE
            ratio = lengths[run] / min(lengths[at] for at in near)
            is_interval[run] = ratio ** min(counts[run], SURE_STEPS) >= evidence
    return is_interval


def _around(marked: list[bool]) -> list[list[int]]:
    """Return for each run the nearest marked runs before and after it."""
    before, after = -1, -1
    nearest: list[list[int]] = []
    for run, is_marked in enumerate(marked):
        nearest.append([before] if before >= 0 else [])
        before = run if is_marked else before
    for run in range(len(marked) - 1, -1, -1):
        nearest[run] += [after] if after >= 0 else []
        after = run if marked[run] else after
    return nearest


def gaps_of(missing: Times, times: Times) -> tuple[int, int]:
    """Return the number of gaps that missing times form, and the number of settlements missing in the longest."""
    places = np.searchsorted(times, missing)
    edges = [0, *(np.flatnonzero(np.diff(places)) + 1).tolist(), len(places)]
    longest = max(stop - start for start, stop in pairwise(edges))
    return len(edges) - 1, longest
