"""Volume, deals and takers over windows: by hand, and by their definitions on every event of hard markets."""

import math

import pytest
from tests.core.indicators.windows import definitions as by
from tests.core.indicators.windows.harness import check, pasts, prints_of, random_market, watch

from tightloop.core import limits

# The trades of the specification, and one exactly where the base begins: it is not in the base, and makes it known.
FIXTURE = prints_of(
    [
        *((10, 10.0, 99), (15, 10.0, 12), (25, 10.0, 8), (35, 10.0, 11), (45, 10.0, 9)),
        *((62, 10.0, 40, 1), (64, 10.0, 30, -1), (66, 10.0, 50, 1), (70, 10.0, 0)),
    ]
)
CUR_AND_BASE = {"t1": 10, "t2": 0, "t3": 60, "t4": 10}


def last_of(kind, **parameters):
    return watch({"v": {"type": kind, **parameters}}, FIXTURE)[-1].values["v"][0]


def test_a_surge_is_the_rate_of_volume_against_that_of_the_base():
    assert last_of("VOLUME_SURGE", **CUR_AND_BASE) == pytest.approx(120 / (40 / 5), rel=1e-12)
    assert last_of("VOLUME_SURGE", **CUR_AND_BASE) == pytest.approx(15.0, rel=1e-12)


def test_figures_of_one_window_are_those_computed_by_hand():
    assert last_of("TRADE_FREQUENCY", t1=10, t2=0) == pytest.approx(60 * 4 / 10)
    assert last_of("AVERAGE_TRADE_SIZE", t1=10, t2=0) == pytest.approx(120 / 4)
    assert last_of("TRADE_SIZE_MOMENTUM", **CUR_AND_BASE) == pytest.approx(30 / 10)
    assert last_of("TRADE_FREQUENCY_SPIKE", **CUR_AND_BASE) == pytest.approx((4 / 10) / (4 / 50))
    assert last_of("VOLUME_CONCENTRATION", short=10, long=60) == pytest.approx(120 / 160)
    assert last_of("ORDER_FLOW_IMBALANCE", t1=10, t2=0) == pytest.approx(100 * (90 - 30) / 120)


def test_a_window_without_a_deal_has_none_and_no_mean():
    quiet = {"t1": 18, "t2": 10}  # (52, 60]
    assert last_of("TRADE_FREQUENCY", **quiet) == 0.0
    assert last_of("VOLUME_SURGE", **quiet, t3=60, t4=18) == 0.0
    assert math.isnan(last_of("AVERAGE_TRADE_SIZE", **quiet))
    assert math.isnan(last_of("ORDER_FLOW_IMBALANCE", **quiet))
    assert math.isnan(last_of("VOLUME_SURGE", t1=10, t2=0, t3=18, t4=10))
    assert math.isnan(last_of("TRADE_SIZE_MOMENTUM", t1=10, t2=0, t3=18, t4=10))


def test_volume_and_change_of_price_that_go_together_correlate_in_full():
    rows = [(0, 100.0, 1.0)]
    for k in range(1, 13):
        rows.append((k, rows[-1][1] + 0.5 * k * (-1) ** k, 3.0 + 0.5 * k * (-1) ** k + 6.0))
    seen = watch({"v": {"type": "VOLUME_PRICE_CORRELATION", "t1": 12, "t2": 0}}, prints_of(rows))
    assert seen[-1].values["v"][0] == pytest.approx(1.0)
    flat = watch(
        {"v": {"type": "VOLUME_PRICE_CORRELATION", "t1": 12, "t2": 0}}, prints_of([(k, 9.9) for k in range(13)])
    )
    assert math.isnan(flat[-1].values["v"][0])


def flow_reversal(past, t1, t2, t3, t4):
    cur, base = by.flow_imbalance(past, t1, t2) / 100, by.flow_imbalance(past, t3, t4) / 100
    return (base - cur) / (1 + abs(base))


def concentration(past, short, long):
    return by.ratio(by.volume(past, short, 0), by.volume(past, long, 0))


SINGLE = [(30, 0), (1, 0), (47, 13), (2.5, 0.25)]
PAIRS = [(10, 0, 60, 10), (5, 0, 100, 30), (7, 2, 3, 1), (30, 0, 200, 30), (2, 0.5, 40, 0)]
SHARES = [(10, 60), (1, 3), (30, 200)]
OF_ONE = {
    "TRADE_FREQUENCY": lambda past, t1, t2: 60 * by.deals(past, t1, t2) / (t1 - t2),
    "AVERAGE_TRADE_SIZE": by.deal_size,
    "ORDER_FLOW_IMBALANCE": by.flow_imbalance,
    "VOLUME_PRICE_CORRELATION": by.correlation,
}
OF_TWO = {
    "VOLUME_SURGE": by.surge,
    "TRADE_FREQUENCY_SPIKE": by.frequency_spike,
    "VOLUME_ACCELERATION": lambda past, *w: by.surge(past, *w) - by.surge(past.at(w[0] - w[1]), *w),
    "TRADE_SIZE_MOMENTUM": lambda past, *w: by.ratio(by.deal_size(past, *w[:2]), by.deal_size(past, *w[2:])),
    "ORDER_FLOW_REVERSAL": flow_reversal,
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rows_min", [16, 1024])
def test_every_one_is_what_its_definition_gives_at_every_event(seed, rows_min, monkeypatch):
    monkeypatch.setattr(limits, "TAPE_ROWS_MIN", rows_min)
    prints, _ = random_market(seed, gap_share=0.01 * (seed % 2))
    cases = [(k, dict(zip(("t1", "t2"), w, strict=True)), w, f) for k, f in OF_ONE.items() for w in SINGLE]
    cases += [(k, dict(zip(("t1", "t2", "t3", "t4"), w, strict=True)), w, f) for k, f in OF_TWO.items() for w in PAIRS]
    cases += [("VOLUME_CONCENTRATION", {"short": w[0], "long": w[1]}, w, concentration) for w in SHARES]
    named = {f"v{n}": {"type": kind, **parameters} for n, (kind, parameters, _, _) in enumerate(cases)}
    seen = watch(named, prints)
    known = pasts(prints, (), seen)
    for name, (kind, _, window, define) in zip(named, cases, strict=True):
        expected = [define(past, *window) for past in known]
        is_too_short = kind == "VOLUME_PRICE_CORRELATION" and window[0] < 5
        if not ((seed % 2 or is_too_short) and all(map(math.isnan, expected))):
            check(name, seen, expected, scale=1.0)
