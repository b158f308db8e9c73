import math

import numpy as np
import pytest
import talib
from tests.core.indicators.reference import assert_close, bars_of, in_every_made_market, in_every_market

from tightloop.core.indicators import series


def zscores(values, period):
    """Each window on its own, with exact sums."""
    out = np.full(len(values), np.nan)
    for end in range(period, len(values) + 1):
        window = values[end - period : end]
        if window.min() == window.max():
            continue
        distances = window - window[-1]
        mean = math.fsum(distances) / period
        out[end - 1] = -mean / math.sqrt(math.fsum((distances - mean) ** 2) / period)
    return out


@pytest.mark.parametrize("period", [2, 3, 20, 200])
@pytest.mark.parametrize("source", ["close", "volume"])
@in_every_made_market
def test_the_value_is_that_of_a_fresh_window(market, source, period):
    bars = bars_of(market)
    actual = series("ZSCORE", bars, period=period, source=source)[:, 0]
    assert_close(actual, zscores(bars[source], period), unit=1e4)


@in_every_market
def test_the_value_is_the_distance_from_talibs_mean_in_talibs_deviations(market):
    bars = bars_of(market)
    mean, deviation = talib.SMA(bars["close"], 20), talib.STDDEV(bars["close"], 20)
    known = deviation > 0.0
    expected = np.full(len(bars), np.nan)
    expected[known] = (bars["close"][known] - mean[known]) / deviation[known]
    unit = np.zeros(len(bars))
    unit[known] = np.nanmax(bars["close"]) / deviation[known]  # rounding of the mean, in deviations
    assert_close(series("ZSCORE", bars, period=20)[:, 0], expected, unit)


def test_among_equal_values_the_value_is_unknown():
    assert np.isnan(series("ZSCORE", bars_of("flat"), period=20)).all()
