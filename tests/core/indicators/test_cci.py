import pytest
import talib
from tests.core.indicators.reference import assert_equal_to_talib, bars_of, in_every_market

from tightloop.core.indicators import series


@in_every_market
@pytest.mark.parametrize("period", [2, 3, 20, 200])
def test_the_value_is_that_of_talib(market, period):
    bars = bars_of(market)
    expected = talib.CCI(bars["high"], bars["low"], bars["close"], period)
    assert_equal_to_talib("CCI", bars, [expected], period=period)


def test_in_a_flat_market_the_value_is_zero_as_in_talib():
    assert (series("CCI", bars_of("flat"), period=20)[19:, 0] == 0.0).all()
