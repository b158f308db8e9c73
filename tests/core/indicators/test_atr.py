import pytest
import talib
from tests.core.indicators.reference import assert_equal_to_talib, bars_of, in_every_market


@in_every_market
@pytest.mark.parametrize("period", [1, 2, 14, 200, 1000])
def test_the_value_is_that_of_talib(market, period):
    bars = bars_of(market)
    expected = talib.ATR(bars["high"], bars["low"], bars["close"], period)
    assert_equal_to_talib("ATR", bars, [expected], period=period)
