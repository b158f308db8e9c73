"""Acceptance scenario 1, the walk-through of the peak-fade short to the digit: one pump, two calm coins."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from sim import walkthrough
from sim.walkthrough import CALM, PUMPED, T0_NS
from tightloop.app.analysis.explain import explain
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs.signal import TABLES

STRATEGY = Path(__file__).resolve().parents[2] / "strategies" / "ticks" / "peak_fade_short.yaml"
EVERYTHING = [PUMPED, *CALM]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return walkthrough.write_catalog(tmp_path_factory.mktemp("walkthrough"), delay_ns=5_000_000)


@pytest.fixture(scope="module")
def run(catalog):
    return runs_backtest.backtest(STRATEGY, data=catalog, instruments=EVERYTHING)


def seconds(frame, column):
    return [(ts - T0_NS) / 1e9 for ts in frame[column]]


def test_the_machine_goes_through_its_states_at_the_times_of_the_timeline(run):
    states = list(zip(seconds(run.transitions, "ts"), run.transitions["to_state"], strict=True))
    assert states[:4] == [
        (0.0, "SIGNAL_DETECTED"),
        (38.0, "ENTRY_EVALUATION"),
        (38.0, "ENTRY_PENDING"),
        (pytest.approx(38.005, abs=0.01), "POSITION_ACTIVE"),
    ]
    assert [state for _, state in states[4:]] == ["EXITED", "MONITORING"]
    assert set(run.transitions["instrument"]) == {PUMPED}


def test_the_orders_have_the_figures_of_the_walk_through(run):
    orders = run.orders.select("role", "qty", "price", "stop_price", "state").rows()
    assert orders[0] == ("entry", 368.324, 1.086, None, "FILLED")
    assert orders[1] == ("stop_loss", pytest.approx(110.498), None, 1.15116, "CANCELED")
    assert [order[2] for order in orders[2:]] == [1.063, 1.045, 1.027]
    assert [round(order[1] / 368.324, 3) for order in orders[2:]] == [0.3, 0.4, 0.3]
    assert all(order[4] == "FILLED" for order in orders[2:])


def test_the_result_is_that_of_the_hand(run):
    steps = [(110.497, 1.063), (147.329, 1.045), (110.498, 1.027)]
    gross = sum(qty * (1.086 - price) for qty, price in steps)
    fees = 368.324 * 1.086 * 5e-4 + sum(qty * price for qty, price in steps) * 2e-4
    assert run.trades["pnl"].to_list() == [pytest.approx(gross - fees, abs=1e-6)]
    assert run.summary["final_equity"] == pytest.approx(20_000 + gross - fees, abs=1e-6)


def test_what_is_held_has_the_notional_and_the_margin_of_the_walk_through(run, tmp_path):
    run.write(tmp_path / "run", report=False)
    after = datetime.fromtimestamp((T0_NS + 40 * 10**9) / 1e9, UTC).isoformat()
    instances = explain(tmp_path / "run", at=after)["at"]["instances"]
    held = {own["instrument"]: own["position"] for own in instances}
    assert [held[name] for name in CALM] == [None, None]
    own = held[PUMPED]
    assert (own["qty"], own["entry_price"]) == (-368.324, 1.086)
    assert own["margin"] == pytest.approx(368.324 * 1.086 / 2)
    assert own["margin"] == pytest.approx(200, abs=1e-3), "400 of 20 000, at a leverage of 2"


def test_every_row_says_of_which_session_and_signal_it_is(run):
    for frame in (run.orders, run.fills, run.trades):
        assert frame["session_id"].null_count() == 0
        assert frame["signal_id"].null_count() == 0
        assert frame["signal_id"].n_unique() == 1


def test_both_drivers_and_another_run_end_alike(run, catalog):
    again = runs_backtest.backtest(STRATEGY, data=catalog, instruments=EVERYTHING)
    one_by_one = runs_backtest.backtest(STRATEGY, data=catalog, instruments=EVERYTHING, one_by_one=True)
    assert run.summary["state_hash"] == again.summary["state_hash"] == one_by_one.summary["state_hash"]
    for name in TABLES:
        assert getattr(run, name).equals(getattr(one_by_one, name))


def test_a_gap_while_a_short_is_held_closes_it(catalog, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(catalog, own)
    path = next((own / "trades" / "lab" / "PEAKUSDT-perp").glob("*.parquet"))
    trades = pl.read_parquet(path)
    at = pl.col("ts_init_ns").cast(pl.Int64) - T0_NS
    trades.filter(~at.is_between(50 * 10**9, 80 * 10**9)).write_parquet(path)
    quotes = next((own / "quotes" / "lab" / "PEAKUSDT-perp").glob("*.parquet"))
    pl.read_parquet(quotes).filter(~at.is_between(50 * 10**9, 80 * 10**9)).write_parquet(quotes)
    run = runs_backtest.backtest(STRATEGY, data=own, instruments=[PUMPED])
    assert run.trades["exit_reason"].to_list() == ["E1"]
    assert seconds(run.orders.filter(pl.col("role") == "e1"), "submitted_ts") == [pytest.approx(80.005, abs=0.3)]
