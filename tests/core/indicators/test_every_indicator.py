"""What holds for every market indicator in the folder, whoever added it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.indicators.reference import MARKETS, around, bars_of, walk

from examples import examples
from folded import folded
from tightloop.core import indicators
from tightloop.core.compiled import address_table
from tightloop.core.indicators.contract import Choice

GUARD = -987.654

CLASSICS = {
    "ADX": (("adx", "plus_di", "minus_di"), ("period",)),
    "ATR": (("value",), ("period",)),
    "BOLLINGER": (("upper", "middle", "lower", "bandwidth", "percent_b"), ("period", "deviations")),
    "CCI": (("value",), ("period",)),
    "DONCHIAN": (("upper", "lower", "middle"), ("period",)),
    "EMA": (("value",), ("period", "source")),
    "ICHIMOKU": (("tenkan", "kijun", "span_a", "span_b", "chikou"), ("tenkan", "kijun", "senkou")),
    "MACD": (("macd", "signal", "histogram"), ("fast", "slow", "signal")),
    "OBV": (("value",), ()),
    "PRICE": (("close", "open", "high", "low", "volume"), ()),
    "ROC": (("value",), ("period", "source")),
    "RSI": (("value",), ("period", "source", "flat")),
    "SMA": (("value",), ("period", "source")),
    "STDDEV": (("value",), ("period", "source")),
    "STOCHASTIC": (("k", "d"), ("k_period", "k_smooth", "d_period", "flat")),
    "SUPERTREND": (("value", "direction"), ("period", "multiple")),
    "VWAP": (("value",), ("period", "anchor")),
    "WILLIAMS_R": (("value",), ("period", "flat")),
    "WMA": (("value",), ("period", "source")),
    "ZSCORE": (("value",), ("period", "source")),
}


def market_types():
    return [name for name in indicators.types_found() if hasattr(indicators.load(name).module, "update")]


def settings_of(name):
    """Parameters worth a test: the defaults, the smallest windows, windows of different sizes, every choice."""
    parameters = indicators.load(name).parameters
    numbers = [parameter for parameter in parameters if not isinstance(parameter, Choice)]
    required = {parameter.name: parameter.minimum for parameter in numbers if parameter.default is None}
    whole = [parameter for parameter in numbers if parameter.whole]
    yield required
    yield required | {parameter.name: parameter.minimum for parameter in whole}
    yield required | {parameter.name: parameter.minimum + 3 + 4 * place for place, parameter in enumerate(whole)}
    for parameter in parameters:
        if isinstance(parameter, Choice):
            yield from (required | {parameter.name: word} for word in parameter.words if word != parameter.default)


CASES = [(name, written) for name in market_types() for written in settings_of(name)]
in_every_case = folded(("name", "written"), CASES)


class Streamed:
    """An indicator somewhere in an arena, one bar at a time."""

    def __init__(self, name, written, arena, base):
        self.indicator = indicators.load(name)
        values = indicators.with_defaults(self.indicator, written)
        self.arena, self.base, self.size = arena, base, self.indicator.size(values)
        self.indicator.lay_out(arena, base, values)
        self.table = address_table([self.indicator.module.update])

    def take_in(self, bars):
        out = np.empty((len(bars), len(self.indicator.outputs)))
        indicators._run(self.table, self.arena, self.base, bars, out)
        return out


def size_of(name, written):
    indicator = indicators.load(name)
    return indicator.size(indicators.with_defaults(indicator, written))


def test_the_classics_are_there_with_the_names_of_the_contract():
    for name, (outputs, parameters) in CLASSICS.items():
        indicator = indicators.load(name)
        assert indicator.outputs == outputs, name
        assert tuple(parameter.name for parameter in indicator.parameters) == parameters, name


@folded("name", market_types())
def test_a_type_explains_itself_and_its_defaults_are_allowed(name):
    indicator = indicators.load(name)
    assert indicator.module.__doc__.startswith(f"{name}: ")
    assert indicator.formula
    assert len(set(indicator.outputs)) == len(indicator.outputs) > 0
    for parameter in indicator.parameters:
        if isinstance(parameter, Choice):
            assert parameter.default in parameter.words
        else:
            assert parameter.default is None or parameter.minimum <= parameter.default <= parameter.maximum


@in_every_case
def test_the_warmup_is_the_number_of_bars_until_every_output_is_known(name, written):
    indicator = indicators.load(name)
    warmup = indicator.warmup(indicators.with_defaults(indicator, written))
    known = ~np.isnan(indicators.series(name, walk(21), **written)).any(axis=1)
    assert not known[: warmup - 1].any()
    assert known[warmup - 1 :].all()


@in_every_case
def test_no_output_depends_on_a_later_bar(name, written):
    bars, other = walk(22), walk(23, scale=7.0)
    other["open_ns"], other["close_ns"] = bars["open_ns"], bars["close_ns"]
    cut = int(np.random.default_rng(len(name)).integers(1, len(bars)))
    whole = indicators.series(name, bars, **written)
    changed = indicators.series(name, np.concatenate([bars[:cut], other[cut:]]), **written)
    np.testing.assert_array_equal(whole[:cut], changed[:cut])


@in_every_case
@folded("market", ["walk", "mostly still", "bursts and holes of volume"])
def test_an_update_writes_nothing_outside_its_region_and_reads_nothing_there(name, written, market):
    bars = bars_of(market)
    size = size_of(name, written)
    arena = np.full(size + 200, GUARD)
    values = Streamed(name, written, arena, 100).take_in(bars)
    assert (arena[:100] == GUARD).all()
    assert (arena[100 + size :] == GUARD).all()
    np.testing.assert_array_equal(values, indicators.series(name, bars, **written))


@folded("name", market_types())
def test_instances_in_one_arena_do_not_disturb_each_other(name):
    bars = walk(24, count=400)
    written = list(settings_of(name))
    sizes = [size_of(name, each) for each in written]
    arena = np.full(sum(sizes), GUARD)
    instances = [Streamed(name, each, arena, sum(sizes[:place])) for place, each in enumerate(written)]
    rows = [[] for _ in instances]
    for i in range(len(bars)):
        for place, instance in enumerate(instances):
            rows[place].append(instance.take_in(bars[i : i + 1])[0])
    for place, each in enumerate(written):
        np.testing.assert_array_equal(np.array(rows[place]), indicators.series(name, bars, **each))


@in_every_case
@folded("market", MARKETS)
def test_no_output_is_ever_infinite(name, written, market):
    assert not np.isinf(indicators.series(name, bars_of(market), **written)).any()


prices = st.sampled_from([1e-7, 3e-7, 0.1, 0.3, 1.0, 1.0 + 2**-52, 1.1, 2.0, 100.0, 1e9, 1e9 + 1e-6])
amounts = st.sampled_from([0.0, 1.0, 1e12])


@pytest.mark.parametrize("name", market_types())
@settings(max_examples=examples(60), deadline=None)
@given(
    closes=st.lists(prices, min_size=1, max_size=80), volumes=st.lists(st.sampled_from([0.0, 1.0, 1e12]), min_size=1)
)
def test_no_market_however_strange_breaks_an_invariant(name, closes, volumes):
    bars = around(np.array(closes), 25)
    bars["volume"] = np.resize(volumes, len(closes))
    for written in settings_of(name):
        assert not np.isinf(indicators.series(name, bars, **written)).any()
