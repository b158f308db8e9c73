import numpy as np
import pytest
import talib
from tests.core.indicators.reference import assert_close, assert_equal_to_talib, bars_of, in_every_market

from tightloop.core.indicators import series


@in_every_market
@pytest.mark.parametrize(("period", "deviations"), [(20, 2.0), (2, 1.0), (5, 2.5), (200, 3.0)])
def test_the_bands_are_those_of_talib(market, period, deviations):
    bars = bars_of(market)
    expected = talib.BBANDS(bars["close"], period, deviations, deviations)
    size = np.maximum.accumulate(bars["close"])  # the lower band can be a small difference
    assert_equal_to_talib("BOLLINGER", bars, expected, unit=size, period=period, deviations=deviations)


@in_every_market
def test_bandwidth_and_percent_b_are_fractions_of_the_band(market):
    bars = bars_of(market)
    upper, middle, lower, bandwidth, percent_b = series("BOLLINGER", bars, period=20, deviations=2.0).T
    width = upper - lower
    assert_close(bandwidth, width / middle)
    expected = np.full(len(bars), np.nan)
    np.divide(bars["close"] - lower, width, out=expected, where=width > 0.0)
    assert_close(percent_b, expected)


def test_in_a_flat_market_the_band_has_no_width_and_the_place_in_it_is_unknown():
    values = series("BOLLINGER", bars_of("flat"), period=20)[19:]
    assert (values[:, 3] == 0.0).all()
    assert np.isnan(values[:, 4]).all()
