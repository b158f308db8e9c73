"""Interest of a lending pool by its utilisation, and what our own size does to it.

Two slopes meet at the optimal utilisation, as in Aave v3. The totals that are recorded are without us, so the pool with
us has our supply and our debt on top. All numbers of a model are series: what governance had decided by that time.
"""

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Record


@leaf
def borrow_rate(utilisation: float, base: float, slope_below: float, slope_above: float, optimal: float) -> float:
    """The yearly rate of variable debt at a utilisation: two slopes that meet at ``optimal``."""
    assert 0.0 < optimal < 1.0, "the kink lies between nothing and all that is supplied"
    if utilisation <= optimal:
        return base + slope_below * utilisation / optimal
    return base + slope_below + slope_above * (utilisation - optimal) / (1.0 - optimal)


@leaf
def supply_rate(utilisation: float, rate: float, reserve_factor: float) -> float:
    """What suppliers earn of the borrowers' ``rate``."""
    assert 0.0 <= reserve_factor <= 1.0, "a pool keeps a share of the interest"
    return rate * utilisation * (1.0 - reserve_factor)


@leaf
def own_amount(books: Record, index_series: int) -> float:
    """What our balances that grow with an index come to, in the pool's asset."""
    total = 0.0
    if index_series < 0:
        return total
    for at in range(books.balance_count):
        balance = books.balances[at]
        if balance.index_series == index_series and balance.amount != 0.0:
            total += balance.amount * books.series[index_series].now
    return total


@leaf
def utilisation_with_us(books: Record, reserve: Record) -> float:
    """Borrowed over supplied of the pool with us in it; 1 at most."""
    supplied = books.series[reserve.supplied].now + own_amount(books, reserve.liquidity_index)
    borrowed = books.series[reserve.borrowed].now + own_amount(books, reserve.borrow_index)
    return min(1.0, borrowed / supplied)


@leaf
def _rate_at(books: Record, reserve: Record, utilisation: float, is_debt: bool) -> float:
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
    """The modelled rate with us over the one without us; 1 where the pool pays nothing, for its index stands still."""
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
    """What can be taken out of a pool now, in its asset; NaN when nobody says. Ours is in it when our size counts."""
    free = books.series[reserve.supplied].now - books.series[reserve.borrowed].now
    if books.has_impact != 0:
        free += own_amount(books, reserve.liquidity_index) - own_amount(books, reserve.borrow_index)
    return free


@leaf
def can_give(books: Record, share: float) -> bool:
    """Whether the pools have so much liquidity that a share of all we supply can be taken out."""
    assert not share < 0.0, "who takes out less than nothing supplies"
    for at in range(books.reserve_count):
        reserve = books.reserves[at]
        wanted = min(1.0, share) * own_amount(books, reserve.liquidity_index)
        if wanted > 0.0 and wanted > free_liquidity(books, reserve):
            return False
    return True
