import numpy as np
import pytest
import talib
from tests.core.indicators.reference import (
    assert_close,
    assert_equal_to_talib,
    bars_of,
    in_every_made_market,
    in_every_market,
)

from tightloop.core.indicators import series


def supertrend(bars, period, multiple):
    """Line and direction as the definition reads, on TA-Lib's ATR."""
    reach = multiple * talib.ATR(bars["high"], bars["low"], bars["close"], period)
    middle = (bars["high"] + bars["low"]) / 2.0
    uppers, lowers = middle + reach, middle - reach
    values, directions = np.full(len(bars), np.nan), np.full(len(bars), np.nan)
    upper, lower, direction = np.inf, -np.inf, 1.0
    for bar in range(period, len(bars)):
        before, close = bars["close"][bar - 1], bars["close"][bar]
        upper = uppers[bar] if before > upper else min(upper, uppers[bar])
        lower = lowers[bar] if before < lower else max(lower, lowers[bar])
        if direction > 0.0 and close < lower:
            direction = -1.0
        elif direction < 0.0 and close > upper:
            direction = 1.0
        values[bar], directions[bar] = (lower if direction > 0.0 else upper), direction
    return values, directions


@in_every_market
@pytest.mark.parametrize(("period", "multiple"), [(10, 3.0), (2, 1.0), (50, 2.5)])
def test_line_and_direction_are_those_of_talib(market, period, multiple):
    bars = bars_of(market)
    line, direction = talib.SUPERTREND(bars["high"], bars["low"], bars["close"], period, multiple)
    known = np.where(np.isnan(line), np.nan, direction)  # TA-Lib says direction 0 where it has none yet
    assert_equal_to_talib("SUPERTREND", bars, [line, known], period=period, multiple=multiple)


@in_every_made_market
def test_line_and_direction_follow_the_definition(market):
    bars = bars_of(market)
    actual = series("SUPERTREND", bars, period=10, multiple=3.0)
    for place, expected in enumerate(supertrend(bars, 10, 3.0)):
        assert_close(actual[:, place], expected)
