import numpy as np
import pytest
import talib
from tests.core.indicators.reference import around, assert_close, assert_equal_to_talib, bars_of, in_every_market

from tightloop.core.indicators import series


def a_bar_later(values):
    return np.concatenate([[np.nan], values[:-1]])


@in_every_market
@pytest.mark.parametrize("period", [2, 3, 20, 200, 1000])
def test_the_bands_are_talibs_extremes_of_the_bars_before_this_one(market, period):
    bars = bars_of(market)
    upper, lower = a_bar_later(talib.MAX(bars["high"], period)), a_bar_later(talib.MIN(bars["low"], period))
    assert_equal_to_talib("DONCHIAN", bars, [upper, lower, (upper + lower) / 2.0], period=period)


@pytest.mark.parametrize("period", [1, 2, 7])
def test_the_bands_are_the_extremes_of_each_window_on_its_own(period):
    bars = bars_of("on a grid")
    windows = np.lib.stride_tricks.sliding_window_view
    unknown = np.full(period, np.nan)
    upper = np.concatenate([unknown, windows(bars["high"], period).max(axis=1)[:-1]])
    lower = np.concatenate([unknown, windows(bars["low"], period).min(axis=1)[:-1]])
    actual = series("DONCHIAN", bars, period=period)
    for place, expected in enumerate((upper, lower, (upper + lower) / 2.0)):
        assert_close(actual[:, place], expected)


def test_a_bar_can_break_out_of_the_band_because_it_is_no_part_of_it():
    bars = around(np.linspace(100.0, 200.0, 300), 1, wick=0.0)
    upper = series("DONCHIAN", bars, period=20)[20:, 0]
    assert (bars["high"][20:] > upper).all()
