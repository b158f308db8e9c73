"""Times between deals, volatility and acceleration: by hand, and by their definitions on hard markets."""

import math
from itertools import pairwise

import numpy as np
import pytest
from tests.core.indicators.windows import definitions as by
from tests.core.indicators.windows.harness import (
    GRID,
    check,
    ns,
    on_grid,
    pasts,
    prints_of,
    quotes_of,
    random_market,
    same,
    watch,
)

import indicators_brute as brute
from tightloop.core import limits

FIXTURE = prints_of(
    [(0, 100.0, 1.0), (10, 101.0, 2.0), (12, 100.0, 4.0), (12, 100.0, 0.0), (20, 102.0, 2.0), (30, 102.0, 2.0)]
)


def last_of(kind, **parameters):
    return watch({"v": {"type": kind, **parameters}}, FIXTURE)[-1].values["v"][0]


def test_figures_are_those_computed_by_hand():
    window = {"t1": 30, "t2": 0}
    # The deal at 0 is outside, so the time from it to the one at 10 is too.
    assert last_of("INTER_DEAL_INTERVALS", **window) == pytest.approx(np.mean([2.0, 0.0, 8.0, 10.0]))
    assert math.isnan(last_of("TRADE_CLUSTERING_COEFFICIENT", **window)), "four times between five deals"
    gaps = [2.0, 0.0, 8.0, 10.0, 5.0]
    later = prints_of([(0, 100.0), (10, 101.0), (12, 100.0), (12, 100.0), (20, 102.0), (30, 102.0), (35, 102.0)])
    seen = watch({"v": {"type": "TRADE_CLUSTERING_COEFFICIENT", "t1": 35, "t2": 0}}, later)[-1]
    assert seen.values["v"][0] == pytest.approx(np.var(gaps) / np.mean(gaps) ** 2)
    returns = [0.01, 100 / 101 - 1, 0.0, 0.02, 0.0]
    assert last_of("PRICE_VOLATILITY", **window) == pytest.approx(100 * np.std(returns))
    assert last_of("DEAL_SIZE_VOLATILITY", **window) == pytest.approx(np.std([2, 4, 0, 2, 2]) / 2)
    assert math.isnan(last_of("INTER_DEAL_INTERVALS", t1=5, t2=1)), "no deal"
    assert math.isnan(last_of("INTER_DEAL_INTERVALS", t1=9, t2=0)), "one deal"
    assert math.isnan(last_of("PRICE_VOLATILITY", t1=5, t2=1))


def test_deals_that_follow_one_another_twice_as_fast_are_twice_as_dense():
    rows = [(2 * k, 10.0) for k in range(20)] + [(38 + k, 10.0) for k in range(1, 25)]
    parameters = {"type": "DECISION_DENSITY_ACCELERATION", "t1": 10, "t2": 0, "t3": 50, "t4": 30}
    seen = watch({"v": parameters}, prints_of(rows))
    at_58 = next(one for one in reversed(seen) if one.kind == GRID and one.ts_ns == FIXTURE[0].ts_ns + ns(58))
    assert at_58.values["v"][0] == pytest.approx(2.0)


def test_a_price_that_accelerates_evenly_has_that_acceleration():
    rows = [(k / 10, 100.0 + 0.0005 * (k / 10) ** 2) for k in range(301)]
    seen = watch({"v": {"type": "PRICE_ACCELERATION", "t1": 10}}, prints_of(rows))
    one = next(one for one in reversed(seen) if one.kind == GRID)
    acceleration, velocity = one.values["v"]
    assert one.ts_ns == FIXTURE[0].ts_ns + ns(29)
    assert acceleration == pytest.approx(0.001, rel=0.02)  # 2 x 0.0005 of some 100, in percent
    assert velocity == pytest.approx(0.001 * 24, rel=0.01)  # in the middle of the ten seconds
    still = watch({"v": {"type": "PRICE_ACCELERATION", "t1": 10}}, prints_of([(0, 10.0), (30, 10.0)]))
    assert next(one for one in reversed(still) if one.kind == GRID).values["v"] == (0.0, 0.0)


def test_stress_is_unknown_while_one_of_its_parts_is():
    prints = prints_of([(k, 10.0 + k % 3, 1.0 + k % 2) for k in range(31)])
    quotes = [(k, 9.9, 1, 10.1 + k % 2, 1) for k in range(31)]
    variants = {"v": {"type": "MARKET_STRESS_INDEX", "t1": 20, "t2": 0}}
    assert watch(variants, prints, quotes_of(quotes))[-1].values["v"][0] > 0.0
    assert math.isnan(watch(variants, prints, quotes_of(quotes[:1]))[-1].values["v"][0])


