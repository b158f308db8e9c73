"""Positions, margins, books and rounding against the same things computed in fractions."""

import math
from fractions import Fraction

import numba
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from examples import examples
from tightloop.core import limits, rounding
from tightloop.core.compiled import as_rows
from tightloop.core.domain.enums import ACCOUNT_KINDS, AccountKind
from tightloop.core.domain.position import POSITION
from tightloop.core.domain.types import INSTRUMENT
from tightloop.core.state import new_state
from tightloop.core.trading import ledger, margin, positions

OPTIONS = {"error_model": "numpy"}


@numba.njit(**OPTIONS)
def increase(rows, signed_qty, price):
    positions.increase(rows[0], signed_qty, price)


@numba.njit(**OPTIONS)
def reduce(rows, qty, price, multiplier):
    return positions.reduce(rows[0], qty, price, multiplier)


@numba.njit(**OPTIONS)
def unrealized(rows, mark, multiplier):
    return positions.unrealized_pnl(rows[0], mark, multiplier)


@numba.njit(**OPTIONS)
def begin(rows):
    positions.begin_trade(rows[0], 1, 2, 3)


@numba.njit(**OPTIONS)
def maintenance(rows, notional):
    return margin.maintenance(rows[0], notional)


@numba.njit(**OPTIONS)
def liquidation_price(rows, qty, entry_price, own_margin):
    return margin.liquidation_price(rows[0], qty, entry_price, own_margin)


@numba.njit(**OPTIONS)
def leverage_allowed(rows, notional):
    return margin.leverage_allowed(rows[0], notional)


@numba.njit(**OPTIONS)
def funding_amount(qty, mark, multiplier, rate):
    return margin.funding_amount(qty, mark, multiplier, rate)


@numba.njit(**OPTIONS)
def post(states, debit, credit, amount):
    ledger.post(states[0], ledger.account(0, debit), ledger.account(0, credit), amount)


@numba.njit(**OPTIONS)
def account(asset, kind):
    return ledger.account(asset, kind)


@numba.njit(**OPTIONS)
def qty_floor(qty, lot):
    return rounding.qty_floor(qty, lot)


@numba.njit(**OPTIONS)
def price_passive(price, increment, side):
    return rounding.price_passive(price, increment, side)


@numba.njit(**OPTIONS)
def price_late(price, increment, side):
    return rounding.price_late(price, increment, side)


def instrument(tiers=((math.inf, 0.005, 200.0),), multiplier=1.0, is_margined=1):
    rows = np.zeros(1, INSTRUMENT)
    rows["multiplier"], rows["is_margined"], rows["tier_count"] = multiplier, is_margined, len(tiers)
    for k, tier in enumerate(tiers):
        rows["tiers"][0, k] = tier
    return as_rows(rows)


# Positions -----------------------------------------------------------------------------------------------------------


class Plain:
    """A position in fractions: quantity, average entry, and what was realised."""

    def __init__(self):
        self.qty, self.entry, self.realized = Fraction(0), Fraction(0), Fraction(0)

    def fill(self, signed, price):
        if self.qty * signed >= 0:
            self.entry = (self.entry * abs(self.qty) + price * abs(signed)) / (abs(self.qty) + abs(signed))
            self.qty += signed
            return
        closing = min(abs(signed), abs(self.qty))
        sign = 1 if self.qty > 0 else -1
        self.realized += sign * (price - self.entry) * closing
        self.qty -= sign * closing
        left = abs(signed) - closing
        if left:
            self.qty, self.entry = left * (1 if signed > 0 else -1), price


def filled(rows, signed, price, multiplier):
    """What a fill does, by the leaf functions, as the step uses them: reduce, then begin a trade and increase."""
    held, realized = float(rows[0]["qty"]), 0.0
    reducing = min(abs(signed), abs(held)) if held * signed < 0 else 0.0
    if reducing:
        realized = reduce(rows, reducing, price, multiplier)
    left = abs(signed) - reducing
    if left:
        if rows[0]["qty"] == 0.0:
            begin(rows)
        increase(rows, math.copysign(left, signed), price)
    return realized


