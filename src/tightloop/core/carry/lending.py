"""Lending on a pool as Aave v3 does it: loan to value, health factor, liquidation, leverage.

Sources: Aave v3 technical paper and protocol documentation; close factor of 100 % below a health factor of 0.95 is of
v3. Ratios and rates are fractions; amounts of one position share a unit.
"""

import math

from tightloop.core.carry.books import unit_value
from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Record

CLOSE_FACTOR_BELOW = 0.95
CLOSE_FACTOR = 0.5


@leaf
def collateral_value(books: Record, leg: Record) -> float:
    """What stands against the debt of a leg, in the share class."""
    return books.balances[leg.product].amount * unit_value(books, leg.product)


@leaf
def debt_value(books: Record, leg: Record) -> float:
    """What a leg owes, in the share class; 0 without a debt."""
    if leg.debt < 0 or books.balances[leg.debt].amount == 0.0:
        return 0.0
    return books.balances[leg.debt].amount * unit_value(books, leg.debt)


@leaf
def health_factor(collateral: float, debt: float, threshold: float) -> float:
    """Collateral x liquidation threshold over debt; infinite without debt."""
    assert not debt < -1e-6, "a debt is not negative"
    return collateral * threshold / debt if debt > 0.0 else math.inf


@leaf
def loan_to_value(collateral: float, debt: float) -> float:
    """Debt over collateral; 0 without debt."""
    assert not collateral < -1e-6, "collateral is not negative"
    return debt / collateral if debt > 0.0 else 0.0


@leaf
def close_factor(health: float) -> float:
    """The share of a debt that a liquidator may repay at once."""
    return 1.0 if health < CLOSE_FACTOR_BELOW else CLOSE_FACTOR


@leaf
def flash_for(equity: float, ltv: float, fee: float) -> float:
    """What must be borrowed for the moment so that ``equity`` carries a position at ``ltv``: L E / (1 + f - L)."""
    assert ltv < 1.0 + fee, "nothing carries a debt as large as itself"
    return ltv * equity / (1.0 + fee - ltv)


@leaf
def repay_for(collateral: float, debt: float, ltv: float, cost: float) -> float:
    """How much debt to repay out of the collateral so that ``ltv`` is left, when ``cost`` of what is sold is lost."""
    return (debt - ltv * collateral) / (1.0 - ltv / (1.0 - cost))
