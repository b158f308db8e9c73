"""What is taken on the grid: extremes of samples, streaks, surges; and what counts prints. By definition."""

import math
import statistics
from itertools import pairwise

import pytest
from tests.core.indicators.windows.harness import (
    GRID,
    START_NS,
    Print,
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
METHODS = ("last", "TWPA", "VTWPA", "mid")


@pytest.fixture
def episode(seed, rows_min, gap_share, monkeypatch):
    monkeypatch.setattr(limits, "TAPE_ROWS_MIN", rows_min)
    return random_market(seed, gap_share=gap_share)


def price_of(past, t1, t2, method):
    tape = "quotes" if method == "mid" else "trades"
    if not past.is_warm(t1, tape):
        return math.nan
    if t1 == t2 or method == "last":
        own = past.in_force(t2, tape)
        return own.mid if method == "mid" else own.price
    weigh = (lambda x: x.qty) if method == "VTWPA" else (lambda x: 1.0)
    return past.time_mean(t1, t2, lambda x: x.mid if method == "mid" else x.price, tape, weigh)


def velocity(past, t1, t2, t3, t4, method):
    base = price_of(past, t3, t4, method)
    return 100 * (price_of(past, t1, t2, method) - base) / base


FOUR = [(10, 0, 60, 30), (0, 0, 30, 0), (7, 2, 20, 5)]


def four(own):
    return dict(zip(("t1", "t2", "t3", "t4"), own, strict=True))


@in_every_episode
def test_velocity_is_what_its_definition_gives_by_every_method(episode):
    variants = {
        f"v{k}_{method}": {"type": "VELOCITY", "price_method": method, **four(own)}
        for k, own in enumerate(FOUR)
        for method in METHODS
    }
    seen = watch(variants, *episode)
    known = pasts(*episode, seen)
    for k, own in enumerate(FOUR):
        for method in METHODS:
            check(f"v{k}_{method}", seen, [velocity(past, *own, method) for past in known], scale=1.0)


def test_velocity_of_the_middle_needs_quotes_alone_and_of_prints_trades_alone():
    for method, feed in (("mid", "quotes"), ("VTWPA", "trades")):
        own = {"type": "VELOCITY", "price_method": method}
        read(strategy_text({"own": own}, [feed]))
        with pytest.raises(InputError, match=f"VELOCITY needs {feed}"):
            read(strategy_text({"own": own}, ["trades" if feed == "quotes" else "quotes"]))


@in_every_episode
def test_acceleration_is_what_its_definition_gives(episode):
    seen = watch({"own": {"type": "VELOCITY_ACCELERATION", "short": 20, "long": 70}}, *episode)
    known = pasts(*episode, seen)

    def over(past, t):
        return 100 * (past.in_force(0).price / past.twpa(t, 0) - 1) if past.is_warm(t) else math.nan

    check("own", seen, [over(past, 20) - over(past, 70) for past in known], scale=1.0)
    check("own", seen, [over(past, 20) for past in known], output=1, scale=1.0)
    check("own", seen, [over(past, 70) for past in known], output=2, scale=1.0)


def samples_of(seen, known, lookback, grid_s, compute, is_warm):
    """The samples of the lookback that ends at the last point of the grid, at each event; [NaN] when not known."""
    found, samples, point = [], {}, None
    for one, past in zip(seen, known, strict=True):
        if not is_warm(past):
            samples, point = {}, None
        elif one.kind == GRID and one.ts_ns % ns(grid_s) == 0:
            samples[one.ts_ns], point = compute(past), one.ts_ns
        wanted = [] if point is None else range(point, point - ns(lookback), -ns(grid_s))
        found.append([samples.get(at, math.nan) for at in wanted] or [math.nan])
    return found


def made_of(samples, compute):
    return [math.nan if any(map(math.isnan, own)) else compute(own) for own in samples]


@in_every_episode
@pytest.mark.parametrize(("lookback", "grid_s"), [(30, 1), (31, 4), (2, 7)])
def test_extremes_and_means_of_samples_are_what_their_definitions_give(episode, lookback, grid_s):
    own = {"t1": 10, "t2": 3, "lookback": lookback, "refresh": grid_s}
    variants = {name: {"type": name, **own} for name in ("MAX_TWPA", "MIN_TWPA", "AVG_TWPA")}
    fast = {"lookback": lookback, "refresh": grid_s, **four(FOUR[2])}
    variants |= {method: {"type": "MAX_VELOCITY", "price_method": method, **fast} for method in METHODS}
    seen = watch(variants | {"fine": {"type": "BEST_BID"}}, *episode)
    known = pasts(*episode, seen)
    samples = samples_of(seen, known, lookback, grid_s, lambda past: past.twpa(10, 3), lambda past: past.is_warm(10))
    check("MAX_TWPA", seen, made_of(samples, max))
    check("MIN_TWPA", seen, made_of(samples, min))
    check("AVG_TWPA", seen, made_of(samples, statistics.fmean))
    for method in METHODS:
        tape = "quotes" if method == "mid" else "trades"
        samples = samples_of(
            seen,
            known,
            lookback,
            grid_s,
            lambda past, method=method: velocity(past, *FOUR[2], method),
            lambda past, tape=tape: past.is_warm(20, tape),
        )
        check(method, seen, made_of(samples, max), scale=1.0)


def test_a_gap_between_two_points_of_the_grid_forgets_the_samples_before_it():
    prints, quotes = random_market(4, count=1_200, mean_s=0.1, gap_share=0.01, quiet_share=0.0)
    own = {"lookback": 21, "refresh": 7}
    variants = {
        "twpa": {"type": "MAX_TWPA", "t1": 1, "t2": 0, **own},
        "velocity": {"type": "MAX_VELOCITY", "price_method": "TWPA", **four((0.5, 0, 2, 1)), **own},
        "reversal": {"type": "MOMENTUM_REVERSAL_INDEX", "t1": 1, "t3": 2, "d": 1, "min_velocity": 0, **own},
    }
    seen = watch(variants | {"fine": {"type": "BEST_BID"}}, prints, quotes)
    known = pasts(prints, quotes, seen)

    def warm(seconds):
        return lambda past: past.is_warm(seconds)

    check("twpa", seen, made_of(samples_of(seen, known, 21, 7, lambda past: past.twpa(1, 0), warm(1)), max))
    samples = samples_of(seen, known, 21, 7, lambda past: velocity(past, 0.5, 0, 2, 1, "TWPA"), warm(2))
    check("velocity", seen, made_of(samples, max), scale=1.0)

    def speed(past):
        return velocity(past, 1, 0, 2, 1, "TWPA")

    samples = samples_of(seen, known, 21, 7, speed, warm(2))
    peaks = [math.nan if any(map(math.isnan, s)) else max(*s, speed(p)) for s, p in zip(samples, known, strict=True)]
    check("reversal", seen, peaks, output=1, scale=1.0)


def directions(past, period, lookback):
    prices = [past.in_force(k * period).price for k in range(lookback + 1)]
    return [(a > b) - (a < b) for a, b in pairwise(prices)]


def streak(own):
    count = next((k for k, x in enumerate(own) if x != own[0]), len(own))
    return own[0] * count


@in_every_episode
@pytest.mark.parametrize(("period", "lookback", "grid_s"), [(5, 10, 1), (0.5, 3, 1), (13, 2, 4), (30, 1, 2)])
def test_streaks_and_consistency_are_what_their_definitions_give(episode, period, lookback, grid_s):
    own = {"period": period, "lookback": lookback, "refresh": grid_s}
    names = ("MOMENTUM_STREAK", "DIRECTION_CONSISTENCY")
    seen = watch({name: {"type": name, **own} for name in names} | {"fine": {"type": "BEST_BID"}}, *episode)
    known = pasts(*episode, seen)
    warm = [past.is_warm(period * lookback) for past in known]

    def held(compute):
        taken = on_grid(
            seen, grid_s, lambda k: compute(directions(known[k], period, lookback)) if warm[k] else math.nan
        )
        return [float(x) if is_warm else math.nan for x, is_warm in zip(taken, warm, strict=True)]

    check("MOMENTUM_STREAK", seen, held(streak))
    check("DIRECTION_CONSISTENCY", seen, held(lambda own: max(own.count(1), own.count(-1)) / lookback))


def rsi(past, period, t1):
    own = [tick.price for tick in past.window(t1, 0)]
    if not past.is_warm(t1) or len(own) <= period:
        return math.nan
    changes = [b - a for a, b in pairwise(own)][-period:]
    rise, fall = math.fsum(max(x, 0) for x in changes), math.fsum(max(-x, 0) for x in changes)
    return 100 * rise / (rise + fall) if rise + fall > 0 else 50.0


@in_every_episode
def test_the_index_of_changes_is_what_its_definition_gives(episode):
    own = [(14, 60), (1, 5), (3, 20), (40, 300)]
    variants = {f"r{k}": {"type": "TICK_RSI", "period": period, "t1": t1} for k, (period, t1) in enumerate(own)}
    seen = watch(variants, *episode)
    for k, (period, t1) in enumerate(own):
        check(f"r{k}", seen, [rsi(past, period, t1) for past in pasts(*episode, seen)], scale=1.0)


def test_the_index_of_changes_is_50_when_all_are_flat_again():
    prices = [10.0, 0.1, 7.3, 10.1, 0.3, *[0.3] * 8, 0.4]
    seen = watch(
        {"own": {"type": "TICK_RSI", "period": 4, "t1": 60}},
        prints_of([(k + 60, p) for k, p in enumerate([1.0] * 60 + prices)]),
    )
    found = [one.values["own"][0] for one in seen if one.kind == "trade"]
    assert found[-2] == 50.0
    assert found[-1] == 100.0


# Surges ---------------------------------------------------------------------------------------------------------------

HAND = [(0, 0), (15, 12), (25, 8), (35, 11), (45, 9), (62, 40), (64, 30), (66, 50), (71, 1)]


def test_the_surge_is_the_one_computed_by_hand():
    prints = [Print(START_NS + ns(s), 10.0, float(v), 1, k) for k, (s, v) in enumerate(HAND, 1)]
    own = {"type": "VOLUME_SURGE_RATIO", "t1": 10, "t2": 0, "t3": 60, "t4": 10, "refresh": 1}
    seen = watch({"own": own}, prints)
    (at_70,) = [one for one in seen if one.ts_ns == START_NS + ns(70)]
    assert at_70.values["own"][1] == 9.0
    assert round(at_70.values["own"][0], 3) == 13.333


def typical(past, length, t3, t4):
    """The median of the whole buckets back from T - t4, their mean when it is 0, NaN when that is 0."""
    buckets, end = [], t4
    while end + length <= t3:
        buckets.append(math.fsum(tick.qty for tick in past.window(end + length, end)))
        end += length
    found = statistics.median(buckets) or statistics.fmean(buckets)
    return found or math.nan


def surge(seen, known, t1, t2, t3, t4, grid_s):
    taken, found = math.nan, []
    for one, past in zip(seen, known, strict=True):
        if not past.is_warm(t3):
            taken = math.nan
        elif one.kind == GRID and one.ts_ns % ns(grid_s) == 0:
            taken = typical(past, t1 - t2, t3, t4)
        found.append(math.fsum(tick.qty for tick in past.window(t1, t2)) / taken)
    return found


@in_every_episode
@pytest.mark.parametrize("own", [(10, 0, 60, 10), (7, 0, 60, 10), (3, 1, 90, 5), (0.5, 0, 20, 0)])
def test_the_surge_is_what_its_definition_gives_though_its_length_does_not_divide_the_base(episode, own):
    seen = watch(
        {"own": {"type": "VOLUME_SURGE_RATIO", "refresh": 2, **four(own)}, "fine": {"type": "BEST_BID"}}, *episode
    )
    check("own", seen, surge(seen, pasts(*episode, seen), *own, 2), scale=1.0)


def test_the_score_of_an_exhausted_fall_is_what_its_definition_gives():
    prints, quotes = random_market(7, count=900, quiet_share=0.005)
    own = {"volume_t1": 10, "volume_t3": 60, "volume_t4": 10, "imbalance_t1": 20, "lookback": 120, "base_d": 20}
    own |= {"max_velocity": 0.05, "refresh": 1}
    seen = watch({"own": {"type": "DUMP_EXHAUSTION_SCORE", **own}}, prints, quotes)
    known = pasts(prints, quotes, seen)
    volumes, wanted, retracements, kinds = surge(seen, known, 10, 0, 60, 10, 1), [], [], set()
    for past, volume in zip(known, volumes, strict=True):
        speed = 100 * (past.twpa(10, 0) / past.twpa(40, 30) - 1) / 30
        base, prices = past.twpa(120, 100), [tick.price for tick in past.window(120, 0)]
        is_pump = bool(prices) and max(prices) > base
        retraced = 100 * (max(prices) - prices[-1]) / (max(prices) - base) if is_pump else math.nan
        lean = past.time_mean(20, 0, lambda x: x.imbalance or 0, "quotes", lambda x: float(x.imbalance is not None))
        parts = [
            30 * (abs(speed) < 0.05) or 15 * (abs(speed) < 0.1),
            25 * (volume < 0.8) or 12.5 * (volume < 1.2),
            25 * (retraced >= 40) or 12.5 * (retraced >= 28),
            20 * (lean > -10) or 10 * (lean > -30),
        ]
        kinds |= {(k, x) for k, x in enumerate(parts)}
        retracements.append(retraced)
        wanted.append(math.nan if math.isnan(speed + volume + retraced + lean) else float(sum(parts)))
    assert len(kinds) == 12, "each part held, nearly held and did not"
    check("own", seen, retracements, output=1, scale=1.0)
    check("own", seen, wanted)


REFUSED = [
    ({"type": "VELOCITY", "t1": 0, "t2": 5}, "t1"),
    ({"type": "VELOCITY", "t3": 30, "t4": 30}, "t3"),
    ({"type": "VELOCITY_ACCELERATION", "short": 300}, "long"),
    ({"type": "MOMENTUM_STREAK", "period": 3600, "lookback": 100}, "lookback"),
    ({"type": "MAX_TWPA", "lookback": 86_400}, "lookback"),
    ({"type": "MAX_VELOCITY", "lookback": 86_400}, "lookback"),
    ({"type": "DUMP_EXHAUSTION_SCORE", "lookback": 60}, "lookback"),
    ({"type": "DUMP_EXHAUSTION_SCORE", "volume_t3": 50}, "volume_t3"),
]


@pytest.mark.parametrize(("variant", "field"), REFUSED)
def test_what_can_not_be_is_refused_by_name(variant, field):
    with pytest.raises(InputError, match=f"variants.own.{field}"):
        read(strategy_text({"own": variant}))
