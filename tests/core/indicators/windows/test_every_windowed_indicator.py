"""What holds for every indicator over windows of time, whoever added it."""

import math

import numpy as np
from tests.core.indicators.windows.harness import Past, feed_of, plan_of, random_market, watch

from folded import folded
from tightloop.core import indicators
from tightloop.core.indicators.contract import REFRESH, Choice
from tightloop.runtime.backtest import ticks as ticks_backtest
from tightloop.runtime.backtest.one_by_one import ticks as ticks_one_by_one
from tightloop.runtime.results.recorder import Recorder


def windowed_types():
    return [name for name in indicators.types_found() if indicators.load(name).is_windowed]


in_every_type = folded("name", windowed_types())


def defaults(indicator):
    return indicators.with_defaults(indicator, {})


def defaults_of(name):
    return defaults(indicators.load(name))


@in_every_type
def test_a_type_explains_itself_and_its_defaults_are_allowed(name):
    indicator = indicators.load(name)
    assert indicator.module.__doc__.startswith(f"{name}: ")
    assert indicator.formula
    assert indicator.parameters[-1] == REFRESH
    assert indicator.refused(defaults(indicator)) is None
    assert set(indicator.tapes(defaults(indicator))) <= {"trades", "quotes", "book"}
    assert 0.5 <= indicator.refresh_s(defaults(indicator)) <= 3_600
    for parameter in indicator.parameters:
        if isinstance(parameter, Choice):
            assert parameter.default in parameter.words
        else:
            assert parameter.allows(parameter.default)


@in_every_type
def test_the_ends_of_its_windows_lie_before_now_by_whole_nanoseconds(name):
    indicator = indicators.load(name)
    for tape, seconds in indicator.ends(defaults(indicator)):
        assert tape in indicator.tapes(defaults(indicator))
        assert seconds >= 0
        assert math.isclose(seconds * 1e9, round(seconds * 1e9), abs_tol=1e-3)


def test_all_types_side_by_side_are_the_same_from_both_drivers_and_never_infinite():
    prints, quotes = random_market(11, count=1_500, gap_share=0.001)
    # What needs an order book has its own market, in test_order_books.py.
    names = [name for name in windowed_types() if "book" not in indicators.load(name).tapes(defaults_of(name))]
    variants = {name.lower(): {"type": name} for name in names}
    one_by_one, at_once = plan_of(variants), plan_of(variants)
    ticks_one_by_one.run(one_by_one, feed_of(one_by_one, prints, quotes), Recorder())
    ticks_backtest.run(at_once, feed_of(at_once, prints, quotes), Recorder())
    floats = int(at_once.states[0]["arena_floats"])
    np.testing.assert_array_equal(one_by_one.arena[:floats], at_once.arena[:floats])
    for one in watch(variants, prints[:300], quotes[:300]):
        assert not any(math.isinf(x) for values in one.values.values() for x in values)


def test_the_random_market_is_as_hard_as_it_says():
    prints, quotes = random_market(2, gap_share=0.004)
    seen = watch({"own": {"type": "SUM_VOLUME", "t1": 10, "t2": 3}}, prints, quotes)
    known = [Past(prints, quotes, one) for one in seen]
    times = [tick.ts_ns for tick in prints]
    assert len(set(times)) < len(times), "times are repeated"
    assert any(tick.ts_ns == past.now_ns - 10 * 10**9 for past in known[-400:] for tick in past.prints)
    assert any(not past.window(10, 3) for past in known), "windows without a print"
    assert max(np.diff(times)) > 60 * 10**9, "a silent minute"
    assert any(one.kind == "gap" for one in seen)
