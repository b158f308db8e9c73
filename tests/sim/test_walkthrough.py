"""The tape of the walk-through has the values that its timeline tells, by the definitions of the indicators."""

import numpy as np
import pytest

import indicators_brute as brute
from sim import walkthrough
from sim.walkthrough import T0_NS, T0_S, Z1_S
from tightloop.adapters.data.quality import calendars, check, select

TRADES, QUOTES = walkthrough.tape()
AT, PRICE, QTY = (TRADES[name] for name in ("ts_init_ns", "price", "qty"))


def moment(seconds):
    return T0_NS + round(seconds * 4) * 250_000_000


def up_to(columns, now_ns):
    return {name: column[columns["ts_init_ns"] <= now_ns] for name, column in columns.items()}


def values(seconds, with_support=False):
    """The variants of the strategy at a moment, from the rows that were known then."""
    now = moment(seconds)
    trades, quotes = up_to(TRADES, now), up_to(QUOTES, now)
    at, price, qty = trades["ts_init_ns"], trades["price"], trades["qty"]
    seen = quotes["ts_init_ns"]
    recent = slice(max(int(np.searchsorted(seen, now - 16 * brute.NS)) - 1, 0), None)
    return {
        "pump": brute.pump_magnitude_pct(at, price, now, 10, 60, 30),
        "surge": brute.volume_surge_ratio(at, qty, now, 30, 0, 600, 30),
        "vel": brute.price_velocity(at, price, now, 10, 40, 10),
        "spread": brute.spread_pct(seen, quotes["bid"], quotes["ask"], now),
        "imb": brute.bid_ask_imbalance(seen[recent], quotes["bid_qty"][recent], quotes["ask_qty"][recent], now, 15, 0),
        **({"supp": brute.support_level_proximity(at, price, now, 10, 3600, 600)} if with_support else {}),
    }


def s1(found):
    return found["pump"] >= 8 and found["surge"] >= 3.5 and found["vel"] >= 0.25 and found["spread"] <= 1.5


def test_s1_holds_first_at_t0():
    assert [q / 4 for q in range(-160, 1) if s1(values(q / 4))] == [0.0]
    found = values(0)
    assert found["pump"] == pytest.approx(8.1)
    assert found["vel"] == pytest.approx(0.27)
    assert found["surge"] == pytest.approx(1432 / 300)
    assert found["spread"] < 0.1


def test_the_price_goes_from_1_to_the_peak_in_30_seconds():
    assert PRICE[np.searchsorted(AT, moment(-30))] == 1.0
    assert PRICE[np.searchsorted(AT, moment(0))] == PRICE.max() == 1.09
    assert PRICE[-1] == 1.02


def test_z1_holds_38_seconds_later_and_no_sooner():
    dominated = [q / 4 for q in range(1, 181) if values(q / 4)["imb"] <= -15]
    assert dominated[0] == Z1_S - 3
    assert dominated == [q / 4 for q in range(140, 181)]
    found = values(Z1_S)
    assert found["imb"] == pytest.approx(-22.0)
    assert found["vel"] == pytest.approx(0.01, abs=1e-4)
    assert found["surge"] >= 1
    quote = int(np.searchsorted(QUOTES["ts_init_ns"], moment(Z1_S)))
    assert QUOTES["bid"][quote - 1] == QUOTES["bid"][quote] == 1.086
    assert QUOTES["bid_qty"][quote - 1] > 368.324


def test_the_signal_is_not_cancelled_before_and_nothing_alarms():
    for quarter in range(1, 153):
        found = values(quarter / 4)
        assert found["pump"] >= 1
        assert found["vel"] < 0.5
        assert found["spread"] < 1


def test_the_ladder_is_traded_through_before_the_support_is_near():
    near = next(s for s in range(45, 200, 5) if values(s, True)["supp"] <= 2 * (1 + 1e-9))
    for price in (1.063, 1.045, 1.027):
        through = (AT[(price > PRICE) & (AT > T0_NS)][0] - T0_NS) / 1e9
        assert 45 < through < near
    assert PRICE.max() < 1.15116


def test_every_window_is_warm_at_t0():
    assert AT[0] == T0_NS - T0_S * 1_000_000_000
    assert not any(np.isnan(value) for value in values(0, True).values())
    assert T0_S > 3600


def test_its_catalog_is_fit(tmp_path):
    root = walkthrough.write_catalog(tmp_path, delay_ns=5_000_000)
    reports = list(check(select(root), calendars(root)))
    assert len(reports) == 9
    assert [report.path for report in reports if report.faults] == []
