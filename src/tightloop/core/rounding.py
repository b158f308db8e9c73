"""Rounding to an instrument's increments, with the side in the name. The only place that rounds.

An increment of 0 means that the instrument has none. A value within 1e-9 of an increment counts as being on it, because
0.3 / 0.1 is 2.9999999999999996; from some 10^7 increments on the last bits of the quotient are more than that, and 4 of
them count instead. From 2^49 increments on floats lie so far apart that they are the grid.
"""

import numpy as np

from tightloop.core.compiled import leaf

_ON_GRID = 1e-9
_LAST_BITS = 4.0 * 2.0**-53
_FLOATS_ARE_THE_GRID = 2.0**49


@leaf
def _slack(steps: float) -> float:
    """How far below or above a whole number of increments still counts as being on it."""
    return max(_ON_GRID, steps * _LAST_BITS)


@leaf
def _multiple(steps: float, increment: float) -> float:
    """``steps`` increments as the float nearest to it: 115116 of 0.00001 are 1.15116, not 1.1511600000000002.

    An increment that is one part of a whole number is an exact divisor; a decimal fraction itself never is exact.
    """
    parts = np.floor(1.0 / increment + 0.5)
    if parts >= 1.0 and abs(parts * increment - 1.0) <= _LAST_BITS:
        return steps / parts
    return steps * increment


@leaf
def qty_floor(qty: float, lot_size: float) -> float:
    """The largest multiple of the lot that is not above ``qty`` (>= 0)."""
    assert qty >= 0.0, "a quantity has no sign here"
    if lot_size <= 0.0 or qty >= lot_size * _FLOATS_ARE_THE_GRID:
        return qty
    steps = qty / lot_size
    return _multiple(np.floor(steps + _slack(steps)), lot_size)


@leaf
def price_floor(price: float, price_increment: float) -> float:
    """The highest price of the grid at or below ``price``."""
    if price_increment <= 0.0 or price >= price_increment * _FLOATS_ARE_THE_GRID:
        return price
    steps = price / price_increment
    return _multiple(np.floor(steps + _slack(steps)), price_increment)


@leaf
def price_ceil(price: float, price_increment: float) -> float:
    """The lowest price of the grid at or above ``price``."""
    if price_increment <= 0.0 or price >= price_increment * _FLOATS_ARE_THE_GRID:
        return price
    steps = price / price_increment
    return _multiple(np.ceil(steps - _slack(steps)), price_increment)


@leaf
def price_passive(price: float, price_increment: float, side: int) -> float:
    """Never better for the market than asked: a buy rounds down, a sell up. For limits."""
    return price_floor(price, price_increment) if side > 0 else price_ceil(price, price_increment)


@leaf
def price_late(price: float, price_increment: float, side: int) -> float:
    """Never earlier than asked: a sell stop rounds down, a buy stop up. For triggers."""
    return price_ceil(price, price_increment) if side > 0 else price_floor(price, price_increment)
