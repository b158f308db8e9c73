"""The acceptance scenarios of the signal strategies on ticks: 2, 3 and 12. Scenario 1 is ``test_peak_fade.py``."""

import json

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import indicators_brute as brute
from sim.market import when
from sim.tick_market import START_NS, A, B, fired, rows_of, run, steady, strategy, write_catalog
from tightloop.app.analysis.explain import explain
from tightloop.app.cli.main import main

ALWAYS, NEVER = 'all: [{vol: "> 0"}]', 'all: [{vol: "< 0"}]'


def quiet(last):
    return steady(0, last, 1, 100.0, 100.1), steady(0, last, 1, 100.0, 1)


# 2: no order at S1


def test_scenario_2_a_signal_without_entry_ends_at_exactly_its_timeout_and_rests():
    text = strategy(s1=ALWAYS, z1=NEVER, o1="timeout_s: 240, cooldown_min: 5", limits="{max_concurrent_positions: 1}")
    quotes, prints = quiet(700)
    quotes = [(at + 0.35, *rest) for at, *rest in quotes]  # no tick at the time at which the timeout is due
    done = run(text, (quotes, [(at + 0.3, *rest) for at, *rest in prints]))
    assert done.orders.is_empty()
    assert [(row.ts, row.to_state) for row in rows_of(done.transitions)] == [
        (0.35, "SIGNAL_DETECTED"),
        (240.35, "SIGNAL_CANCELLED"),
        (540.35, "MONITORING"),
        (540.35, "SIGNAL_DETECTED"),
    ]
    assert fired(done) == [(0.35, "S1"), (240.35, "O1"), (540.35, "S1")]


def test_scenario_2_a_cancelled_signal_gives_its_slot_back_while_it_rests():
    text = strategy(
        instruments=(A, B), s1=ALWAYS, z1=NEVER, o1="timeout_s: 240, cooldown_min: 5",
        limits="{max_concurrent_positions: 1}",
    )  # fmt: skip
    done = run(text, {A: quiet(300), B: quiet(300)})
    assert fired(done, instrument=A) == [(0.0, "S1"), (240.0, "O1")]
    assert fired(done, instrument=B) == [(240.0, "S1")]


# 3: the emergency exit comes first


def test_scenario_3_of_a_close_and_an_emergency_exit_of_one_tick_the_emergency_exit_is_sent():
    quotes, prints = quiet(60)
    quotes[10], quotes[20] = (10.0, 100.0, 100.1, "S1"), (20.0, 99.0, 99.1, "ZE1+E1")
    for k in range(21, 60):
        quotes[k] = (float(k), 99.0, 99.1, "S1")
    text = strategy(
        size="{type: units, value: 3}",
        stop="{type: percent, value: 9}",
        e1=f"{when('E1')}, cooldown_min: 0.5",
        latency="{submit_ms: 200, cancel_ms: 200, response_ms: 200, clock: receive}",
    )
    done = run(text, (quotes, prints))
    exits = [own for own in rows_of(done.orders) if own.role in ("e1", "ze1")]
    assert [(own.role, own.submitted_ts, own.qty, own.state) for own in exits] == [("e1", 20.0, 3.0, "FILLED")]
    (first, second) = rows_of(done.trades)
    assert (first.exit_ts, first.exit_reason, first.qty) == (20.2, "E1", 3.0)
    assert [section for _, section in fired(done)] == ["S1", "Z1", "E1", "S1", "Z1"]
    # Half a minute from the moment at which it is known to be flat, 20.4; the next tick is that of 51.
    assert [at for at, section in fired(done) if section == "S1"] == [10.0, 51.0]
    assert second.exit_ts is None


# 12: why, and why not

PUMP = "mag: {type: PUMP_MAGNITUDE_PCT, t1: 10, t3: 60, d: 30}"


def pumped():
    """Up by 6.1 % for a quarter of a minute, from second 100 on."""
    prices = [(float(at), 106.1 if 100 <= at < 115 else 100.0) for at in range(200)]
    return [(at, price - 0.05, price + 0.05) for at, price in prices], [(at, price, 1) for at, price in prices]


def tightloop(*arguments):
    done = CliRunner().invoke(main, [str(own) for own in arguments])
    assert done.exit_code == 0, done.output
    return done.output.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_catalog(tmp_path / "data", {A: pumped()})
    return tmp_path


def made(place, threshold):
    s1 = f"all: [{{mag: '>= {threshold}'}}, {{vol: '> 0'}}]"
    (place / "s.yaml").write_text(strategy(variants=PUMP, s1=s1, ze1="", e1="", o1=""))
    tightloop("backtest", "s.yaml", "--out", "run", "--no-report")
    return place / "run"


def test_scenario_12_why_not_says_the_closest_approach_when_and_by_how_much_it_missed(place):
    out = made(place, 7)
    assert pl.read_parquet(out / "signals.parquet").is_empty()
    own = next(row for row in explain(out)["why_not"] if row["section"] == "S1")
    magnitude, volume = own["conditions"]
    assert magnitude["nearest"]["value"] == pytest.approx(6.1)
    assert magnitude["nearest"]["gap"] == pytest.approx(0.9)
    assert (magnitude["nearest"]["ts"] - START_NS) / 1e9 == 110.0, "ten seconds of 106.1 against thirty of 100"
    assert magnitude["true"] == 0 < magnitude["unknown"]
    assert (volume["false"], own["fired"]) == (0, 0)
    assert "missed by 0.9" in tightloop("explain", "run")


def test_scenario_12_a_signal_that_fired_keeps_values_that_come_out_again_offline(place):
    out = made(place, 6)
    (signal,) = rows_of(pl.read_parquet(out / "signals.parquet"), section="S1")
    stored = json.loads(signal.conditions)
    _quotes, prints = pumped()
    at_ns = np.array([round(at * 1e9) for at, *_ in prints])
    price = np.array([row[1] for row in prints])
    offline = brute.pump_magnitude_pct(at_ns, price, round(signal.ts * 1e9), 10, 60, 30)
    assert (stored[0]["threshold"], stored[0]["verdict"]) == (6, "TRUE")
    assert stored[0]["value"] == pytest.approx(offline, rel=1e-9)
    before = brute.pump_magnitude_pct(at_ns, price, round(signal.ts * 1e9) - 10**9, 10, 60, 30)
    assert before < 6 <= offline
    again = explain(out, signal=signal.signal_id)["signal"]["sections"][0]
    assert again["is_equal"]
    assert [own["value"] for own in again["tree"] if "value" in own] == [own["value"] for own in stored]
