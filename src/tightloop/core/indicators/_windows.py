"""Rolling windows over the last ``n`` bars, stored in the arena: ring, sum, mean, range, variance.

Each structure is a block of floats at ``arena[at:]`` that starts as zeros; every update costs O(1) amortised. Running
sums subtract the value that leaves, so rounding of a large value could outlive it: sums are recomputed from the window
once every ``n`` values, and at once when the remainder is so small that such rounding would show.
"""

import numpy as np

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats

# Ring of n values, RING + n floats: number of values held, index of the next write, the values.
_FILLED, _PLACE, RING = 0, 1, 2


@leaf
def push(arena: Floats, at: int, n: int, x: float) -> float:
    """Append ``x`` to a ring of ``n`` values; return the value now oldest (0 while the ring is filling)."""
    place = int(arena[at + _PLACE])
    assert 0 <= place < n
    arena[at + RING + place] = x
    place = place + 1 if place + 1 < n else 0
    arena[at + _PLACE] = place
    if arena[at + _FILLED] < n:
        arena[at + _FILLED] += 1.0
    return arena[at + RING + place]


@leaf
def full(arena: Floats, at: int, n: int) -> bool:
    """Tell whether the ring holds ``n`` values."""
    return arena[at + _FILLED] >= n


@leaf
def nth(arena: Floats, at: int, n: int, age: int) -> float:
    """Return the value ``age`` places after the oldest one of a full ring."""
    assert 0 <= age < n
    place = int(arena[at + _PLACE]) + age
    return arena[at + RING + (place if place < n else place - n)]


_RATIO_SEEN = 0.0001  # of the largest sum since recomputation; below it, that sum's rounding is 1e-12 of the rest


@leaf
def rest_of_sum(arena: Floats, peak: int, ring: int, n: int, total: float, oldest: float) -> float:
    """Return a rolling sum without the ring's oldest value, which the next push evicts.

    ``total`` is the sum over the full ring, ``arena[peak]`` the largest sum since the last recomputation. Values are
    non-negative, so a sum can only collapse after it rose: recomputation is O(n) once per ``n`` values and once after
    each such rise.
    """
    assert full(arena, ring, n)
    rest = total - oldest
    largest = max(arena[peak], total)
    place = int(arena[ring + _PLACE])
    if place == 0 or not rest >= _RATIO_SEEN * largest:
        rest = 0.0
        for at in range(ring + RING + place + 1, ring + RING + n):
            rest += arena[at]
        for at in range(ring + RING, ring + RING + place):
            rest += arena[at]
        largest = rest
    arena[peak] = largest
    return rest


# Moving sum of n values, SUM + n floats: the sum without the oldest value, its peak, then a ring.
_REST, _LARGEST, _VALUES = 0, 1, 2
SUM = _VALUES + RING


@leaf
def moving_sum(arena: Floats, at: int, n: int, x: float) -> float:
    """Return the sum of the last ``n`` non-negative values; NaN until there are ``n``."""
    total = arena[at + _REST] + x
    oldest = push(arena, at + _VALUES, n, x)
    if not full(arena, at + _VALUES, n):
        arena[at + _REST] = total
        return np.nan
    arena[at + _REST] = rest_of_sum(arena, at + _LARGEST, at + _VALUES, n, total, oldest)
    return total


# Moving mean of bounded values, MEAN + n floats: the sum, then a ring.
MEAN = 1 + RING


@leaf
def bounded_mean(arena: Floats, at: int, n: int, x: float) -> float:
    """Return the mean of the last ``n`` values, each within 0 to 100; NaN until there are ``n``.

    A plain running sum in TA-Lib's order of operations: add the newest, divide, subtract the oldest. Because the values
    are bounded, accumulated rounding stays below 1e-9 over 10^6 bars.
    """
    total = arena[at] + x
    oldest = push(arena, at + 1, n, x)
    if not full(arena, at + 1, n):
        arena[at] = total
        return np.nan
    arena[at] = total - oldest
    return total / n


