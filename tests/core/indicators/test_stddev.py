import numpy as np
import pytest
import talib
from tests.core.indicators.reference import assert_close, assert_equal_to_talib, bars_of, in_every_market, walk

from tightloop.core.indicators import series


def fresh(values, period):
    """The deviation of each window on its own, from distances to its newest value."""
    expected = np.full(len(values), np.nan)
    if len(values) < period:
        return expected
    windows = np.lib.stride_tricks.sliding_window_view(values, period)
    expected[period - 1 :] = [(window - window[-1]).std() for window in windows]
    return expected


def talib_or_fresh(values, period):
    """TA-Lib's deviation; where its running sums kept the rounding of values that have left, that of the window."""
    own, expected = fresh(values, period), talib.STDDEV(values, period)
    known = ~np.isnan(own)
    off = np.zeros(len(values), bool)
    off[known] = np.abs(expected[known] - own[known]) > 1e-10 * own[known]
    assert off.mean() < 0.2, "TA-Lib is the judge but for a few bars"
    return np.where(off, own, expected)


@in_every_market
@pytest.mark.parametrize("period", [2, 3, 20, 200, 1000])
def test_the_value_is_that_of_talib(market, period):
    bars = bars_of(market)
    expected = talib_or_fresh(bars["close"], period)
    assert_equal_to_talib("STDDEV", bars, [expected], period=period)


@in_every_market
@pytest.mark.parametrize("period", [2, 20])
def test_the_value_is_that_of_talib_through_bursts_and_holes_of_volume(market, period):
    bars = bars_of(market)
    expected = talib_or_fresh(bars["volume"], period)
    assert_equal_to_talib("STDDEV", bars, [expected], period=period, source="volume")


def test_among_equal_values_the_deviation_is_exactly_zero():
    assert (series("STDDEV", bars_of("flat"), period=20)[19:, 0] == 0.0).all()


def test_after_a_million_bars_the_value_is_still_that_of_a_fresh_window():
    bars = walk(count=1_000_000)
    window = np.lib.stride_tricks.sliding_window_view(bars["close"], 20)[-100_000:]
    assert_close(series("STDDEV", bars, period=20)[-100_000:, 0], window.std(axis=1))
