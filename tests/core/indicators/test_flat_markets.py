"""A market in which nothing moves: TA-Lib's number, or unknown for who asks for that."""

import numpy as np
import pytest
from tests.core.indicators.reference import make_bars

from tightloop.core.indicators import series

KINDS = {"RSI": {"period": 3}, "WILLIAMS_R": {"period": 3}, "STOCHASTIC": {"k_period": 3, "k_smooth": 2, "d_period": 2}}


def bars_at(*closes):
    values = np.array(closes, np.float64)
    return make_bars(values, values.copy(), values.copy(), values.copy(), np.ones(len(values)))


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_market_that_never_moved_has_the_value_zero_or_is_unknown(kind):
    bars = bars_at(*[7.0] * 12)
    assert (series(kind, bars, **KINDS[kind])[6:] == 0.0).all()
    assert np.isnan(series(kind, bars, **KINDS[kind], flat="unknown")).all()


@pytest.mark.parametrize("kind", list(KINDS))
def test_where_something_moves_both_are_the_same(kind):
    bars = bars_at(*np.tile([5.0, 6.0, 4.0, 7.0], 5))
    zero, unknown = series(kind, bars, **KINDS[kind]), series(kind, bars, **KINDS[kind], flat="unknown")
    np.testing.assert_array_equal(zero, unknown)


def test_rsi_is_known_from_the_first_move_on():
    found = series("RSI", bars_at(7.0, 7.0, 7.0, 7.0, 7.0, 8.0, 8.0), period=3, flat="unknown")[:, 0]
    assert np.isnan(found[:5]).all()
    assert list(found[5:]) == [100.0, 100.0]


def test_a_range_without_width_is_unknown_and_known_again_when_it_has_left_what_is_smoothed():
    bars = bars_at(1.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0, 6.0, 7.0)
    found = series("WILLIAMS_R", bars, period=3, flat="unknown")[:, 0]
    assert list(np.flatnonzero(np.isnan(found))) == [0, 1, 4]
    k = series("STOCHASTIC", bars, **KINDS["STOCHASTIC"], flat="unknown")[:, 0]
    # The range of bar 4 has no width; k smooths two ranges and d two values of k: three ranges in all.
    assert list(np.flatnonzero(np.isnan(k))) == [0, 1, 2, 3, 4, 5, 6]