@pytest.mark.parametrize("seed", range(3))
def test_the_definition_of_clustering_is_that_of_the_plain_indicators(seed):
    prints, _ = random_market(seed)
    at_ns = np.array([one.ts_ns for one in prints])
    seen = watch({"v": {"type": "TRADE_CLUSTERING_COEFFICIENT", "t1": 47, "t2": 13}}, prints)
    known = 0
    for one, past in zip(seen, pasts(prints, (), seen), strict=True):
        wanted = brute.trade_clustering_coefficient(at_ns[at_ns <= one.ts_ns], one.ts_ns, 47, 13)
        if past.is_warm(47) and not math.isnan(wanted):
            assert by.clustering(past, 47, 13) == pytest.approx(wanted, rel=1e-9)
            assert one.values["v"][0] == pytest.approx(wanted, rel=1e-6)
            known += 1
    assert known > 50


SINGLE = [(30, 0), (2, 0), (47, 13), (5.5, 0.25)]
PAIRS = [(10, 0, 60, 10), (5, 0, 100, 30), (7, 2, 20, 1), (30, 0, 200, 30)]
SQUARES = {
    "PRICE_VOLATILITY": lambda step: (step[1].price / step[0].price - 1) ** 2,
    "DEAL_SIZE_VOLATILITY": lambda step: step[1].qty ** 2,
    "TRADE_CLUSTERING_COEFFICIENT": lambda step: ((step[1].ts_ns - step[0].ts_ns) / 1e9) ** 2,
    "MARKET_STRESS_INDEX": lambda step: step[1].qty ** 2,
}
OF_ONE = {
    "INTER_DEAL_INTERVALS": by.mean_interval,
    "TRADE_CLUSTERING_COEFFICIENT": by.clustering,
    "PRICE_VOLATILITY": by.price_volatility,
    "DEAL_SIZE_VOLATILITY": by.size_volatility,
    "MARKET_STRESS_INDEX": lambda past, *w: (
        by.price_volatility(past, *w) * by.size_volatility(past, *w) * by.spread_volatility(past, *w)
    ),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rows_min", [16, 1024])
def test_every_one_is_what_its_definition_gives_at_every_event(seed, rows_min, monkeypatch):
    monkeypatch.setattr(limits, "TAPE_ROWS_MIN", rows_min)
    prints, quotes = random_market(seed, gap_share=0.01 * (seed % 2))
    cases = [(kind, window, define) for kind, define in OF_ONE.items() for window in SINGLE]
    named = {f"v{n}": {"type": kind, **dict(zip(("t1", "t2"), w, strict=True))} for n, (kind, w, _) in enumerate(cases)}
    seen = watch(named, prints, quotes)
    known = pasts(prints, quotes, seen)
    for name, (kind, window, define) in zip(named, cases, strict=True):
        expected = [define(past, *window) for past in known]
        if kind in SQUARES:
            check_squares(name, seen, known, expected, window, SQUARES[kind])
        elif not (seed % 2 and all(map(math.isnan, expected))):
            check(name, seen, expected)


def check_squares(name, seen, known, expected, window, square):
    """A sum of squares of a small window is the difference of two great ones: good to 1e-15 of those, no better."""
    for one, past, wanted in zip(seen, known, expected, strict=True):
        inside = math.fsum(map(square, by.steps(past, *window) or []))
        before = math.fsum(map(square, pairwise(past.prints)))
        allowed = max(1.0, 1e-6 * before / inside) if inside > 0 else 1.0
        assert same(one.values[name][0], wanted, allowed), (name, one, wanted)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rows_min", [16, 1024])
def test_what_is_taken_on_the_grid_is_what_its_definition_gives_there(seed, rows_min, monkeypatch):
    monkeypatch.setattr(limits, "TAPE_ROWS_MIN", rows_min)
    prints, _ = random_market(seed, gap_share=0.01 * (seed % 2))
    names = ("t1", "t2", "t3", "t4")
    variants = {
        f"d{n}": {"type": "DECISION_DENSITY_ACCELERATION", **dict(zip(names, w, strict=True))}
        for n, w in enumerate(PAIRS)
    }
    variants |= {f"a{n}": {"type": "PRICE_ACCELERATION", "t1": n} for n in (3, 10, 60)}
    variants["slow"] = {"type": "PRICE_ACCELERATION", "t1": 10, "refresh": 4}
    seen = watch(variants, prints)
    known = pasts(prints, (), seen)
    for n, window in enumerate(PAIRS):
        expected = on_grid(seen, 2, lambda k, w=window: by.density(known[k], *w))
        longest = max(window)
        expected = [x if past.is_warm(longest) else math.nan for x, past in zip(expected, known, strict=True)]
        if not (seed % 2 and all(map(math.isnan, expected))):
            check(f"d{n}", seen, expected)
    for name, t1, grid_s in (("a3", 3, 1), ("a10", 10, 1), ("a60", 60, 1), ("slow", 10, 4)):
        for output in (0, 1):
            expected = on_grid(seen, grid_s, lambda k, t=t1, o=output: by.acceleration(known[k], t)[o])
            expected = [x if past.is_warm(t1) else math.nan for x, past in zip(expected, known, strict=True)]
            check(name, seen, expected, output, scale=1e-3)
