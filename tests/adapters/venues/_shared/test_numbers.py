"""Decimal strings in and out: what was meant is what is written, and nothing is written in exponent form."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightloop.adapters.venues._shared.numbers import flag, ns, number, optional, positive, string, whole, written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-8, "0.00000001"), (1e15, "1000000000000000"), (0.1 + 0.2, "0.3"), (3 * 0.1, "0.3"), (0.0, "0"), (-0.0, "0"),
        (64123.45, "64123.45"), (-2.5, "-2.5"), (100.0, "100"), (1e22, "10000000000000000000000"),
        (Decimal("0.123456789012345678901234567891"), "0.123456789012345678901234567891"),
        (Decimal("1E-30"), "0." + "0" * 29 + "1"),
        (Decimal(3**62), str(3**62)),
    ],
)  # fmt: skip
def test_numbers_are_written_in_full(value, text):
    assert written(value) == text


@given(count=st.integers(1, 10**15 - 1), digits=st.integers(0, 15))
def test_a_decimal_of_15_digits_survives_the_way_through_a_float(count, digits):
    meant = Decimal(count).scaleb(-digits)
    assert Decimal(written(float(meant))) == meant
    assert "e" not in written(float(meant)).lower()


@given(
    count=st.integers(1, 10**9), increment=st.sampled_from(["0.00000001", "0.0001", "0.05", "0.1", "0.25", "0.5", "5"])
)
def test_a_float_rounded_to_an_increment_is_written_exactly(count, increment):
    assert Decimal(written(count * float(increment))) == count * Decimal(increment)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**18), max_value=10**18))
def test_a_decimal_is_written_with_all_its_digits(value):
    assert Decimal(written(value)) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("Infinity")])
def test_what_is_not_finite_cannot_be_written(value):
    with pytest.raises(ValueError, match="finite"):
        written(value)


@pytest.mark.parametrize("value", ["nan", "inf", "", "abc", "1_0x", None, True, [], {}, "١٢", "1e999"])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match=r"."):
        number(value)


def test_nothing_is_nan_and_zero_stays_zero_but_for_prices():
    assert math.isnan(optional(None))
    assert math.isnan(optional(""))
    assert optional("0.00") == 0.0
    assert math.isnan(positive("0.00"))
    assert positive("0.10") == 0.1


@pytest.mark.parametrize("read", [whole, ns, flag, string])
@pytest.mark.parametrize("value", [None, [], {}, 1.5, 2**63])
def test_other_types_are_refused(read, value):
    with pytest.raises(ValueError, match=r"."):
        read(value)


def test_times_and_ids_are_read_from_numbers_and_digits():
    assert ns(1_700_000_000_123) == 1_700_000_000_123_000_000
    assert whole("42") == 42
    with pytest.raises(ValueError, match="range"):
        ns(2**62)
