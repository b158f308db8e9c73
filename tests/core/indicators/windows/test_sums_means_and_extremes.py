"""Sums, counts, means and extremes over one window, by their definitions, at every event."""

import math

import pytest
from tests.core.indicators.windows.harness import START_NS, check, ns, pasts, prints_of, random_market, watch

from tightloop.core import limits

WINDOWS = [(1, 0), (10, 0), (30, 7), (47, 13), (120, 0), (0.5, 0.25)]
EPISODES = [(seed, rows_min, share) for seed, rows_min, share in ((1, 16, 0.0), (2, 1024, 0.005), (3, 32, 0.003))]


def over(past, t1, t2, compute, tape="trades"):
    """What is computed from the ticks of a window; NaN before it is known."""
    return compute(past.window(t1, t2, tape)) if past.is_warm(t1, tape) else math.nan


def ratio(part, whole):
    return part / whole if whole > 0 else math.nan


def first_price(past, t1, t2, carried):
    own = past.window(t1, t2)
    if not past.is_warm(t1) or not (own or carried):
        return math.nan
    return own[0].price if own else past.in_force(t1).price


def last_price(past, t1, t2, carried):
    own = past.window(t1, t2)
    if not past.is_warm(t1) or not (own or carried):
        return math.nan
    return own[-1].price if own else past.in_force(t2).price


def extreme(past, t1, t2, carried, pick):
    if not past.is_warm(t1):
        return math.nan
    prices = [tick.price for tick in past.window(t1, t2)]
    prices += [past.in_force(t1).price] if carried else []
    return pick(prices) if prices else math.nan


ONE_WINDOW = {
    "SUM_VOLUME": lambda past, t1, t2: over(past, t1, t2, lambda own: math.fsum(x.qty for x in own)),
    "COUNT_DEALS": lambda past, t1, t2: over(past, t1, t2, lambda own: float(len(own))),
    "AVG_VOLUME": lambda past, t1, t2: over(past, t1, t2, lambda own: ratio(math.fsum(x.qty for x in own), len(own))),
    "TICK_VWAP": lambda past, t1, t2: over(
        past, t1, t2, lambda own: ratio(math.fsum(x.price * x.qty for x in own), math.fsum(x.qty for x in own))
    ),
    "VTWPA": lambda past, t1, t2: past.time_mean(t1, t2, lambda x: x.price, weigh=lambda x: x.qty),
    "AVG_BEST_BID": lambda past, t1, t2: past.time_mean(t1, t2, lambda x: x.bid, "quotes"),
    "AVG_BEST_ASK": lambda past, t1, t2: past.time_mean(t1, t2, lambda x: x.ask, "quotes"),
    "AVG_BID_QTY": lambda past, t1, t2: past.time_mean(t1, t2, lambda x: x.bid_qty, "quotes"),
    "AVG_ASK_QTY": lambda past, t1, t2: past.time_mean(t1, t2, lambda x: x.ask_qty, "quotes"),
    "TW_MIDPRICE": lambda past, t1, t2: past.time_mean(t1, t2, lambda x: x.mid, "quotes"),
}
WITH_CARRIED = {
    "MAX_PRICE": lambda past, t1, t2, carried: extreme(past, t1, t2, carried, max),
    "MIN_PRICE": lambda past, t1, t2, carried: extreme(past, t1, t2, carried, min),
    "FIRST_PRICE": first_price,
    "LAST_PRICE": last_price,
}
SCALES = {"SUM_VOLUME": 1.0, "AVG_VOLUME": 1.0, "AVG_BID_QTY": 1.0, "AVG_ASK_QTY": 1.0}


