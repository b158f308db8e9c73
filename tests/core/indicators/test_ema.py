import pytest
import talib
from tests.core.indicators.reference import assert_equal_to_talib, bars_of, in_every_market


@in_every_market
@pytest.mark.parametrize("period", [1, 2, 3, 20, 200, 1000])
def test_the_value_is_that_of_talib(market, period):
    bars = bars_of(market)
    assert_equal_to_talib("EMA", bars, [talib.EMA(bars["close"], period)], period=period)


@in_every_market
@pytest.mark.parametrize("period", [1, 2, 20])
def test_the_value_is_that_of_talib_through_bursts_and_holes_of_volume(market, period):
    bars = bars_of(market)
    assert_equal_to_talib("EMA", bars, [talib.EMA(bars["volume"], period)], period=period, source="volume")
