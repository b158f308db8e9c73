import numpy as np
import pytest
import talib
from tests.core.indicators.reference import assert_close, assert_equal_to_talib, bars_of, in_every_market, walk

from tightloop.core.indicators import series


@in_every_market
@pytest.mark.parametrize("period", [1, 2, 3, 20, 200, 1000])
def test_the_value_is_that_of_talib(market, period):
    bars = bars_of(market)
    assert_equal_to_talib("WMA", bars, [talib.WMA(bars["close"], period)], period=period)


@in_every_market
def test_of_volume_with_bursts_the_value_is_that_of_each_window_on_its_own(market):
    bars = bars_of(market)
    weights = np.arange(1.0, 21.0)
    expected = np.full(len(bars), np.nan)
    expected[19:] = np.lib.stride_tricks.sliding_window_view(bars["volume"], 20) @ weights / weights.sum()
    assert_close(series("WMA", bars, period=20, source="volume")[:, 0], expected)


def test_after_a_million_bars_the_value_is_still_that_of_a_fresh_sum():
    bars = walk(count=1_000_000)
    window = np.lib.stride_tricks.sliding_window_view(bars["close"], 20)[-100_000:]
    weights = np.arange(1.0, 21.0)
    assert_close(series("WMA", bars, period=20)[-100_000:, 0], window @ weights / weights.sum())