EIGHTHS = st.integers(1, 400).map(lambda n: n / 8)
PRICES = st.integers(1, 100_000).map(lambda n: n / 16)


@settings(max_examples=examples(150), deadline=None)
@given(
    st.lists(st.tuples(EIGHTHS, st.sampled_from([-1.0, 1.0]), PRICES), min_size=1, max_size=30),
    st.sampled_from([1.0, 0.5, 8.0]),
    PRICES,
)
def test_a_position_is_its_fills_whatever_they_are(fills, multiplier, mark):
    """Open, add, reduce, flip, long and short: quantity exactly, money to the last bits."""
    rows, plain, realized = as_rows(np.zeros(1, POSITION)), Plain(), 0.0
    for qty, side, price in fills:
        realized += filled(rows, side * qty, price, multiplier)
        plain.fill(Fraction(side * qty), Fraction(price))
        assert Fraction(float(rows[0]["qty"])) == plain.qty
        scale = 1e-9 * sum(q * p for q, _, p in fills) * multiplier
        assert abs(realized - float(plain.realized * Fraction(multiplier))) <= scale
        expected = (Fraction(mark) - plain.entry) * plain.qty * Fraction(multiplier)
        assert abs(unrealized(rows, mark, multiplier) - float(expected)) <= scale
        if plain.qty:
            assert float(rows[0]["entry_price"]) == pytest.approx(float(plain.entry), rel=1e-12)
        else:
            assert unrealized(rows, mark, multiplier) == 0.0


@settings(max_examples=examples(100), deadline=None)
@given(st.floats(1e-9, 1e9), st.integers(1, 40), st.floats(0.01, 1e6))
def test_a_position_closed_in_parts_is_flat(qty, parts, price):
    """Parts that do not add up in binary leave no dust behind."""
    rows = as_rows(np.zeros(1, POSITION))
    begin(rows)
    increase(rows, qty, price)
    for _ in range(parts - 1):
        reduce(rows, qty / parts, price, 1.0)
    reduce(rows, abs(float(rows[0]["qty"])), price, 1.0)
    assert rows[0]["qty"] == 0.0


def test_a_reduction_larger_than_the_position_is_a_bug():
    rows = as_rows(np.zeros(1, POSITION))
    begin(rows)
    increase(rows, 2.0, 10.0)
    with pytest.raises(AssertionError, match="not larger than the position"):
        reduce(rows, 2.1, 10.0, 1.0)
    with pytest.raises(AssertionError, match="side of the position"):
        increase(rows, -1.0, 10.0)


def test_a_short_gains_what_the_fixture_says():
    rows = as_rows(np.zeros(1, POSITION))
    begin(rows)
    increase(rows, -368.324, 1.086)
    assert reduce(rows, 368.324, 1.045, 1.0) == pytest.approx(15.10, abs=0.005)


# Margin --------------------------------------------------------------------------------------------------------------


def test_liquidation_prices_are_those_of_the_fixtures():
    """100 at 5 times, maintenance 0.5 %: long 80.402, short 119.403, not 80 and 120."""
    assert liquidation_price(instrument(), 1.0, 100.0, 20.0) == pytest.approx(80.402, abs=5e-4)
    assert liquidation_price(instrument(), -1.0, 100.0, 20.0) == pytest.approx(119.403, abs=5e-4)


def test_spot_and_flat_positions_and_unlevered_longs_have_no_liquidation_price():
    assert math.isnan(liquidation_price(instrument(is_margined=0), 1.0, 100.0, 20.0))
    assert math.isnan(liquidation_price(instrument(), 0.0, 100.0, 20.0))
    assert math.isnan(liquidation_price(instrument(), 1.0, 100.0, 100.0))


@st.composite
def tiers(draw):
    """Ascending tiers: larger notionals, higher maintenance, lower leverage."""
    count = draw(st.integers(1, limits.TIERS_MAX))
    bounds = sorted(draw(st.sets(st.integers(1, 5_000), min_size=count, max_size=count)))
    rates = sorted(draw(st.sets(st.integers(1, 400), min_size=count, max_size=count)))
    found = [
        (float(bound * 100), rate / 1_000.0, 200.0 / (k + 1))
        for k, (bound, rate) in enumerate(zip(bounds, rates, strict=True))
    ]
    return (*found[:-1], (math.inf, *found[-1][1:]))


