"""Isolated margin: tiered maintenance margin, liquidation price, funding.

Maintenance of a notional N in tier k is N * rate_k - deduction_k, with deductions that make it continuous at the tier
bounds, as Binance, Bybit, OKX and MEXC publish it. A position is liquidated at the price where its margin plus its
unrealised P&L equals its maintenance margin.
"""

import math

from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.types import Record
from tightloop.core.limits import LIMIT_TOLERANCE
from tightloop.core.trading import exposure


@leaf
def maintenance(instrument: Record, notional: float) -> float:
    """Compute the maintenance margin of a notional, both in the settle asset."""
    assert notional >= 0.0, "a notional has no sign"
    deduction = 0.0
    rate = instrument.tiers[0].maintenance_rate
    for k in range(1, instrument.tier_count):
        bound = instrument.tiers[k - 1].notional_max
        if notional <= bound:
            break
        deduction += bound * (instrument.tiers[k].maintenance_rate - rate)
        rate = instrument.tiers[k].maintenance_rate
    return notional * rate - deduction


@hot
def liquidation_price(instrument: Record, qty: float, entry_price: float, margin: float) -> float:
    """Compute the price at which a position is liquidated.

    ``qty`` in signed contracts, ``margin`` in the settle asset. NaN when there is none: spot, flat, or never above
    zero.
    """
    if qty == 0.0 or instrument.is_margined == 0:
        return math.nan
    size = abs(qty) * instrument.multiplier
    sign = 1.0 if qty > 0.0 else -1.0
    deduction = 0.0
    lower = 0.0
    solution = math.nan
    for k in range(instrument.tier_count):
        tier = instrument.tiers[k]
        if k > 0:
            deduction += lower * (tier.maintenance_rate - instrument.tiers[k - 1].maintenance_rate)
        price = (size * entry_price - sign * (margin + deduction)) / (size * (1.0 - sign * tier.maintenance_rate))
        # Maintenance is convex in the notional, so the first tier that contains its solution is the right one. Testing
        # the lower bound as well would lose a solution that rounding moves just across a tier bound.
        if size * price <= tier.notional_max:
            solution = price if price > 0.0 else math.nan
            break
        lower = tier.notional_max
    return solution


@leaf
def is_stop_beyond(stop: float, liquidation: float, sign: float) -> bool:
    """Return whether a stop lies beyond the liquidation price (NaN: none), so that it could never fill.

    ``sign`` is 1 for a long, -1 for a short. A stop equal to it, within LIMIT_TOLERANCE, is not beyond: the stop fills
    first.
    """
    assert sign == 1.0 or sign == -1.0, "a position is long or short"
    return (liquidation - stop) * sign > liquidation * LIMIT_TOLERANCE


@leaf
def leverage_allowed(instrument: Record, notional: float) -> float:
    """Return the maximum leverage of the margin tier a notional (settle asset) falls into; its bound belongs to it."""
    assert instrument.tier_count > 0, "an instrument has at least one tier"
    allowed = instrument.tiers[0].leverage_max
    for k in range(instrument.tier_count):
        allowed = instrument.tiers[k].leverage_max
        if exposure.within(notional, instrument.tiers[k].notional_max):
            break
    return allowed


@leaf
def funding_amount(qty: float, mark: float, multiplier: float, rate: float) -> float:
    """Return the funding received (negative: paid) at one settlement, settle asset; longs pay a positive rate."""
    assert mark > 0.0, "funding is settled at a mark price"
    return -qty * mark * multiplier * rate