# Compensated sum: the sum, then its accumulated rounding error.
EXACT_SUM = 2


@leaf
def add_exactly(arena: Floats, at: int, x: float) -> float:
    """Add ``x`` to a compensated sum (Neumaier) and return it; subtracting ``x`` later leaves no residue."""
    total = arena[at]
    rounded = total + x
    part = rounded - total
    arena[at] = rounded
    arena[at + 1] += (total - (rounded - part)) + (x - part)
    return rounded + arena[at + 1]


# Sliding range of n bars, RANGE + 2 n floats: bars seen, slot in the current block, extremes of the block so far,
# extremes of the window, then n highs and n lows. Before the slot these are bars of the current block; from the slot on
# they are tail extremes of the previous block: from that bar to the block's end.
_SEEN, _SLOT, _BLOCK_HIGH, _BLOCK_LOW, _HIGHEST, _LOWEST, RANGE = range(7)


@leaf
def sliding_range(arena: Floats, at: int, n: int, high: float, low: float) -> tuple[float, float]:
    """Return the highest ``high`` and lowest ``low`` of the last ``n`` bars (of all bars while there are fewer).

    Van Herk / Gil-Werman: bars are grouped in blocks of ``n``. A window is the tail of one block plus the head of the
    next, so one comparison suffices; when a block is complete its tail extremes are precomputed, one step per bar.
    """
    highs, lows = at + RANGE, at + RANGE + n
    slot = int(arena[at + _SLOT])
    assert 0 <= slot < n
    highest = high if slot == 0 else max(arena[at + _BLOCK_HIGH], high)
    lowest = low if slot == 0 else min(arena[at + _BLOCK_LOW], low)
    arena[at + _BLOCK_HIGH], arena[at + _BLOCK_LOW] = highest, lowest
    arena[highs + slot], arena[lows + slot] = high, low
    slot += 1
    if slot == n:
        for place in range(n - 2, -1, -1):
            arena[highs + place] = max(arena[highs + place], arena[highs + place + 1])
            arena[lows + place] = min(arena[lows + place], arena[lows + place + 1])
        slot = 0
    elif arena[at + _SEEN] >= n:
        highest = max(highest, arena[highs + slot])
        lowest = min(lowest, arena[lows + slot])
    arena[at + _SLOT] = slot
    arena[at + _SEEN] += 1.0
    arena[at + _HIGHEST], arena[at + _LOWEST] = highest, lowest
    assert highest >= lowest
    return highest, lowest


@leaf
def bars_seen(arena: Floats, at: int) -> float:
    """Return the number of bars a sliding range has consumed."""
    return arena[at + _SEEN]


@leaf
def range_before(arena: Floats, at: int) -> tuple[float, float]:
    """Return the (highest, lowest) pair of the last ``sliding_range`` call."""
    assert arena[at + _SEEN] > 0.0
    return arena[at + _HIGHEST], arena[at + _LOWEST]


# Moving variance of n values, VARIANCE + n floats: the origin of deviations, their sum and sum of squares without the
# oldest value, the largest sum of squares since recomputation, the mean deviation of the window, bars until the next
# recomputation, length of the run of equal values, the two sums of a window of equal values, whether these are known,
# then a ring.
_ORIGIN, _SUM, _SQUARES, _PEAK, _MEAN, _DUE, _RUN, _FLAT_SUM, _FLAT_SQUARES, _FLAT_KNOWN, VARIANCE_RING = range(11)
VARIANCE = VARIANCE_RING + RING

_REBUILD_WINDOWS = 32
_RATIO_STALE = 0.000001  # variance / mean square below this: cancellation has cost too many digits
_RATIO_OUTLIER = 1000000.0  # departed square / remaining squares above this: an outlier has left
_RATIO_PEAK = 0.0001  # variance / largest mean square below this: that square's rounding shows
_RATIO_ZERO = 0.000000000001  # variance / mean square below this is float residue: exactly 0


