"""Wilder's true range and exponential averages, rounded as TA-Lib rounds them."""

from fractions import Fraction
from typing import Any

from numba import types
from numba.core.config import DISABLE_JIT
from numba.extending import intrinsic

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats

if DISABLE_JIT:

    def multiply_add(a: float, b: float, c: float) -> float:
        """Return ``a * b + c`` with a single rounding (fused multiply-add), in exact fractions."""
        if not abs(a * b + c) < float("inf"):
            return a * b + c
        return float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))

else:

    @intrinsic  # type: ignore[untyped-decorator]  # numba ships no usable types
    def multiply_add(context: Any, a: Any, b: Any, c: Any) -> Any:
        """Return ``a * b + c`` with a single rounding (fused multiply-add).

        TA-Lib's exponential averages round this way on processors with an FMA unit. LLVM emits that instruction, or
        a call into the C library elsewhere: the same bits everywhere.
        """

        def codegen(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            return builder.fma(*arguments)

        return types.float64(types.float64, types.float64, types.float64), codegen


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
