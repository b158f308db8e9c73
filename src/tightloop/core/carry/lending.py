"""Pool lending as in Aave v3: loan to value, health factor, liquidation, leverage.

Sources: Aave v3 technical paper and protocol documentation (v3: close factor 100 % below a health factor of 0.95).
Ratios and rates are fractions; the amounts of one position share a unit.
"""

import math

from tightloop.core.carry.books import unit_value
from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Record

CLOSE_FACTOR_BELOW = 0.95
CLOSE_FACTOR = 0.5


@leaf
def collateral_value(books: Record, leg: Record) -> float:
    """Return the value of a leg's collateral in the share class."""
    return books.balances[leg.product].amount * unit_value(books, leg.product)


@leaf
def debt_value(books: Record, leg: Record) -> float:
    """Return the value of a leg's debt in the share class; 0 without debt."""
    if leg.debt < 0 or books.balances[leg.debt].amount == 0.0:
        return 0.0
    return books.balances[leg.debt].amount * unit_value(books, leg.debt)


@leaf
def health_factor(collateral: float, debt: float, threshold: float) -> float:
    """Compute collateral x liquidation threshold / debt; infinite without debt."""
    assert not debt < -1e-6, "a debt is not negative"
    return collateral * threshold / debt if debt > 0.0 else math.inf


@leaf
def loan_to_value(collateral: float, debt: float) -> float:
    """Compute debt / collateral; 0 without debt."""
    assert not collateral < -1e-6, "collateral is not negative"
    return debt / collateral if debt > 0.0 else 0.0


@leaf
def close_factor(health: float) -> float:
    """Return the share of a debt that a liquidator may repay at once."""
    return 1.0 if health < CLOSE_FACTOR_BELOW else CLOSE_FACTOR


@leaf
def flash_for(equity: float, ltv: float, fee: float) -> float:
    """Compute the flash loan with which ``equity`` carries a position at loan-to-value ``ltv``: L E / (1 + f - L).

    ``fee`` (f) is the flash-loan fee as a fraction; all flash-loaned assets are supplied, and the loan plus fee is
    borrowed.
    """
    assert ltv < 1.0 + fee, "nothing carries a debt as large as itself"
    return ltv * equity / (1.0 + fee - ltv)


@leaf
def repay_for(collateral: float, debt: float, ltv: float, cost: float) -> float:
    """Compute how much debt to repay from the collateral so that loan to value becomes ``ltv``.

    ``cost`` is the fraction lost when collateral is sold.
    """
    return (debt - ltv * collateral) / (1.0 - ltv / (1.0 - cost))
