"""Double-entry ledger: every amount leaves one account and enters another as the same float.

All money moves here, and every posting is folded into a rolling hash. There are two sets of accounts: those of State,
which the families of orders use (``post``), and the balances and contra accounts of carry books, which the step and the
simulated venues of carry keep (``post_balance``).

An account is ``asset * ACCOUNT_KINDS + kind``. Balances are debit-positive: wallets are positive when they hold money,
capital and income accounts are negative. All accounts of an asset sum to zero up to rounding of the additions.
"""

import math

from tightloop.core import limits
from tightloop.core.compiled import float_bits, hot, leaf
from tightloop.core.domain.carry import COUNTERS
from tightloop.core.domain.enums import ACCOUNT_KINDS, AccountKind
from tightloop.core.domain.types import Record
from tightloop.core.hashing import mix

WALLET = int(AccountKind.WALLET)
CAPITAL = int(AccountKind.CAPITAL)
REALIZED = int(AccountKind.REALIZED)
FEES = int(AccountKind.FEES)
FUNDING = int(AccountKind.FUNDING)
EXTERNAL = int(AccountKind.EXTERNAL)


@hot
def account(asset: int, kind: int) -> int:
    """Return the account number of an asset and an AccountKind."""
    assert 0 <= asset < limits.ACCOUNTS_MAX // ACCOUNT_KINDS, (
        "ACCOUNTS_MAX: more assets than the ledger has accounts for"
    )
    return asset * ACCOUNT_KINDS + kind


@hot
def _seal(ledger: Record, accounts: int, amount: float) -> None:
    """Fold a posting into the hash of its ledger; ``accounts`` numbers the pair of accounts."""
    mix(ledger, float_bits(amount) + float_bits(float(accounts)))


@hot
def post(state: Record, debit: int, credit: int, amount: float) -> None:
    """Move ``amount`` (asset units; may be negative) from ``credit`` to ``debit``; fold it into the rolling hash."""
    assert math.isfinite(amount), "an amount of money is a number"
    assert debit != credit, "money moves between two accounts"
    state.balances[debit] += amount
    state.balances[credit] -= amount
    _seal(state, debit * limits.ACCOUNTS_MAX + credit, amount)


@leaf
def post_balance(books: Record, balance: int, contra: int, amount: float) -> None:
    """Move ``amount`` from a contra account into a balance of carry books; fold it into the hash of the books.

    ``amount`` is in units of the balance and positive when it is worth something to us: a debt falls by a positive
    amount. ``contra`` is a ContraAccount of the balance's token.
    """
    assert math.isfinite(amount), "an amount that moves is a number"
    row = books.balances[balance]
    credit = row.token * COUNTERS + contra
    row.amount += amount if row.sign > 0 else -amount
    books.counters[credit] -= amount
    _seal(books, balance * limits.TOKENS_MAX * COUNTERS + credit, amount)


@hot
def wallet(state: Record, asset: int) -> float:
    """Return the wallet balance of an asset, in asset units."""
    return state.balances[asset * ACCOUNT_KINDS + WALLET]
