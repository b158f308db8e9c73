import talib
from tests.core.indicators.reference import assert_equal_to_talib, bars_of, in_every_market


@in_every_market
def test_the_value_is_that_of_talib(market):
    bars = bars_of(market)
    assert_equal_to_talib("TYPICAL_PRICE", bars, [talib.TYPPRICE(bars["high"], bars["low"], bars["close"])])
