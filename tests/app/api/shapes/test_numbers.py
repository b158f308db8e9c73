"""Numbers as texts."""

import math
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tightloop.app.api.shapes.numbers import decimal_text, ns_text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_decimal_reads_back_to_the_same_number_and_has_no_exponent(value):
    text = decimal_text(value)
    assert float(text) == value
    assert set(text) <= set("-0123456789.")
    assert text == "0" or Decimal(text) != 0


@given(st.integers(-(2**63), 2**63 - 1))
def test_nanoseconds_are_whole(value):
    assert int(ns_text(value)) == value


def test_what_is_not_known_is_none():
    assert decimal_text(None) is decimal_text(math.nan) is decimal_text(math.inf) is ns_text(None) is None
    assert [decimal_text(value) for value in (0.0, -0.0, 1.0, 1e22, 1e-7, -0.5)] == [
        "0", "0", "1", "10000000000000000000000", "0.0000001", "-0.5"
    ]  # fmt: skip
