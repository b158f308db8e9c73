import numpy as np
import pytest
import talib
from tests.core.indicators.reference import assert_equal_to_talib, bars_of, in_every_market, walk

from tightloop.core.indicators import series


@in_every_market
@pytest.mark.parametrize("period", [2, 3, 14, 200])
def test_all_three_outputs_are_those_of_talib(market, period):
    bars = bars_of(market)
    prices = bars["high"], bars["low"], bars["close"]
    expected = [function(*prices, period) for function in (talib.ADX, talib.PLUS_DI, talib.MINUS_DI)]
    assert_equal_to_talib("ADX", bars, expected, period=period)


def test_the_directions_are_known_before_their_average():
    values = series("ADX", walk(), period=14)
    first = [int(np.flatnonzero(~np.isnan(values[:, place]))[0]) + 1 for place in range(3)]
    assert first == [28, 15, 15]
