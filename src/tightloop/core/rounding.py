"""Rounding to price and quantity increments; the direction is part of each name. Nothing else rounds.

An increment of 0 means that the instrument has none. A value within 1e-9 increments of a grid point counts as on it,
because 0.3 / 0.1 is 2.9999999999999996; from about 10^7 increments on the quotient itself is less accurate than that,
and the tolerance is 4 ulp instead. Beyond 2^49 increments, adjacent floats are about as far apart as grid points, so
the value is returned unchanged.
"""

import numpy as np

from tightloop.core.compiled import leaf

_ON_GRID = 1e-9  # increments
_LAST_BITS = 4.0 * 2.0**-53  # relative
_FLOATS_ARE_THE_GRID = 2.0**49


@leaf
def _slack(steps: float) -> float:
    """Return the tolerance, in increments, within which a value counts as on the grid."""
    return max(_ON_GRID, steps * _LAST_BITS)


@leaf
def _multiple(steps: float, increment: float) -> float:
    """Return ``steps * increment`` as the nearest float: 115116 x 0.00001 is 1.15116, not 1.1511600000000002.

    Most increments are 1 / n for a whole n. ``steps / n`` is correctly rounded; the increment itself is a decimal
    fraction that no float represents, and multiplying by it would multiply its error.
    """
    parts = np.floor(1.0 / increment + 0.5)
    if parts >= 1.0 and abs(parts * increment - 1.0) <= _LAST_BITS:
        return steps / parts
    return steps * increment


@leaf
def qty_floor(qty: float, lot_size: float) -> float:
    """Return the largest multiple of the lot size at or below ``qty`` (which must be >= 0)."""
    assert qty >= 0.0, "a quantity has no sign here"
    if lot_size <= 0.0 or qty >= lot_size * _FLOATS_ARE_THE_GRID:
        return qty
    steps = qty / lot_size
    return _multiple(np.floor(steps + _slack(steps)), lot_size)


@leaf
def price_floor(price: float, price_increment: float) -> float:
    """Return the highest price on the grid at or below ``price``."""
    if price_increment <= 0.0 or price >= price_increment * _FLOATS_ARE_THE_GRID:
        return price
    steps = price / price_increment
    return _multiple(np.floor(steps + _slack(steps)), price_increment)


@leaf
def price_ceil(price: float, price_increment: float) -> float:
    """Return the lowest price on the grid at or above ``price``."""
    if price_increment <= 0.0 or price >= price_increment * _FLOATS_ARE_THE_GRID:
        return price
    steps = price / price_increment
    return _multiple(np.ceil(steps - _slack(steps)), price_increment)


@leaf
def price_passive(price: float, price_increment: float, side: int) -> float:
    """Round a limit price away from the market, never more aggressive: buys down, sells up. ``side``: 1 or -1."""
    return price_floor(price, price_increment) if side > 0 else price_ceil(price, price_increment)


@leaf
def price_late(price: float, price_increment: float, side: int) -> float:
    """Round a stop's trigger price so that it never triggers earlier: buy stops up, sell stops down."""
    return price_ceil(price, price_increment) if side > 0 else price_floor(price, price_increment)
