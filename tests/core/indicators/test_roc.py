import numpy as np
import pytest
import talib
from tests.core.indicators.reference import assert_equal_to_talib, bars_of, in_every_market

from tightloop.core.indicators import series


@in_every_market
@pytest.mark.parametrize("period", [1, 2, 10, 200, 1000])
def test_the_value_is_that_of_talib(market, period):
    bars = bars_of(market)
    assert_equal_to_talib("ROC", bars, [talib.ROC(bars["close"], period)], period=period)


def test_against_a_zero_the_change_is_zero_as_in_talib():
    bars = bars_of("bursts and holes of volume")
    assert_equal_to_talib("ROC", bars, [talib.ROC(bars["volume"], 5)], period=5, source="volume")
    values = series("ROC", bars, period=5, source="volume")[5:, 0]
    assert (values[bars["volume"][:-5] == 0.0] == 0.0).all()
    assert np.isfinite(values).all()
