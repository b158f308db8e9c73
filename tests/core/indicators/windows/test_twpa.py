"""TWPA by hand and by its definition, on every event of markets that are hard on windows."""

import math

import pytest
from tests.core.indicators.windows.harness import check, pasts, prints_of, random_market, watch

from tightloop.core import limits

FIXTURE = prints_of([(0, 10.00), (40, 10.50), (70, 11.00), (90, 10.80), (100, 10.80)])


def test_the_mean_over_time_is_the_one_computed_by_hand():
    seen = watch({"near": {"type": "TWPA", "t1": 60, "t2": 0}, "far": {"type": "TWPA", "t1": 100, "t2": 40}}, FIXTURE)
    assert seen[-1].values["near"][0] == pytest.approx((10.50 * 30 + 11.00 * 20 + 10.80 * 10) / 60, rel=1e-12)
    assert seen[-1].values["far"][0] == pytest.approx((10.00 * 40 + 10.50 * 20) / 60, rel=1e-12)
    assert round(seen[-1].values["near"][0], 6) == 10.716667
    assert round(seen[-1].values["far"][0], 6) == 10.166667


def test_nothing_is_known_before_a_print_lies_at_the_beginning_of_the_window():
    seen = watch({"near": {"type": "TWPA", "t1": 60, "t2": 0}}, FIXTURE)
    for one in seen:
        assert math.isnan(one.values["near"][0]) == (one.ts_ns < FIXTURE[0].ts_ns + 60 * 10**9)


WINDOWS = [(1, 0), (10, 0), (30, 7), (47, 13), (120, 0), (300, 299), (10.5, 0.25)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rows_min", [16, 1024])
def test_it_is_what_its_definition_gives_at_every_event(seed, rows_min, monkeypatch):
    monkeypatch.setattr(limits, "TAPE_ROWS_MIN", rows_min)
    prints, quotes = random_market(seed, gap_share=0.004 * (seed % 2))
    variants = {f"w{k}": {"type": "TWPA", "t1": t1, "t2": t2} for k, (t1, t2) in enumerate(WINDOWS)}
    seen = watch(variants, prints, quotes)
    known = pasts(prints, quotes, seen)
    for k, (t1, t2) in enumerate(WINDOWS):
        check(f"w{k}", seen, [past.twpa(t1, t2) for past in known])
