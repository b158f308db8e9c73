import pytest
import talib
from tests.core.indicators.reference import assert_equal_to_talib, bars_of, in_every_market


@in_every_market
@pytest.mark.parametrize(("k", "smooth", "d"), [(14, 3, 3), (5, 3, 3), (1, 1, 1), (2, 1, 7), (200, 10, 5)])
def test_both_outputs_are_those_of_talib(market, k, smooth, d):
    bars = bars_of(market)
    prices = bars["high"], bars["low"], bars["close"]
    expected = talib.STOCH(*prices, fastk_period=k, slowk_period=smooth, slowk_matype=0, slowd_period=d, slowd_matype=0)
    assert_equal_to_talib("STOCHASTIC", bars, expected, k_period=k, k_smooth=smooth, d_period=d)