@pytest.mark.parametrize(("seed", "rows_min", "gap_share"), EPISODES)
def test_each_is_what_its_definition_gives_at_every_event(seed, rows_min, gap_share, monkeypatch):
    monkeypatch.setattr(limits, "TAPE_ROWS_MIN", rows_min)
    prints, quotes = random_market(seed, gap_share=gap_share)
    variants = {}
    for k, (t1, t2) in enumerate(WINDOWS):
        variants |= {f"{name}_{k}": {"type": name, "t1": t1, "t2": t2} for name in ONE_WINDOW}
        for carried in ("excluded", "included"):
            own = {"t1": t1, "t2": t2, "carried": carried}
            variants |= {f"{name}_{k}_{carried}": {"type": name, **own} for name in WITH_CARRIED}
    seen = watch(variants, prints, quotes)
    known = pasts(prints, quotes, seen)
    for k, (t1, t2) in enumerate(WINDOWS):
        for name, compute in ONE_WINDOW.items():
            check(f"{name}_{k}", seen, [compute(past, t1, t2) for past in known], scale=SCALES.get(name, 0.0))
        for name, compute in WITH_CARRIED.items():
            for carried in ("excluded", "included"):
                wanted = [compute(past, t1, t2, carried == "included") for past in known]
                check(f"{name}_{k}_{carried}", seen, wanted)


@pytest.mark.parametrize(("seed", "rows_min", "gap_share"), EPISODES)
def test_momentum_decay_is_what_its_definition_gives_at_every_event(seed, rows_min, gap_share, monkeypatch):
    monkeypatch.setattr(limits, "TAPE_ROWS_MIN", rows_min)
    prints, quotes = random_market(seed, gap_share=gap_share)
    seen = watch({f"w{t1}": {"type": "MOMENTUM_DECAY", "t1": t1} for t1 in (1, 10, 60, 300)}, prints, quotes)
    for t1 in (1, 10, 60, 300):
        wanted = []
        for past in pasts(prints, quotes, seen):
            prices = [tick.price for tick in past.window(t1, 0)] if past.is_warm(t1) else []
            wanted.append(100 * (max(prices) - prices[-1]) / max(prices) if prices else math.nan)
        check(f"w{t1}", seen, wanted, scale=1.0)


def test_momentum_decay_is_the_one_computed_by_hand():
    prints = prints_of([(0, 10.00), (40, 10.50), (70, 11.00), (90, 10.80), (101, 9.00)])
    seen = watch({"decay": {"type": "MOMENTUM_DECAY", "t1": 60, "refresh": 1}}, prints)
    (at_100,) = [one for one in seen if one.ts_ns == START_NS + ns(100)]
    assert round(at_100.values["decay"][0], 6) == 1.818182


def test_an_empty_window_has_the_sum_0_the_count_0_and_no_mean_or_extreme():
    prints = prints_of([(0, 10.0, 3.0), (1, 11.0, 2.0), (60, 9.0, 1.0)])
    names = ["SUM_VOLUME", "COUNT_DEALS", "AVG_VOLUME", "TICK_VWAP", "MAX_PRICE", "MIN_PRICE", "FIRST_PRICE"]
    seen = watch({name: {"type": name, "t1": 10, "t2": 0, "refresh": 1} for name in names}, prints)
    (at_30,) = [one for one in seen if one.ts_ns == START_NS + ns(30)]
    found = [at_30.values[name][0] for name in names]
    assert found[:2] == [0.0, 0.0]
    assert all(math.isnan(x) for x in found[2:6])
    assert found[6] == 11.0


def test_a_print_at_the_beginning_of_the_window_is_not_in_it_and_one_at_its_end_is():
    prints = prints_of([(0, 10.0, 1.0), (5, 10.0, 2.0), (10, 10.0, 4.0), (15, 10.0, 8.0)])
    seen = watch({"sum": {"type": "SUM_VOLUME", "t1": 10, "t2": 5}}, prints)
    assert seen[-1].values["sum"][0] == 4.0


@pytest.mark.parametrize("name", ["BEST_BID", "BEST_ASK", "BID_QTY", "ASK_QTY"])
def test_the_last_quote_is_what_it_is(name):
    prints, quotes = random_market(5, count=120)
    seen = watch({"own": {"type": name}}, prints, quotes)
    field = {"BEST_BID": "bid", "BEST_ASK": "ask"}.get(name, name.lower())
    wanted = [getattr(quotes[one.quotes - 1], field) if one.quotes else math.nan for one in seen]
    check("own", seen, wanted)