def maintenance_plainly(own, notional):
    """Each slice of the notional at the rate of its tier."""
    total, lower = Fraction(0), Fraction(0)
    for bound, rate, _ in own:
        upper = notional if math.isinf(bound) else min(notional, Fraction(bound))
        if upper > lower:
            total += (upper - lower) * Fraction(rate)
            lower = upper
    return total


@settings(max_examples=examples(200), deadline=None)
@given(tiers(), st.integers(0, 10**6))
def test_maintenance_is_the_sum_over_slices(own, notional):
    expected = float(maintenance_plainly(own, Fraction(notional)))
    assert maintenance(instrument(own), float(notional)) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@settings(max_examples=examples(300), deadline=None)
@given(
    tiers(),
    st.sampled_from([-1.0, 1.0]),
    st.floats(0.01, 5_000.0),
    st.floats(0.5, 500.0),
    st.floats(0.003, 1.2),
    st.sampled_from([1.0, 0.1]),
)
def test_the_liquidation_price_is_where_the_margin_meets_the_maintenance(own, side, qty, entry, share, multiplier):
    """Against a search by halving on the exact function, in every tier."""
    held = share * qty * entry * multiplier
    found = liquidation_price(instrument(own, multiplier), side * qty, entry, held)

    def surplus(price):
        size = Fraction(qty) * Fraction(multiplier)
        pnl = (Fraction(price) - Fraction(entry)) * size * int(side)
        return Fraction(held) + pnl - maintenance_plainly(own, size * Fraction(price))

    low, high = (0.0, entry * 4 + 1) if side > 0 else (0.0, (entry + held / (qty * multiplier)) * 2 + 1)
    if (surplus(low) > 0) == (surplus(high) > 0):
        assert math.isnan(found), "no price liquidates this position"
        return
    for _ in range(100):
        middle = (low + high) / 2
        if (surplus(middle) > 0) == (surplus(high) > 0):
            high = middle
        else:
            low = middle
    assume(low > 1e-9 * entry)
    assert found == pytest.approx(low, rel=1e-7)


def test_a_liquidation_price_on_the_bound_of_two_tiers_is_found():
    """Every position whose solution lies on a bound, as near as floats say it."""
    own = ((1_000.0, 0.005, 100.0), (3_000.0, 0.01, 50.0), (math.inf, 0.025, 20.0))
    for bound in (1_000.0, 3_000.0):
        for k in range(1, 400):
            qty, price = k / 7.0, bound * 7.0 / k
            entry = price * 1.1
            held = (entry - price) * qty + float(maintenance_plainly(own, Fraction(bound)))
            assert liquidation_price(instrument(own), qty, entry, held) == pytest.approx(price, rel=1e-9)


@settings(max_examples=examples(100), deadline=None)
@given(tiers(), st.floats(0.0, 1e6))
def test_the_leverage_allowed_is_that_of_the_tier_the_notional_falls_into(own, notional):
    expected = next(leverage for bound, _, leverage in own if notional <= bound)
    assert leverage_allowed(instrument(own), notional) == expected


def test_a_notional_that_is_a_bound_but_for_a_float_belongs_to_the_tier_below_it():
    own = ((800.0, 0.004, 50.0), (20_000.0, 0.025, 20.0), (math.inf, 0.05, 8.0))
    assert leverage_allowed(instrument(own), 20_000.000000000004) == 20.0
    assert leverage_allowed(instrument(own), 20_000.001) == 8.0


@given(st.floats(-1e6, 1e6), st.floats(0.001, 1e6), st.floats(-0.01, 0.01))
def test_longs_pay_a_positive_rate_and_shorts_receive_it(qty, mark, rate):
    amount = funding_amount(qty, mark, 1.0, rate)
    assert amount == -funding_amount(-qty, mark, 1.0, rate)
    assert amount <= 0.0 or qty * rate < 0.0


