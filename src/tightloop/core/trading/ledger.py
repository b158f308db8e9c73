"""Double-entry ledger: every amount leaves one account and enters another as the same float.

An account is ``asset * ACCOUNT_KINDS + kind``. Balances are debit-positive: wallets are positive when they hold money,
capital and income accounts are negative. All accounts of an asset sum to zero up to rounding of the additions.
"""

import math

from tightloop.core import limits
from tightloop.core.compiled import float_bits, hot
from tightloop.core.domain.enums import ACCOUNT_KINDS, AccountKind
from tightloop.core.domain.types import Record
from tightloop.core.hashing import mix

WALLET = int(AccountKind.WALLET)
CAPITAL = int(AccountKind.CAPITAL)
REALIZED = int(AccountKind.REALIZED)
FEES = int(AccountKind.FEES)
FUNDING = int(AccountKind.FUNDING)


@hot
def account(asset: int, kind: int) -> int:
    """Return the account number of an asset and an AccountKind."""
    assert 0 <= asset < limits.ACCOUNTS_MAX // ACCOUNT_KINDS, (
        "ACCOUNTS_MAX: more assets than the ledger has accounts for"
    )
    return asset * ACCOUNT_KINDS + kind


@hot
def post(state: Record, debit: int, credit: int, amount: float) -> None:
    """Move ``amount`` (asset units; may be negative) from ``credit`` to ``debit``; fold it into the rolling hash."""
    assert math.isfinite(amount), "an amount of money is a number"
    assert debit != credit, "money moves between two accounts"
    state.balances[debit] += amount
    state.balances[credit] -= amount
    mix(state, float_bits(amount) + float_bits(float(debit * limits.ACCOUNTS_MAX + credit)))


@hot
def wallet(state: Record, asset: int) -> float:
    """Return the wallet balance of an asset, in asset units."""
    return state.balances[asset * ACCOUNT_KINDS + WALLET]
