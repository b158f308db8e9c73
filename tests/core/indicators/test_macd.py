import numpy as np
import pytest
import talib
from tests.core.indicators.reference import assert_equal_to_talib, bars_of, in_every_market

from tightloop.core.indicators import series


@in_every_market
@pytest.mark.parametrize(("fast", "slow", "signal"), [(12, 26, 9), (2, 3, 1), (5, 100, 20), (3, 3, 2), (50, 400, 1)])
def test_all_three_outputs_are_those_of_talib(market, fast, slow, signal):
    bars = bars_of(market)
    expected = talib.MACD(bars["close"], fast, slow, signal)
    size = np.maximum.accumulate(bars["close"])  # of the averages, whose difference it is
    assert_equal_to_talib("MACD", bars, expected, unit=size, fast=fast, slow=slow, signal=signal)


def test_the_shorter_average_is_the_fast_one_whatever_its_name_as_in_talib():
    bars = bars_of("walk")
    swapped, straight = series("MACD", bars, fast=26, slow=12), series("MACD", bars, fast=12, slow=26)
    np.testing.assert_array_equal(swapped, straight)
    assert_equal_to_talib("MACD", bars, talib.MACD(bars["close"], 26, 12, 9), unit=100.0, fast=26, slow=12, signal=9)
