import math

import numpy as np
import talib
from tests.core.indicators.reference import assert_equal_to_talib, bars_of, in_every_market, walk

from tightloop.core.indicators import series


@in_every_market
def test_the_value_is_that_of_talib(market):
    bars = bars_of(market)
    assert_equal_to_talib("OBV", bars, [talib.OBV(bars["close"], bars["volume"])])


def test_after_a_million_bars_the_value_is_within_a_billionth_of_all_volume():
    bars = walk(count=1_000_000)
    signed = np.concatenate([bars["volume"][:1], np.sign(np.diff(bars["close"])) * bars["volume"][1:]])
    value = series("OBV", bars)[-1, 0]
    assert abs(value - math.fsum(signed)) <= 1e-9 * math.fsum(bars["volume"])
