"""Windows over the last ``n`` bars, kept in the arena: what several indicators of this folder share.

A window is a region of floats that starts at ``at`` and is zero at the start. Each leaf takes in the newest value and
costs O(1) amortised. What has left a window has left its sums: they are made anew from its values once a window, and at
once when what is left of them is so small that the rounding of what went could be seen in it.
"""

import numpy as np

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats

# A ring of n values takes RING + n floats: how many are in, where the next one goes, the values.
_FILLED, _PLACE, RING = 0, 1, 2


@leaf
def push(arena: Floats, at: int, n: int, x: float) -> float:
    """Keep ``x`` as the newest of ``n`` values; the oldest of them (0 while there are fewer)."""
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
    """Whether ``n`` values are in the ring."""
    return arena[at + _FILLED] >= n


@leaf
def nth(arena: Floats, at: int, n: int, age: int) -> float:
    """The value of a full ring that came ``age`` values after the oldest one."""
    assert 0 <= age < n
    place = int(arena[at + _PLACE]) + age
    return arena[at + RING + (place if place < n else place - n)]


_RATIO_SEEN = 0.0001  # of the largest sum since it was made anew: below, its rounding is 1e-12 of what is left


@leaf
def rest_of_sum(arena: Floats, peak: int, ring: int, n: int, total: float, oldest: float) -> float:
    """What a sum of the ``n`` values of a full ring is without the oldest one, which was just pushed out.

    The float at ``peak`` holds the largest sum since one was made anew. Values are not negative, so a sum falls to a
    part of its largest only after it rose to that: O(n) once a window and once after each such rise.
    """
    assert full(arena, ring, n)
    left = total - oldest
    largest = max(arena[peak], total)
    place = int(arena[ring + _PLACE])
    if place == 0 or not left >= _RATIO_SEEN * largest:
        left = 0.0
        for at in range(ring + RING + place + 1, ring + RING + n):
            left += arena[at]
        for at in range(ring + RING, ring + RING + place):
            left += arena[at]
        largest = left
    arena[peak] = largest
    return left


# A moving sum of n values takes SUM + n floats: the sum without the oldest value, its peak, then a ring.
_REST, _LARGEST, _VALUES = 0, 1, 2
SUM = _VALUES + RING


@leaf
def moving_sum(arena: Floats, at: int, n: int, x: float) -> float:
    """Sum of the last ``n`` values, none negative; NaN until there are ``n``."""
    total = arena[at + _REST] + x
    oldest = push(arena, at + _VALUES, n, x)
    if not full(arena, at + _VALUES, n):
        arena[at + _REST] = total
        return np.nan
    arena[at + _REST] = rest_of_sum(arena, at + _LARGEST, at + _VALUES, n, total, oldest)
    return total


# A moving mean of bounded values takes MEAN + n floats: the sum, then a ring.
MEAN = 1 + RING


@leaf
def bounded_mean(arena: Floats, at: int, n: int, x: float) -> float:
    """Mean of the last ``n`` values between 0 and 100, NaN until there are ``n``.

    A running sum, rounded as TA-Lib's: newest in, mean, oldest out. What its roundings leave behind stays below 1e-9
    over 10^6 bars, because no value is large.
    """
    total = arena[at] + x
    oldest = push(arena, at + 1, n, x)
    if not full(arena, at + 1, n):
        arena[at] = total
        return np.nan
    arena[at] = total - oldest
    return total / n


# An exact sum: the sum, then what its roundings left out.
EXACT_SUM = 2


@leaf
def add_exactly(arena: Floats, at: int, x: float) -> float:
    """Add ``x`` to a sum that keeps what rounding drops (Neumaier), so that taking it out again leaves no trace."""
    total = arena[at]
    rounded = total + x
    part = rounded - total
    arena[at] = rounded
    arena[at + 1] += (total - (rounded - part)) + (x - part)
    return rounded + arena[at + 1]


# A sliding range of n bars takes RANGE + 2 n floats: bars seen, place in the block of n bars, extremes of the block so
# far, extremes of the window, then n highs and n lows. Up to the place these are the bars of this block; from there on,
# for each bar of the block before, the extreme from it to the end of its block.
_SEEN, _SLOT, _BLOCK_HIGH, _BLOCK_LOW, _HIGHEST, _LOWEST, RANGE = range(7)


