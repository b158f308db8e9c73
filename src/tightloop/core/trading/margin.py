"""Isolated margin: maintenance by tiers, liquidation price, funding.

Maintenance of a notional N in tier k is N * rate_k - deduction_k, with deductions that make it continuous at the tier
bounds, as Binance, Bybit, OKX and MEXC publish it. A position is liquidated at the price where its margin plus its
unrealised P&L equals its maintenance.
"""

import math

from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.types import Record
from tightloop.core.limits import LIMIT_TOLERANCE


@leaf
def maintenance(instrument: Record, notional: float) -> float:
    """Maintenance margin of a notional, both in the settle asset."""
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
    """The price at which a position is liquidated; NaN when there is none (spot, no position, or never above zero).

    ``qty`` signed; ``margin`` in the settle asset.
    """
    if qty == 0.0 or instrument.is_margined == 0:
        return math.nan
    size = abs(qty) * instrument.multiplier
    sign = 1.0 if qty > 0.0 else -1.0
    deduction = 0.0
    lower = 0.0
    found = math.nan
    for k in range(instrument.tier_count):
        tier = instrument.tiers[k]
        if k > 0:
            deduction += lower * (tier.maintenance_rate - instrument.tiers[k - 1].maintenance_rate)
        price = (size * entry_price - sign * (margin + deduction)) / (size * (1.0 - sign * tier.maintenance_rate))
        # Maintenance is convex, so the first tier that holds its own solution holds the only one. Asking for the lower
        # bound too would lose a solution that rounding moves across it.
        if size * price <= tier.notional_max:
            found = price if price > 0.0 else math.nan
            break
        lower = tier.notional_max
    return found


@leaf
def is_stop_beyond(stop: float, liquidation: float, sign: float) -> bool:
    """Whether a stop of a position (``sign`` 1 long, -1 short) lies beyond its liquidation price (NaN: none).

    One that is equal to it, within LIMIT_TOLERANCE, is not: the stop comes first.
    """
    assert sign == 1.0 or sign == -1.0, "a position is long or short"
    return (liquidation - stop) * sign > liquidation * LIMIT_TOLERANCE


@leaf
def leverage_allowed(instrument: Record, notional: float) -> float:
    """The largest leverage the instrument's tiers allow for a notional."""
    assert instrument.tier_count > 0, "an instrument has at least one tier"
    allowed = instrument.tiers[0].leverage_max
    for k in range(instrument.tier_count):
        allowed = instrument.tiers[k].leverage_max
        if notional <= instrument.tiers[k].notional_max:
            break
    return allowed


@leaf
def funding_amount(qty: float, mark: float, multiplier: float, rate: float) -> float:
    """What a position receives (negative: pays) at one settlement; longs pay a positive rate."""
    assert mark > 0.0, "funding is settled at a mark price"
    return -qty * mark * multiplier * rate
