import numpy as np
import pytest
from tests.core.indicators.reference import assert_close, bars_of, in_every_made_market

from tightloop.core.indicators import load, series


def middle(bars, period):
    """Each window on its own."""
    out = np.full(len(bars), np.nan)
    windows = np.lib.stride_tricks.sliding_window_view
    highs, lows = windows(bars["high"], period).max(axis=1), windows(bars["low"], period).min(axis=1)
    out[period - 1 :] = (highs + lows) / 2.0
    return out


def later(values, bars):
    return np.concatenate([np.full(bars, np.nan), values[:-bars]])


@in_every_made_market
@pytest.mark.parametrize(("tenkan", "kijun", "senkou"), [(9, 26, 52), (1, 1, 1), (20, 5, 7), (3, 100, 10)])
def test_the_outputs_are_those_of_each_window_on_its_own(market, tenkan, kijun, senkou):
    bars = bars_of(market)
    values = series("ICHIMOKU", bars, tenkan=tenkan, kijun=kijun, senkou=senkou)
    fast, base = middle(bars, tenkan), middle(bars, kijun)
    span_a, span_b = later((fast + base) / 2.0, kijun), later(middle(bars, senkou), kijun)
    for place, expected in enumerate((fast, base, span_a, span_b, bars["close"])):
        assert_close(values[:, place], expected, what=load("ICHIMOKU").outputs[place])


def test_the_cloud_at_a_bar_was_computed_kijun_bars_before():
    bars = bars_of("walk")
    changed = bars.copy()
    for name in ("open", "high", "low", "close"):
        changed[name][600:] *= 2.0
    before, after = series("ICHIMOKU", bars), series("ICHIMOKU", changed)
    differs = (before != after) & ~np.isnan(before)
    first = [int(np.flatnonzero(differs[:, place])[0]) for place in range(5)]
    assert first == [600, 600, 626, 626, 600]
