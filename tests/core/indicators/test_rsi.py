import numpy as np
import pytest
import talib
from tests.core.indicators.reference import assert_equal_to_talib, bars_of, in_every_market

from tightloop.core.indicators import series


@in_every_market
@pytest.mark.parametrize("period", [2, 3, 14, 200, 1000])
def test_the_value_is_that_of_talib(market, period):
    bars = bars_of(market)
    assert_equal_to_talib("RSI", bars, [talib.RSI(bars["close"], period)], period=period)


@in_every_market
def test_the_value_is_that_of_talib_for_every_number_of_the_bar(market):
    bars = bars_of(market)
    for source in ("open", "high", "low", "volume"):
        assert_equal_to_talib("RSI", bars, [talib.RSI(bars[source], 14)], period=14, source=source)


def test_in_a_flat_market_the_value_is_zero_as_in_talib():
    values = series("RSI", bars_of("flat"), period=14)[:, 0]
    assert np.isnan(values[:14]).all()
    assert (values[14:] == 0.0).all()