@leaf
def moving_variance(arena: Floats, at: int, n: int, x: float) -> float:
    """Return the population variance of the last ``n`` values; NaN until there are ``n``, 0 if all are equal.

    Follows TA-Lib 0.8 VAR: sums of deviations from an origin near the window, recomputed from the window (O(n), else
    O(1)) when digits were lost to cancellation, when an outlier has left, and every 32 windows. While all values are
    equal, TA-Lib recomputes at every bar; the result is the same each time and is cached here.

    One deliberate difference: TA-Lib can miss outliers that leave one after the other, so its variance of volumes over
    a few bars can be off by 1e-7; here these also trigger a recomputation. Squares beyond 1e308 overflow, and that too
    is gone once the value has left.
    """
    ring = at + VARIANCE_RING
    if arena[ring] == 0.0:
        arena[at + _ORIGIN] = x
    newest = nth(arena, ring, n, n - 1)
    arena[at + _RUN] = arena[at + _RUN] + 1.0 if x == newest and arena[at + _RUN] > 0.0 else 1.0
    if arena[at + _RUN] == 1.0:
        arena[at + _FLAT_KNOWN] = 0.0

    deviation = x - arena[at + _ORIGIN]
    total = arena[at + _SUM] + deviation
    squares = arena[at + _SQUARES] + deviation * deviation
    oldest = push(arena, ring, n, x)
    if not full(arena, ring, n):
        arena[at + _SUM], arena[at + _SQUARES] = total, squares
        arena[at + _DUE] = _REBUILD_WINDOWS * n
        return np.nan

    share = 1.0 / n
    mean = total * share
    variance = squares * share - mean * mean
    departed = oldest - arena[at + _ORIGIN]
    arena[at + _PEAK] = max(arena[at + _PEAK], squares)
    squares -= departed * departed
    arena[at + _DUE] -= 1.0
    is_sound = variance >= _RATIO_STALE * (squares * share) and departed * departed <= _RATIO_OUTLIER * squares
    if not (is_sound and variance >= _RATIO_PEAK * (arena[at + _PEAK] * share)) or arena[at + _DUE] <= 0.0:
        variance = _rebuild(arena, at, n)
    else:
        arena[at + _SUM], arena[at + _SQUARES], arena[at + _MEAN] = total - departed, squares, mean
    assert not variance < 0.0
    return variance


@leaf
def _rebuild(arena: Floats, at: int, n: int) -> float:
    """Recompute the sums from the window, with its mean as new origin; return the variance."""
    ring = at + VARIANCE_RING
    arena[at + _DUE] = _REBUILD_WINDOWS * n
    if arena[at + _FLAT_KNOWN] == 1.0:
        arena[at + _SUM], arena[at + _SQUARES] = arena[at + _FLAT_SUM], arena[at + _FLAT_SQUARES]
        return 0.0

    share = 1.0 / n
    total = 0.0
    for age in range(n):
        total += nth(arena, ring, n, age)
    origin = total * share
    total, squares = 0.0, 0.0
    for age in range(n):
        deviation = nth(arena, ring, n, age) - origin
        total += deviation
        squares += deviation * deviation
    mean = total * share
    variance = squares * share - mean * mean
    if variance < _RATIO_ZERO * (squares * share):
        variance = 0.0
    departed = nth(arena, ring, n, 0) - origin
    arena[at + _ORIGIN], arena[at + _MEAN], arena[at + _PEAK] = origin, mean, squares
    arena[at + _SUM], arena[at + _SQUARES] = total - departed, squares - departed * departed
    if arena[at + _RUN] >= n and variance == 0.0:
        arena[at + _FLAT_KNOWN] = 1.0
        arena[at + _FLAT_SUM], arena[at + _FLAT_SQUARES] = arena[at + _SUM], arena[at + _SQUARES]
    return variance


@leaf
def deviation_from_mean(arena: Floats, at: int, x: float) -> float:
    """Return the newest value ``x`` of a moving variance minus the mean of its window."""
    return (x - arena[at + _ORIGIN]) - arena[at + _MEAN]
