"""Moves of the price between windows, and what is made of them, by their definitions at every event."""

import math
import statistics

import pytest
from tests.core.indicators.windows.harness import (
    GRID,
    START_NS,
    check,
    ns,
    on_grid,
    pasts,
    prints_of,
    random_market,
    strategy_text,
    watch,
)
from tests.parity.runs import read

from tightloop.core import limits
from tightloop.model.errors import InputError

EPISODES = [(seed, rows_min, share) for seed, rows_min, share in ((1, 16, 0.0), (2, 1024, 0.004), (3, 32, 0.002))]
in_every_episode = pytest.mark.parametrize(("seed", "rows_min", "gap_share"), EPISODES)
MOVES = [(10, 40, 10), (5, 15, 5), (1, 61.5, 7.25), (20, 80, 80)]


@pytest.fixture
def episode(seed, rows_min, gap_share, monkeypatch):
    monkeypatch.setattr(limits, "TAPE_ROWS_MIN", rows_min)
    return random_market(seed, gap_share=gap_share)


def move(past, t1, t3, d):
    base = past.twpa(t3, t3 - d)
    return 100 * (past.twpa(t1, 0) - base) / base


def velocity(past, t1, t3, d):
    return move(past, t1, t3, d) / ((t3 - d / 2) - t1 / 2)


def three(move, number=""):
    return {f"{name}{number}": value for name, value in zip(("t1", "t3", "d"), move, strict=True)}


FIXTURE = prints_of([(0, 10.00), (40, 10.50), (70, 11.00), (90, 10.80), (101, 9.0)])


def at_100(variant):
    seen = watch({"own": variant | {"refresh": 1}}, FIXTURE)
    (found,) = [one for one in seen if one.ts_ns == START_NS + ns(100)]
    return found.values["own"][0]


def test_the_moves_are_those_computed_by_hand():
    own = {"t1": 10, "t3": 60, "d": 30}
    assert round(at_100({"type": "PUMP_MAGNITUDE_PCT", **own}), 6) == 2.857143
    assert round(at_100({"type": "VELOCITY_PCT", **own}), 6) == 2.857143
    assert round(at_100({"type": "PRICE_VELOCITY", **own}), 7) == 0.0714286
    assert round(at_100({"type": "TWPA_RATIO", "t1": 60, "t2": 0, "t3": 100, "t4": 40}), 6) == 1.054098
    assert at_100({"type": "BASELINE_PRICE", "t3": 60, "d": 30}) == pytest.approx(10.50, rel=1e-12)


@in_every_episode
def test_moves_and_velocities_are_what_their_definitions_give(episode):
    variants = {}
    for k, own in enumerate(MOVES):
        for name in ("PUMP_MAGNITUDE_PCT", "VELOCITY_PCT", "PRICE_VELOCITY"):
            variants[f"{name}_{k}"] = {"type": name, **three(own)}
        variants[f"BASELINE_PRICE_{k}"] = {"type": "BASELINE_PRICE", "t3": own[1], "d": own[2]}
    seen = watch(variants, *episode)
    known = pasts(*episode, seen)
    for k, (t1, t3, d) in enumerate(MOVES):
        moves = [move(past, t1, t3, d) for past in known]
        check(f"PUMP_MAGNITUDE_PCT_{k}", seen, moves, scale=1.0)
        check(f"VELOCITY_PCT_{k}", seen, moves, scale=1.0)
        check(f"PRICE_VELOCITY_{k}", seen, [velocity(past, t1, t3, d) for past in known], scale=0.1)
        check(f"BASELINE_PRICE_{k}", seen, [past.twpa(t3, t3 - d) for past in known])


TWO = [(30, 0, 120, 30), (10, 5, 20, 10), (3, 1, 60, 20)]


