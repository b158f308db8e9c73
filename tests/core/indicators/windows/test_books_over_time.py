"""Quotes over windows: by hand, and by their definitions on every event of hard markets."""

import math

import pytest
from tests.core.indicators.windows import definitions as by
from tests.core.indicators.windows.harness import check, pasts, prints_of, quotes_of, random_market, watch

from tightloop.core import limits

# (seconds, bid, quantity, ask, quantity); the last says nothing new, and lets time come to 100.
FIXTURE = quotes_of(
    [
        (0, 9.9, 10, 10.1, 10),
        (40, 9.8, 20, 10.2, 5),
        (70, 10.0, 0, 10.1, 0),
        (90, 10.0, 4, 10.3, 6),
        (100, 10.0, 4, 10.3, 6),
    ]
)
PRINTS = prints_of([(0, 10.0), (50, 10.4), (100, 10.4)])


def last_of(kind, **parameters):
    return watch({"v": {"type": kind, **parameters}}, PRINTS, FIXTURE)[-1].values["v"]


def test_figures_are_those_computed_by_hand():
    mid = (10.0 * 30 + 10.05 * 20 + 10.15 * 10) / 60
    spread = (0.4 * 30 + 0.1 * 20 + 0.3 * 10) / 60
    money = ((20 * 9.8 + 5 * 10.2) * 30 + 0 * 20 + (4 * 10.0 + 6 * 10.3) * 10) / 60
    window = {"t1": 60, "t2": 0}
    assert last_of("SPREAD_PERCENTAGE", **window)[0] == pytest.approx(100 * spread / mid)
    assert last_of("TOTAL_LIQUIDITY", **window)[0] == pytest.approx(money)
    assert last_of("MID_PRICE_VELOCITY", t1=60)[0] == pytest.approx(100 * (10.15 - mid) / mid)
    deal = (10.0 * 10 + 10.4 * 50) / 60
    assert last_of("DEAL_VS_MID_DEVIATION", **window)[0] == pytest.approx(100 * abs(deal - mid) / mid)
    pair = {"t1": 60, "t2": 0, "t3": 100, "t4": 60}
    assert last_of("SPREAD_WIDENING_RATIO", **pair)[0] == pytest.approx(spread / 0.2)
    assert last_of("LIQUIDITY_RATIO", **pair)[0] == pytest.approx(money / (10 * 9.9 + 10 * 10.1))


def test_a_book_without_quantities_is_no_base_and_has_no_liquidity():
    assert last_of("TOTAL_LIQUIDITY", t1=30, t2=10)[0] == 0.0
    assert math.isnan(last_of("LIQUIDITY_RATIO", t1=10, t2=0, t3=30, t4=10)[0])


def test_a_base_whose_bid_meets_the_ask_is_no_base_of_a_spread():
    locked = quotes_of([(0, 10.0, 1, 10.0, 1), (50, 9.9, 1, 10.1, 1), (60, 9.9, 1, 10.1, 1)])
    seen = watch({"v": {"type": "SPREAD_WIDENING_RATIO", "t1": 10, "t2": 0, "t3": 60, "t4": 10}}, PRINTS[:2], locked)
    assert math.isnan(seen[-1].values["v"][0])


def test_sigma_of_the_spread_needs_five_quotes():
    rows = [(0, 9.5, 1, 10.5, 1)] + [(k, 10.0 - k / 20, 1, 10.0 + k / 20, 1) for k in (1, 2, 3, 4, 5)]
    seen = watch({"v": {"type": "SPREAD_VOLATILITY", "t1": 5, "t2": 0}}, PRINTS, quotes_of(rows))
    value, pct = next(one for one in seen if one.quotes == 6).values["v"]
    assert value == pytest.approx(math.sqrt(2) / 10)
    assert pct == pytest.approx(100 * math.sqrt(2) / 10 / 10.0)
    fewer = watch({"v": {"type": "SPREAD_VOLATILITY", "t1": 4, "t2": 0}}, PRINTS, quotes_of(rows))
    assert math.isnan(next(one for one in fewer if one.quotes == 6).values["v"][0])


SINGLE = [(30, 0), (1, 0), (47, 13), (2.5, 0.25)]
PAIRS = [(10, 0, 60, 10), (5, 0, 100, 30), (7, 2, 3, 1), (30, 0, 200, 30)]


def mid_velocity(past, t1):
    return by.move_pct(past.quotes[-1].mid, by.quote_mean(past, t1, 0, "mid")) if past.quotes else math.nan


def ratio_of(name):
    def compute(past, t1, t2, t3, t4):
        return by.ratio(by.quote_mean(past, t1, t2, name), by.quote_mean(past, t3, t4, name))

    return compute


# Percentages of a difference of prices, and a root of a difference of squares: good to 1e-9 of what is subtracted.
SCALES = {"MID_PRICE_VELOCITY": 100.0, "DEAL_VS_MID_DEVIATION": 100.0, "SPREAD_VOLATILITY": 0.1}
DEFINED = {
    "MID_PRICE_VELOCITY": (("t1",), [(30,), (1,), (2.5,), (100,)], mid_velocity),
    "SPREAD_PERCENTAGE": (
        ("t1", "t2"),
        SINGLE,
        lambda past, *w: 100 * by.quote_mean(past, *w, "spread") / by.quote_mean(past, *w, "mid"),
    ),
    "SPREAD_VOLATILITY": (("t1", "t2"), SINGLE, by.spread_volatility),
    "SPREAD_WIDENING_RATIO": (("t1", "t2", "t3", "t4"), PAIRS, ratio_of("spread")),
    "TOTAL_LIQUIDITY": (("t1", "t2"), SINGLE, lambda past, *w: by.quote_mean(past, *w, "liquidity")),
    "LIQUIDITY_RATIO": (("t1", "t2", "t3", "t4"), PAIRS, ratio_of("liquidity")),
    "DEAL_VS_MID_DEVIATION": (
        ("t1", "t2"),
        SINGLE,
        lambda past, *w: abs(by.move_pct(past.twpa(*w), by.quote_mean(past, *w, "mid"))),
    ),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rows_min", [16, 1024])
def test_every_one_is_what_its_definition_gives_at_every_event(seed, rows_min, monkeypatch):
    monkeypatch.setattr(limits, "TAPE_ROWS_MIN", rows_min)
    prints, quotes = random_market(seed, gap_share=0.01 * (seed % 2))
    cases = [
        (kind, dict(zip(keys, window, strict=True)), window, define)
        for kind, (keys, windows, define) in DEFINED.items()
        for window in windows
    ]
    named = {f"v{n}": {"type": kind, **parameters} for n, (kind, parameters, _, _) in enumerate(cases)}
    seen = watch(named, prints, quotes)
    known = pasts(prints, quotes, seen)
    for name, (kind, _, window, define) in zip(named, cases, strict=True):
        expected = [define(past, *window) for past in known]
        if not (seed % 2 and all(map(math.isnan, expected))):
            check(name, seen, expected, scale=SCALES.get(kind, 0.0))
