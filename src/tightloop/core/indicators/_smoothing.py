"""Wilder's true range and the arithmetic of the exponential averages, shared by the indicators of this folder."""

from fractions import Fraction
from typing import Any

from numba import types
from numba.core.config import DISABLE_JIT
from numba.extending import intrinsic

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats

if DISABLE_JIT:

    def multiply_add(a: float, b: float, c: float) -> float:
        """``a * b + c`` with one rounding."""
        if not abs(a * b + c) < float("inf"):
            return a * b + c
        return float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))

else:

    @intrinsic  # type: ignore[untyped-decorator]  # numba ships no usable types
    def multiply_add(context: Any, a: Any, b: Any, c: Any) -> Any:
        """``a * b + c`` with one rounding.

        TA-Lib's exponential averages round so on every processor with a fused multiply-add. One instruction there, a
        call into the C library elsewhere, the same bits everywhere.
        """

        def codegen(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            return builder.fma(*arguments)

        return types.float64(types.float64, types.float64, types.float64), codegen


@leaf
def true_range(high: float, low: float, previous_close: float) -> float:
    """Wilder: the largest of high - low and the distances of both from the close before."""
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
    """The next value of Wilder's average, ``((period - 1) * previous + x) / period``, rounded as TA-Lib ATR rounds."""
    weight = (period - 1.0) / period
    return multiply_add(previous, weight, (1.0 - weight) * x)


@leaf
def exponential(arena: Floats, at: int, n: float, count: float, x: float) -> None:
    """Take ``x``, the value number ``count``, into the exponential average at ``at``: a plain sum before number ``n``,
    the mean of the first ``n`` on it (TA-Lib EMA)."""
    assert count >= 1.0
    if count < n:
        arena[at] += x
    elif count == n:
        arena[at] = (arena[at] + x) / n
    elif n > 1.0:
        arena[at] = multiply_add(2.0 / (n + 1.0), x - arena[at], arena[at])
    else:
        arena[at] = x  # exact: adding a difference would keep the rounding of the value before
