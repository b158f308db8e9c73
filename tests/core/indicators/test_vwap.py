import math

import numpy as np
import pytest
import talib
from tests.core.indicators.reference import assert_close, bars_of, in_every_made_market, in_every_market, walk

from tightloop.core.indicators import series

DAY_NS = 86_400_000_000_000


def typical(bars):
    return (bars["high"] + bars["low"] + bars["close"]) / 3.0


def weighted(prices, volumes):
    return math.fsum(prices * volumes) / math.fsum(volumes) if volumes.any() else math.nan


@in_every_made_market
@pytest.mark.parametrize("period", [1, 2, 20, 200])
def test_the_value_is_that_of_each_window_on_its_own(market, period):
    bars = bars_of(market)
    prices, volumes = typical(bars), bars["volume"]
    expected = np.full(len(bars), np.nan)
    for end in range(period, len(bars) + 1):
        expected[end - 1] = weighted(prices[end - period : end], volumes[end - period : end])
    assert_close(series("VWAP", bars, period=period)[:, 0], expected)


@in_every_market
def test_with_anchor_day_the_value_is_talibs_over_the_bars_of_each_day(market):
    bars = bars_of(market)
    actual = series("VWAP", bars, anchor="day")[:, 0]
    starts = np.flatnonzero(np.diff(bars["open_ns"] // DAY_NS, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(bars)], strict=True):
        day = bars[start:end]
        expected = talib.VWAP(day["high"], day["low"], day["close"], day["volume"])
        expected[np.cumsum(day["volume"]) == 0.0] = np.nan  # TA-Lib says 0 before anything has been traded
        assert_close(actual[start:end], expected, what=f"day from bar {start}")


@in_every_market
def test_over_a_window_the_value_is_talibs_volume_weighted_mean_of_the_typical_price(market):
    bars = bars_of(market)
    volumes = np.clip(bars["volume"], 1.0, 1e6)  # TA-Lib's sums keep the rounding of a burst
    bars = bars.copy()
    bars["volume"] = volumes
    assert_close(series("VWAP", bars, period=20)[:, 0], talib.VWMA(typical(bars), volumes, 20))


def test_a_window_or_a_day_without_volume_has_no_value():
    bars = walk(count=96)
    bars["volume"][24:72] = 0.0
    rolling, daily = series("VWAP", bars, period=5)[:, 0], series("VWAP", bars, anchor="day")[:, 0]
    assert list(np.flatnonzero(np.isnan(rolling))) == [*range(4), *range(28, 72)]
    assert list(np.flatnonzero(np.isnan(daily))) == list(range(24, 72))


def test_after_a_million_bars_with_bursts_the_value_is_still_that_of_a_fresh_window():
    bars = walk(count=1_000_000)
    bars["volume"][::1_000] = 1e12
    actual = series("VWAP", bars, period=20)[:, 0]
    prices, volumes = typical(bars), bars["volume"]
    for end in range(len(bars) - 50_000, len(bars), 97):
        expected = weighted(prices[end - 20 : end], volumes[end - 20 : end])
        assert actual[end - 1] == pytest.approx(expected, rel=1e-9)
