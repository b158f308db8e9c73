"""The plain indicators give the figures that were computed by hand."""

import numpy as np
import pytest

import indicators_brute as brute

AT = np.array([0, 40, 70, 90]) * brute.NS
PRICE = np.array([10.0, 10.5, 11.0, 10.8])
NOW = 100 * brute.NS
VOLUMES_AT = np.array([15, 25, 35, 45, 62, 64, 66]) * brute.NS
VOLUMES = np.array([12.0, 8.0, 11.0, 9.0, 40.0, 30.0, 50.0])


def test_time_weighted_prices():
    assert brute.twpa(AT, PRICE, NOW, 60, 0) == pytest.approx(10.716667, abs=1e-6)
    assert brute.twpa(AT, PRICE, NOW, 100, 40) == pytest.approx(10.166667, abs=1e-6)
    assert brute.twpa_ratio(AT, PRICE, NOW, 60, 0, 100, 40) == pytest.approx(1.054098, abs=1e-6)
    assert brute.pump_magnitude_pct(AT, PRICE, NOW, 10, 60, 30) == pytest.approx(2.857143, abs=1e-6)
    assert brute.price_velocity(AT, PRICE, NOW, 10, 60, 30) == pytest.approx(0.0714286, abs=1e-6)
    assert brute.momentum_decay(AT, PRICE, NOW, 60) == pytest.approx(1.818182, abs=1e-6)


def test_a_window_that_began_before_the_first_trade_is_unknown():
    assert np.isnan(brute.twpa(AT, PRICE, NOW, 101, 0))


def test_surges_of_volume():
    now = 70 * brute.NS
    assert brute.buckets(VOLUMES_AT, VOLUMES, now, 10, 0, 60, 10) == [0.0, 9.0, 11.0, 8.0, 12.0]
    early = np.concatenate(([0], VOLUMES_AT)), np.concatenate(([5.0], VOLUMES))
    assert brute.volume_surge_ratio(*early, now, 10, 0, 60, 10) == pytest.approx(13.333, abs=1e-3)
    assert brute.volume_surge(VOLUMES_AT, VOLUMES, now, 10, 0, 60, 10) == pytest.approx(15.0)
    assert np.isnan(brute.volume_surge_ratio(VOLUMES_AT, VOLUMES, now, 10, 0, 60, 10)), "no trade by T - t3: not warm"


def test_a_trade_at_the_edge_belongs_to_one_window():
    now = 70 * brute.NS
    at = np.array([60]) * brute.NS
    one = np.array([1.0])
    assert brute.window_sum(at, one, now, 10, 0) + brute.window_sum(at, one, now, 20, 10) == 1.0
    assert brute.window_sum(at, one, now, 20, 10) == 1.0