@leaf
def sliding_range(arena: Floats, at: int, n: int, high: float, low: float) -> tuple[float, float]:
    """Highest ``high`` and lowest ``low`` of the last ``n`` bars (of all of them while there are fewer).

    Blocks of ``n`` bars (van Herk, Gil and Werman): a window is the end of one block and the beginning of the next,
    which takes one comparison; when a block is complete its ends are prepared: one step for each of its bars.
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
    """How many bars a sliding range has taken in."""
    return arena[at + _SEEN]


@leaf
def range_before(arena: Floats, at: int) -> tuple[float, float]:
    """What the last ``sliding_range`` returned."""
    assert arena[at + _SEEN] > 0.0
    return arena[at + _HIGHEST], arena[at + _LOWEST]


# A moving variance of n values takes VARIANCE + n floats: the origin that deviations are measured from, their sum and
# sum of squares without the oldest value, the largest sum of squares since they were built, the mean deviation of this
# window, bars until they are built anew, length of the run of equal values, the sums that a window of equal values
# gave, whether it has, then a ring.
_ORIGIN, _SUM, _SQUARES, _PEAK, _MEAN, _DUE, _RUN, _FLAT_SUM, _FLAT_SQUARES, _FLAT_KNOWN, VARIANCE_RING = range(11)
VARIANCE = VARIANCE_RING + RING

_REBUILD_WINDOWS = 32
_RATIO_STALE = 0.000001  # the variance is so small a part of the squares that it is taken from: it has lost digits
_RATIO_OUTLIER = 1000000.0  # the squares that are left are so much smaller than the one that went
_RATIO_PEAK = 0.0001  # the variance is so small a part of the largest squares: their rounding is in it
_RATIO_ZERO = 0.000000000001  # no spread left that the mean could resolve


@leaf
def moving_variance(arena: Floats, at: int, n: int, x: float) -> float:
    """Population variance of the last ``n`` values, NaN until there are ``n``, exactly 0 when they are equal.

    TA-Lib 0.8 VAR: sums of deviations from an origin near the window, built anew from the window when they have lost
    digits, when an outlier has left, and every 32 windows: O(n) then, O(1) a bar over a run. In a run of equal values
    TA-Lib rebuilds at every bar; the sums are the same each time and are kept here.

    TA-Lib can miss outliers that leave one after the other: in volumes over a few bars its variance can be 1e-7 off.
    Here sums are built anew then, too. What no float can hold (a square beyond 1e308) is gone with its value.
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
    gone = oldest - arena[at + _ORIGIN]
    arena[at + _PEAK] = max(arena[at + _PEAK], squares)
    squares -= gone * gone
    arena[at + _DUE] -= 1.0
    is_sound = variance >= _RATIO_STALE * (squares * share) and gone * gone <= _RATIO_OUTLIER * squares
    if not (is_sound and variance >= _RATIO_PEAK * (arena[at + _PEAK] * share)) or arena[at + _DUE] <= 0.0:
        variance = _rebuild(arena, at, n)
    else:
        arena[at + _SUM], arena[at + _SQUARES], arena[at + _MEAN] = total - gone, squares, mean
    assert not variance < 0.0
    return variance


@leaf
def _rebuild(arena: Floats, at: int, n: int) -> float:
    """Sums from the window itself, around its mean; the variance of the window."""
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
    gone = nth(arena, ring, n, 0) - origin
    arena[at + _ORIGIN], arena[at + _MEAN], arena[at + _PEAK] = origin, mean, squares
    arena[at + _SUM], arena[at + _SQUARES] = total - gone, squares - gone * gone
    if arena[at + _RUN] >= n and variance == 0.0:
        arena[at + _FLAT_KNOWN] = 1.0
        arena[at + _FLAT_SUM], arena[at + _FLAT_SQUARES] = arena[at + _SUM], arena[at + _SQUARES]
    return variance


@leaf
def deviation_from_mean(arena: Floats, at: int, x: float) -> float:
    """The newest value ``x`` of a moving variance less the mean of its window."""
    return (x - arena[at + _ORIGIN]) - arena[at + _MEAN]
