"""Wilder's true range and exponential averages, rounded as TA-Lib rounds them."""

from tightloop.core.compiled import leaf, multiply_add
from tightloop.core.domain.types import Floats


@leaf
def true_range(high: float, low: float, previous_close: float) -> float:
    """Return Wilder's true range: the largest of high - low, |high - close before|, |low - close before|."""
    assert high >= low
    largest = high - low
    above, below = abs(previous_close - high), abs(previous_close - low)
    if above > largest:
        largest = above
    if below > largest:
        largest = below
    return largest


@leaf
def wilder(previous: float, x: float, period: float) -> float:
    """Return the next value of Wilder's average, ``((period - 1) * previous + x) / period``, as TA-Lib ATR rounds."""
    weight = (period - 1.0) / period
    return multiply_add(previous, weight, (1.0 - weight) * x)


@leaf
def exponential(arena: Floats, at: int, n: float, count: float, x: float) -> None:
    """Update the exponential moving average at ``arena[at]`` with ``x``, its ``count``-th value (TA-Lib EMA).

    Seeded with the mean of the first ``n`` values; until then the cell holds their running sum.
    """
    assert count >= 1.0
    if count < n:
        arena[at] += x
    elif count == n:
        arena[at] = (arena[at] + x) / n
    elif n > 1.0:
        arena[at] = multiply_add(2.0 / (n + 1.0), x - arena[at], arena[at])
    else:
        arena[at] = x  # n = 1: assign exactly; old + (x - old) would carry rounding of the previous value