@in_every_episode
def test_ratios_of_two_windows_are_what_their_definitions_give(episode):
    variants = {}
    for k, own in enumerate(TWO):
        four = dict(zip(("t1", "t2", "t3", "t4"), own, strict=True))
        for name in ("TWPA_RATIO", "PRICE_MOMENTUM", "LIQUIDITY_DRAIN_INDEX"):
            variants[f"{name}_{k}"] = {"type": name, **four}
        variants[f"no_ratio_{k}"] = {"type": "TWPA_RATIO", "min_denominator_rel": 0.997, **four}
        variants[f"no_drain_{k}"] = {"type": "LIQUIDITY_DRAIN_INDEX", "min_denominator_rel": 0.91, **four}
        variants[f"BID_ASK_IMBALANCE_{k}"] = {"type": "BID_ASK_IMBALANCE", "t1": own[0], "t2": own[1]}
    seen = watch(variants, *episode)
    known = pasts(*episode, seen)

    def mean(past, t1, t2, tape, compute):
        own = past.window(t1, t2, tape)
        return statistics.fmean(map(compute, own)) if own and past.is_warm(t1, tape) else math.nan

    def drain(past, t1, t2, t3, t4, share):
        now = mean(past, t1, t2, "quotes", lambda x: x.liquidity)
        base = mean(past, t3, t4, "quotes", lambda x: x.liquidity)
        return 100 * (base - now) / base if base > 0 and base >= share * now else math.nan

    def momentum(past, t1, t2, t3, t4):
        base = mean(past, t3, t4, "trades", lambda x: x.price)
        return 100 * (mean(past, t1, t2, "trades", lambda x: x.price) - base) / base

    def imbalance(past, t1, t2):
        return past.time_mean(
            t1, t2, lambda x: x.imbalance or 0.0, "quotes", lambda x: 0.0 if x.imbalance is None else 1.0
        )

    for k, own in enumerate(TWO):
        ratios = [past.twpa(*own[:2]) / past.twpa(*own[2:]) for past in known]
        check(f"TWPA_RATIO_{k}", seen, ratios)
        check(f"no_ratio_{k}", seen, [x if 1 / x >= 0.997 else math.nan for x in ratios])
        check(f"PRICE_MOMENTUM_{k}", seen, [momentum(past, *own) for past in known], scale=1.0)
        check(f"LIQUIDITY_DRAIN_INDEX_{k}", seen, [drain(past, *own, 0.001) for past in known], scale=100.0)
        check(f"no_drain_{k}", seen, [drain(past, *own, 0.91) for past in known], scale=100.0)
        check(f"BID_ASK_IMBALANCE_{k}", seen, [imbalance(past, *own[:2]) for past in known], scale=100.0)


@in_every_episode
def test_the_proximity_of_a_level_is_what_its_definition_gives(episode):
    seen = watch({"own": {"type": "SUPPORT_LEVEL_PROXIMITY", "t1": 5, "start": 90, "end": 30}}, *episode)
    known = pasts(*episode, seen)
    levels = [past.twpa(90, 30) for past in known]
    check("own", seen, levels, output=1)
    moves = [100 * (past.twpa(5, 0) - level) / level for past, level in zip(known, levels, strict=True)]
    check("own", seen, moves, scale=1.0)


def cascade(past, least=0.01, windows=((5, 15, 5), (10, 40, 10), (20, 80, 20))):
    v = [velocity(past, *own) for own in windows]
    if any(map(math.isnan, v)):
        return math.nan
    r = [(v[i] - v[i + 1]) / max(abs(v[i + 1]), least) for i in range(2)]
    weights = [2 ** (3 - 1 - i) for i in range(2)]
    mean = sum(w * x for w, x in zip(weights, r, strict=True)) / sum(weights)
    return math.tanh(mean * (1.2 if min(r) > 1e-9 or max(r) < -1e-9 else 1.0) / 2)


@in_every_episode
def test_the_cascade_is_what_its_definition_gives(episode):
    seen = watch(
        {"own": {"type": "VELOCITY_CASCADE"}, "fine": {"type": "VELOCITY_CASCADE", "min_velocity": 1}}, *episode
    )
    known = pasts(*episode, seen)
    check("own", seen, [cascade(past) for past in known], scale=1.0)
    check("fine", seen, [cascade(past, 1.0) for past in known], scale=1.0)


