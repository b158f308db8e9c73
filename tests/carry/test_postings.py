"""Postings of carry: both sides at once, in the hash, and none that is no number."""

import math

import numba
import numpy as np
import pytest

from carry.synthetic import Run, borrowing, feed, flat, lend, spot, strategy
from tightloop.core.compiled import as_rows
from tightloop.core.domain.carry import COUNTERS, HOLDING, BalanceKind, ContraAccount
from tightloop.core.domain.position import POSITION_FIELDS
from tightloop.core.trading import ledger


@numba.njit(error_model="numpy")
def post(rows, balance, contra, amount):
    ledger.post_balance(rows[0], balance, contra, amount)


def books_of(run):
    return as_rows(run.plan.states["carry"]["books"])


def new_books():
    run = Run.of(strategy([borrowing(), lend()], share="ETH", capital=10.0), feed(flat(2)))
    return books_of(run)


def test_what_enters_a_balance_leaves_its_contra_account_and_a_debt_falls_by_what_is_worth_something():
    with np.errstate(over="ignore"):
        books = new_books()
        count = int(books[0]["balance_count"])
        for k in range(count):
            balance = books[0]["balances"][k]
            before, contra = float(balance["amount"]), int(balance["token"]) * COUNTERS + int(ContraAccount.REWARDS)
            other = float(books[0]["counters"][contra])
            post(books, k, int(ContraAccount.REWARDS), 0.75)
            assert float(books[0]["balances"][k]["amount"]) == before + int(balance["sign"]) * 0.75
            assert float(books[0]["counters"][contra]) == other - 0.75
        assert BalanceKind.DEBT in books[0]["balances"]["kind"][:count]


def test_every_posting_is_in_the_hash_and_so_are_its_accounts_and_its_amount():
    found = set()
    with np.errstate(over="ignore"):
        for balance, contra, amount in ((0, 0, 1.0), (1, 0, 1.0), (0, 1, 1.0), (0, 0, 2.0)):
            books = new_books()
            before = int(books[0]["hash"])
            post(books, balance, contra, amount)
            assert int(books[0]["hash"]) != before
            found.add(int(books[0]["hash"]))
    assert len(found) == 4


@pytest.mark.parametrize("amount", [math.nan, math.inf])
def test_what_is_no_number_does_not_move(amount):
    with pytest.raises(AssertionError, match="a number"):
        post(new_books(), 0, 0, amount)


def test_a_holding_has_every_field_of_a_position_and_does_not_begin_with_them():
    names = [name for name, _ in POSITION_FIELDS]
    assert set(names) < set(HOLDING.names)
    assert list(HOLDING.names[: len(names)]) != names, "numba would take it for a position, and warn"


def test_a_run_makes_postings():
    run = Run.of(strategy([spot()]), feed(flat(2))).to_end()
    assert int(books_of(run)[0]["hash"]) != 0
