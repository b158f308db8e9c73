import numpy as np
import pytest
import talib
from tests.core.indicators.reference import assert_close, assert_equal_to_talib, bars_of, in_every_market, walk

from tightloop.core.indicators import series


@in_every_market
@pytest.mark.parametrize("period", [2, 3, 20, 200, 1000])
def test_the_value_is_that_of_talib(market, period):
    bars = bars_of(market)
    assert_equal_to_talib("STDDEV", bars, [talib.STDDEV(bars["close"], period)], period=period)


@in_every_market
@pytest.mark.parametrize("period", [2, 20])
def test_the_value_is_that_of_talib_through_bursts_and_holes_of_volume(market, period):
    bars = bars_of(market)
    assert_equal_to_talib("STDDEV", bars, [talib.STDDEV(bars["volume"], period)], period=period, source="volume")


def test_among_equal_values_the_deviation_is_exactly_zero():
    assert (series("STDDEV", bars_of("flat"), period=20)[19:, 0] == 0.0).all()


def test_after_a_million_bars_the_value_is_still_that_of_a_fresh_window():
    bars = walk(count=1_000_000)
    window = np.lib.stride_tricks.sliding_window_view(bars["close"], 20)[-100_000:]
    assert_close(series("STDDEV", bars, period=20)[-100_000:, 0], window.std(axis=1))