@in_every_episode
@pytest.mark.parametrize(("samples", "interval", "grid_s"), [(3, 5, 1), (10, 2.5, 7)])
def test_the_stabilization_is_what_its_definition_gives(episode, samples, interval, grid_s):
    own = {"num_samples": samples, "sample_interval": interval, "refresh": grid_s, "min_velocity": 0.01}
    seen = watch({"own": {"type": "VELOCITY_STABILIZATION_INDEX", **own}, "fine": {"type": "SPREAD_PCT"}}, *episode)
    known = pasts(*episode, seen)

    def index(k):
        v = [velocity(known[k].at(i * interval), 10, 40, 10) for i in range(samples)]
        size = statistics.fmean(map(abs, v))
        return statistics.pstdev(v) / size if size >= 0.01 else math.nan

    wanted = on_grid(seen, grid_s, index)
    far = (samples - 1) * interval
    check(
        "own",
        seen,
        [x if past.is_warm(40 + far) else math.nan for x, past in zip(wanted, known, strict=True)],
        scale=1.0,
    )


def peaks_on_grid(seen, known, lookback, grid_s, compute):
    """The greatest sample of the lookback at each event; NaN unless every one is known, and after a gap."""
    found, samples = [], {}
    for one, past in zip(seen, known, strict=True):
        now = compute(past)
        if math.isnan(now):
            samples = {}
        elif one.kind == GRID and one.ts_ns % ns(grid_s) == 0:
            samples[one.ts_ns] = now
        last = max(samples, default=None)
        wanted = [] if last is None else range(last, last - ns(lookback), -ns(grid_s))
        found.append([samples.get(point, math.nan) for point in wanted] or [math.nan])
    return found


@in_every_episode
@pytest.mark.parametrize(("lookback", "grid_s"), [(30, 1), (31, 4), (2, 5)])
def test_the_reversal_is_what_its_definition_gives(episode, lookback, grid_s):
    own = {"lookback": lookback, "refresh": grid_s, "min_velocity": 0.02}
    seen = watch({"own": {"type": "MOMENTUM_REVERSAL_INDEX", **own}, "fine": {"type": "SPREAD_PCT"}}, *episode)
    known = pasts(*episode, seen)
    velocities = [velocity(past, 10, 40, 10) for past in known]
    wanted, peaks = [], []
    for v, samples in zip(
        velocities,
        peaks_on_grid(seen, known, lookback, grid_s, lambda past: velocity(past, 10, 40, 10)),
        strict=True,
    ):
        peak = math.nan if math.isnan(v + sum(samples)) else max(v, *samples)
        peaks.append(peak)
        wanted.append(max(100 * (v - peak) / abs(peak), -100) if abs(peak) >= 0.02 else math.nan)
    check("own", seen, peaks, output=1, scale=0.1)
    check("own", seen, wanted, scale=100.0)
    assert all(math.isnan(x) or -100 <= x <= 0 for x in wanted)


REFUSED = [
    ({"type": "PRICE_VELOCITY", "t1": 60, "t3": 40, "d": 30}, "t3"),
    ({"type": "PRICE_VELOCITY", "t3": 40, "d": 41}, "d"),
    ({"type": "VELOCITY_CASCADE", "t1_1": 12}, "t1_1"),
    ({"type": "VELOCITY_CASCADE", "d_3": 90}, "d_3"),
    ({"type": "TWPA_RATIO", "t3": 200, "t4": 300}, "t3"),
    ({"type": "SUPPORT_LEVEL_PROXIMITY", "start": 500}, "start"),
    ({"type": "MOMENTUM_REVERSAL_INDEX", "lookback": 86_400}, "lookback"),
    ({"type": "BID_ASK_IMBALANCE", "t1": 5, "t2": 5}, "t1"),
]


@pytest.mark.parametrize(("variant", "field"), REFUSED)
def test_a_window_that_can_not_be_is_refused_by_name(variant, field):
    with pytest.raises(InputError, match=f"variants.own.{field}"):
        read(strategy_text({"own": variant}))
