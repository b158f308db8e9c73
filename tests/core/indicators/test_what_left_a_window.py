"""What has left a window has left its result: one absurd price or volume, then the values of a market without it."""

import numpy as np
import pytest
from tests.core.indicators.reference import Bars, make_bars

from tightloop.core.indicators import series

PRICES = ("open", "high", "low", "close")
PERIOD, COUNT, AT = 5, 120, 50
OVER_PRICES = {
    "SMA": {"period": PERIOD}, "WMA": {"period": PERIOD}, "STDDEV": {"period": PERIOD}, "ZSCORE": {"period": PERIOD},
    "BOLLINGER": {"period": PERIOD}, "CCI": {"period": PERIOD}, "VWAP": {"period": PERIOD},
    "WILLIAMS_R": {"period": PERIOD}, "ROC": {"period": PERIOD}, "DONCHIAN": {"period": PERIOD},
    "STOCHASTIC": {"k_period": PERIOD, "k_smooth": 2, "d_period": 3},
    "ICHIMOKU": {"tenkan": 2, "kijun": 3, "senkou": 5},
}  # fmt: skip
OVER_VOLUMES = ("SMA", "WMA", "STDDEV", "ZSCORE")
LONGEST = 3 + PERIOD + 3
"""Bars after which no window of the above holds the absurd bar any more."""


def one_to_five() -> Bars:
    """Prices and volumes 1 to 5 again and again."""
    values = np.tile(np.arange(1.0, 6.0), COUNT // 5)
    return make_bars(values, values.copy(), values.copy(), values.copy(), values.copy())


def with_absurd(names: tuple[str, ...], value: float, bars: int = 1) -> Bars:
    """The same with ``value`` and ever smaller ones in ``names`` from bar AT on."""
    made = one_to_five()
    for place in range(bars):
        for name in names:
            made[name][AT + place] = value * 1e-3**place
    return made


def assert_same_after(type_name: str, absurd: Bars, first: int, **parameters: float | str) -> None:
    plain, found = (series(type_name, each, **parameters)[first:] for each in (one_to_five(), absurd))
    np.testing.assert_array_equal(np.isnan(plain), np.isnan(found))
    np.testing.assert_allclose(found, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("value", [1e9, 1e17, 1e200])
@pytest.mark.parametrize("type_name", list(OVER_PRICES))
def test_one_absurd_price_is_gone_with_its_window(type_name, value):
    assert_same_after(type_name, with_absurd(PRICES, value), AT + LONGEST, **OVER_PRICES[type_name])


@pytest.mark.parametrize("value", [1e9, 1e17, 1e200])
@pytest.mark.parametrize("type_name", OVER_VOLUMES)
def test_one_absurd_volume_is_gone_with_its_window(type_name, value):
    absurd = with_absurd(("volume",), value)
    assert_same_after(type_name, absurd, AT + PERIOD, period=PERIOD, source="volume")


@pytest.mark.parametrize("type_name", OVER_VOLUMES)
def test_absurd_volumes_of_many_sizes_are_gone_with_their_window(type_name):
    absurd = with_absurd(("volume",), 1e30, bars=10)
    assert_same_after(type_name, absurd, AT + 10 + PERIOD, period=PERIOD, source="volume")


@pytest.mark.parametrize("bars", [1, 10])
def test_absurd_volumes_are_gone_from_a_volume_weighted_price(bars):
    assert_same_after("VWAP", with_absurd(("volume",), 1e30, bars), AT + bars + PERIOD, period=PERIOD)


def test_the_plain_and_the_weighted_mean_of_one_to_five_are_those_by_hand():
    absurd = with_absurd(("volume",), 1e17)
    assert series("SMA", absurd, period=5, source="volume")[AT + 24, 0] == pytest.approx(3.0, rel=1e-12)
    assert series("WMA", absurd, period=5, source="volume")[AT + 24, 0] == pytest.approx(55.0 / 15.0, rel=1e-12)


def test_an_absurd_value_among_the_first_bars_is_gone_too():
    absurd = one_to_five()
    absurd["volume"][1] = 1e17
    assert_same_after("SMA", absurd, 1 + PERIOD, period=PERIOD, source="volume")
    assert_same_after("WMA", absurd, 1 + PERIOD, period=PERIOD, source="volume")
