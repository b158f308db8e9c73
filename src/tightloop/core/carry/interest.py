"""Pool interest as a function of utilisation, and the effect of our own size on it.

A two-slope (kinked) rate curve as in Aave v3. Recorded totals exclude us; the pool with us adds our supply and debt.
All parameters of the curve are series, because governance changes them over time. Rates are yearly fractions.
"""

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Record


@leaf
def borrow_rate(utilisation: float, base: float, slope_below: float, slope_above: float, optimal: float) -> float:
    """Compute the yearly variable borrow rate at a utilisation: two slopes with a kink at ``optimal``."""
    assert 0.0 < optimal < 1.0, "the kink lies between nothing and all that is supplied"
    if utilisation <= optimal:
        return base + slope_below * utilisation / optimal
    return base + slope_below + slope_above * (utilisation - optimal) / (1.0 - optimal)


@leaf
def supply_rate(utilisation: float, rate: float, reserve_factor: float) -> float:
    """Compute the yearly supply rate from the borrow ``rate``."""
    assert 0.0 <= reserve_factor <= 1.0, "a pool keeps a share of the interest"
    return rate * utilisation * (1.0 - reserve_factor)


@leaf
def own_amount(books: Record, index_series: int) -> float:
    """Sum our balances that grow with an index, unscaled, in the pool's asset; 0 for series -1."""
    total = 0.0
    if index_series < 0:
        return total
    for k in range(books.balance_count):
        balance = books.balances[k]
        if balance.index_series == index_series and balance.amount != 0.0:
            total += balance.amount * books.series[index_series].now
    return total


@leaf
def utilisation_with_us(books: Record, reserve: Record) -> float:
    """Compute borrowed over supplied, our own positions included; at most 1."""
    supplied = books.series[reserve.supplied].now + own_amount(books, reserve.liquidity_index)
    borrowed = books.series[reserve.borrowed].now + own_amount(books, reserve.borrow_index)
    return min(1.0, borrowed / supplied)


@leaf
def _rate_at(books: Record, reserve: Record, utilisation: float, is_debt: bool) -> float:
    """Compute the modelled borrow (``is_debt``) or supply rate of a pool at a utilisation."""
    rate = borrow_rate(
        utilisation,
        books.series[reserve.base].now,
        books.series[reserve.below].now,
        books.series[reserve.above].now,
        books.series[reserve.optimal].now,
    )
    return rate if is_debt else supply_rate(utilisation, rate, books.series[reserve.reserve_factor].now)


@leaf
def rate_ratio(books: Record, reserve: Record, is_debt: bool) -> float:
    """Compute the modelled rate with us over the rate without us.

    1 when we are not in the pool, or when the pool pays nothing: its index does not move then.
    """
    if own_amount(books, reserve.liquidity_index) == 0.0 and own_amount(books, reserve.borrow_index) == 0.0:
        return 1.0
    alone = books.series[reserve.borrowed].now / books.series[reserve.supplied].now
    before = _rate_at(books, reserve, alone, is_debt)
    if before == 0.0:
        return 1.0
    ratio = _rate_at(books, reserve, utilisation_with_us(books, reserve), is_debt) / before
    assert ratio >= 0.0, "the rates of a pool that we are in are known"
    return ratio


@leaf
def free_liquidity(books: Record, reserve: Record) -> float:
    """Return what can be withdrawn from a pool now, in its asset; NaN when its totals are unknown."""
    free = books.series[reserve.supplied].now - books.series[reserve.borrowed].now
    if books.has_impact != 0:  # recorded totals exclude us: add what we supplied, less what we drew
        free += own_amount(books, reserve.liquidity_index) - own_amount(books, reserve.borrow_index)
    return free


@leaf
def can_give(books: Record, share: float) -> bool:
    """Return whether pool liquidity suffices to withdraw ``share`` of everything we supply."""
    assert not share < 0.0, "a withdrawn share is not negative"
    for k in range(books.reserve_count):
        reserve = books.reserves[k]
        wanted = min(1.0, share) * own_amount(books, reserve.liquidity_index)
        if wanted > 0.0 and wanted > free_liquidity(books, reserve):
            return False
    return True
