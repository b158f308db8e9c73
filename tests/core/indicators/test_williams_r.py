import pytest
import talib
from tests.core.indicators.reference import assert_equal_to_talib, bars_of, in_every_market

from tightloop.core.indicators import series


@in_every_market
@pytest.mark.parametrize("period", [2, 3, 14, 200, 1000])
def test_the_value_is_that_of_talib(market, period):
    bars = bars_of(market)
    expected = talib.WILLR(bars["high"], bars["low"], bars["close"], period)
    assert_equal_to_talib("WILLIAMS_R", bars, [expected], period=period)


def test_in_a_flat_market_the_value_is_zero_as_in_talib():
    assert (series("WILLIAMS_R", bars_of("flat"), period=14)[13:, 0] == 0.0).all()