# Books ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(st.permutations(list(AccountKind)), st.floats(-1e9, 1e9)), max_size=40))
def test_what_enters_one_account_leaves_another(postings):
    states = as_rows(new_state())
    expected = dict.fromkeys(AccountKind, Fraction(0))
    for (debit, credit, *_), amount in postings:
        before = int(states[0]["hash"])
        post(states, int(debit), int(credit), amount)
        assert int(states[0]["hash"]) != before, "every posting is in the rolling hash"
        expected[debit] += Fraction(amount)
        expected[credit] -= Fraction(amount)
    scale = 1e-9 * (1.0 + sum(abs(amount) for _, amount in postings))
    for kind in AccountKind:
        assert abs(float(states[0]["balances"][int(kind)]) - float(expected[kind])) <= scale
    assert sum(expected.values()) == 0


def test_money_that_is_no_number_or_goes_nowhere_is_a_bug():
    states = as_rows(new_state())
    for amount in (math.nan, math.inf):
        with pytest.raises(AssertionError, match="is a number"):
            post(states, 0, 1, amount)
    with pytest.raises(AssertionError, match="between two accounts"):
        post(states, 1, 1, 5.0)
    with pytest.raises(AssertionError, match="ACCOUNTS_MAX"):
        account(limits.ACCOUNTS_MAX // ACCOUNT_KINDS, 0)


# Rounding ------------------------------------------------------------------------------------------------------------

INCREMENTS = st.sampled_from([1.0, 0.5, 0.1, 0.05, 0.01, 0.001, 1e-5, 1e-8, 0.25, 100.0, 3.0])
AMOUNTS = st.one_of(st.floats(0.0, 1e6), st.floats(1e6, 1e12), st.floats(0.0, 1e-3))
ROUNDINGS = {
    "qty_floor": (qty_floor, -1), "passive buy": (lambda x, i: price_passive(x, i, 1), -1),
    "passive sell": (lambda x, i: price_passive(x, i, -1), 1), "late buy": (lambda x, i: price_late(x, i, 1), 1),
    "late sell": (lambda x, i: price_late(x, i, -1), -1),
}  # fmt: skip


@pytest.mark.parametrize("name", ROUNDINGS)
@settings(max_examples=examples(300), deadline=None)
@given(AMOUNTS, INCREMENTS)
def test_rounding_goes_to_its_side_by_less_than_an_increment_and_lands_on_the_grid(name, value, increment):
    round_, side = ROUNDINGS[name]
    found, exact, step = Fraction(round_(value, increment)), Fraction(value), Fraction(increment)
    steps = exact / step
    slack = step * max(Fraction(2, 10**9), steps * Fraction(16, 2**53))
    assert (found - exact) * side >= -slack, "to the side in its name"
    assert abs(found - exact) <= step + slack, "by no more than an increment"
    nearest = round(found / step) if value < increment * 2.0**49 else found / step
    assert abs(found - nearest * step) <= abs(found) * Fraction(1, 2**52), "a multiple of the increment"


@pytest.mark.parametrize("name", ROUNDINGS)
@settings(max_examples=examples(300), deadline=None)
@given(AMOUNTS, INCREMENTS)
def test_rounding_twice_is_rounding_once(name, value, increment):
    round_, _ = ROUNDINGS[name]
    once = round_(value, increment)
    assert round_(once, increment) == once


@pytest.mark.parametrize("name", ROUNDINGS)
@settings(max_examples=examples(300), deadline=None)
@given(st.integers(0, 10**14), INCREMENTS)
def test_a_multiple_of_the_increment_is_left_alone(name, count, increment):
    round_, _ = ROUNDINGS[name]
    for written in (count * increment, float(Fraction(str(increment)) * count)):
        assert round_(written, increment) == pytest.approx(written, rel=2**-50, abs=0.0)


@pytest.mark.parametrize("name", ROUNDINGS)
@given(AMOUNTS)
def test_an_increment_of_zero_rounds_nothing(name, value):
    assert ROUNDINGS[name][0](value, 0.0) == value


def test_three_tenths_are_three_tenths():
    assert qty_floor(0.3, 0.1) == pytest.approx(0.3)
    assert qty_floor(0.2999, 0.1) == pytest.approx(0.2)
    assert qty_floor(1e24, 1e-8) == pytest.approx(1e24)
