"""Scores made of several figures: their parts, what makes them unknown, and their definitions on hard markets."""

import math
from itertools import pairwise

import pytest
from tests.core.indicators.windows import definitions as by
from tests.core.indicators.windows.harness import check, on_grid, pasts, prints_of, random_market, watch

from tightloop.core import limits


def counted(x, low, high):
    return by.held((x - low) / (high - low))


def confidence(past, t1, t3, d, period, lookback):
    """(value, consistency, magnitude, duration)"""
    magnitude = abs(by.velocity(past, t1, t3, d))
    if math.isnan(magnitude) or not past.is_warm(period * lookback):
        return math.nan, math.nan, magnitude, math.nan
    prices = [past.in_force(k * period).price for k in range(lookback + 1)]
    signs = [(a > b) - (a < b) for a, b in pairwise(prices)]
    streak = next((k for k, sign in enumerate(signs) if sign != signs[0]), lookback) if signs[0] else 0
    consistency = max(signs.count(1), signs.count(-1)) / lookback
    value = consistency * min(1, magnitude / 10) * min(1, streak * period / 120)
    return value, consistency, magnitude, streak * period


def divergence(past, short, long):
    if not past.is_warm(long):
        return math.nan
    near, far = (by.move_pct(past.prints[-1].price, past.twpa(t, 0)) for t in (short, long))
    greater = max(abs(near), abs(far))
    return abs(near - far) / greater if greater > 1e-3 else math.nan


def test_a_velocity_that_goes_is_dead_in_full_and_beyond():
    rows = [(0, 10.0), (100, 11.0), (130, 10.5), (300, 10.5)]
    seen = watch({"v": {"type": "MOMENTUM_DEATH_INDEX", "t1": 5, "t3": 40, "d": 20, "lookback": 60}}, prints_of(rows))
    by_second = {(one.ts_ns - seen[0].ts_ns) / 1e9: one.values["v"] for one in seen if one.kind == "grid"}
    assert math.isnan(by_second[95][0])  # known, and without a rise: nothing that could die
    assert by_second[115] == pytest.approx((0.0, 10.0))
    assert by_second[125][0] == pytest.approx(1 - 100 * (11.0 / 10.25 - 1) / 10.0)  # base (85, 105]
    assert by_second[150][0] > 1.0


def test_the_parts_of_a_strong_pump_count_in_full():
    rows = [(k, 10.0, 1.0, -1 if k % 2 else 1) for k in range(0, 600, 10)]
    rows += [(600 + k / 2, 10.0 + k / 10, 9.0, 1) for k in range(61)]
    parameters = {"t1": 5, "t3": 60, "d": 20, "cur": 20, "base": 300}
    seen = watch({"v": {"type": "PUMP_STRENGTH_SCORE", **parameters}}, prints_of(rows))
    assert next(one for one in reversed(seen) if one.kind == "grid").values["v"][0] == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rows_min", [16, 1024])
def test_every_one_is_what_its_definition_gives_at_every_event(seed, rows_min, monkeypatch):
    monkeypatch.setattr(limits, "TAPE_ROWS_MIN", rows_min)
    prints, quotes = random_market(seed, gap_share=0.005 * (seed % 2), quiet_share=0.01)
    moved, flows = {"t1": 5, "t3": 30, "d": 10}, {"cur": 10, "base": 60}
    variants = {
        "death": {"type": "MOMENTUM_DEATH_INDEX", **moved, "lookback": 45},
        "fine": {"type": "MOMENTUM_DEATH_INDEX", **moved, "lookback": 20, "refresh": 2},
        "pump": {"type": "PUMP_STRENGTH_SCORE", **moved, **flows},
        "end": {"type": "EXHAUSTION_SCORE", **moved, **flows, "lookback": 45},
        "sure": {"type": "SIGNAL_CONFIDENCE", **moved, "period": 7, "lookback": 6},
        "apart": {"type": "VELOCITY_DIVERGENCE_INDEX", "short": 10, "long": 60},
    }
    seen = watch(variants, prints, quotes)
    known = pasts(prints, quotes, seen)
    velocities = [by.velocity(past, 5, 30, 10) for past in known]
    for name, grid_s, lookback in (("death", 5, 45), ("fine", 2, 20)):
        highest = by.peaks(seen, grid_s, lookback, velocities)
        check(name, seen, highest, 1, scale=1.0)
        check(name, seen, [by.death(v, m) for v, m in zip(velocities, highest, strict=True)], scale=1.0)
    check("apart", seen, [divergence(past, 10, 60) for past in known], scale=1.0)
    sure = [confidence(past, 5, 30, 10, 7, 6) for past in known]
    for output in range(4):
        check("sure", seen, [one[output] for one in sure], output, scale=1.0)
    window = (10, 0, 60, 10)
    surges, flow = [by.surge(past, *window) for past in known], [by.flow_imbalance(past, 10, 0) for past in known]
    density = on_grid(seen, 2, lambda k: by.density(known[k], *window))
    density = [x if past.is_warm(60) else math.nan for x, past in zip(density, known, strict=True)]
    parts = list(zip(velocities, surges, flow, density, strict=True))
    for output in range(4):
        check("pump", seen, [part[output] for part in parts], 1 + output, scale=1.0)
    score = [
        0.3 * counted(v, 0, 20) + 0.25 * counted(s, 1, 5) + 0.25 * counted(f, 0, 60) + 0.2 * counted(d, 1, 5)
        for v, s, f, d in parts
    ]
    check("pump", seen, score, scale=1.0)
    highest = by.peaks(seen, 5, 45, velocities)
    dead = [by.held(by.death(v, m)) for v, m in zip(velocities, highest, strict=True)]
    slower = [by.held(1 - x) for x in surges]
    drained = [
        by.held(1 - by.ratio(*(by.quote_mean(past, *w, "liquidity") for w in ((10, 0), (60, 10))))) for past in known
    ]
    for output, part in enumerate((drained, dead, slower), 1):
        check("end", seen, part, output, scale=1.0)
    check("end", seen, [a * b * c for a, b, c in zip(drained, dead, slower, strict=True)], scale=1.0)
