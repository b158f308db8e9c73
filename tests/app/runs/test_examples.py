"""The strategies that people copy first: each is valid and trades, and its books add up, on sample and on real data."""

import os
from pathlib import Path

import polars as pl
import pytest

from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.quality import only
from tightloop.adapters.data.resample import resample
from tightloop.adapters.data.sample import DAYS_DEFAULT, write_sample
from tightloop.app.runs.backtest import backtest
from tightloop.model.signal import read as signal_read

ROOT = Path(__file__).resolve().parents[3]
REAL = ROOT.parent / "shared" / "data"
EXAMPLES = sorted((ROOT / "strategies").glob("*.yaml"))
NAMES = [path.stem for path in EXAMPLES]
DEMO = ROOT / "strategies" / "pump_1m.yaml"

each_example = pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)


@pytest.fixture(scope="session")
def market(tmp_path_factory):
    """The sample market, long enough for hourly strategies, with the hourly bars they read."""
    root = tmp_path_factory.mktemp("market")
    write_sample(root, seed=1, days=30)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        resample(root, only(root, f"sample:{symbol}-perp"), "1h")
    return root


@pytest.fixture(scope="session")
def demo_market(tmp_path_factory):
    """What `tightloop data sample` writes when nothing is said."""
    root = tmp_path_factory.mktemp("demo")
    write_sample(root)
    return root


def instruments_of(path):
    return signal_read.load(path).instruments


def on_sample(path):
    """The example's instruments, or those of the sample that stand in for them."""
    own = instruments_of(path)
    if all(instrument.venue == "sample" for instrument in own):
        return []
    return [f"sample:{'ETH' if instrument.symbol.startswith('ETH') else 'BTC'}USDT-perp" for instrument in own]


def open_result(run):
    """What open trades gained so far: cash of their fills, value at the last close, fees and funding."""
    closes = {str(instrument): float(bars["close"][-1]) for instrument, bars in run.market.bars.items()}
    total = 0.0
    for trade in run.trades.filter(pl.col("exit_ts").is_null()).iter_rows(named=True):
        fills = run.fills.filter(pl.col("trade_id") == trade["trade_id"]).select("side", "qty", "price").rows()
        signed = [(qty if side == "BUY" else -qty, price) for side, qty, price in fills]
        held = sum(qty for qty, _ in signed)
        total += held * closes[trade["instrument"]] - sum(qty * price for qty, price in signed)
        total += trade["funding"] - trade["fees"]
    return total


def check_books(run):
    """What holds for every run, computed from its files alone."""
    summary = run.summary
    change = summary["final_equity"] - summary["initial_equity"]
    closed = run.trades.filter(pl.col("exit_ts").is_not_null())
    assert len(closed) == summary["metrics"]["trades"] > 0
    assert closed["pnl"].sum() + open_result(run) == pytest.approx(change, abs=1e-6)
    assert sum(summary["attribution"].values()) == pytest.approx(change, abs=1e-6)
    assert run.fills["fee"].sum() == pytest.approx(summary["metrics"]["fees"])
    assert run.equity["equity"][-1] == summary["final_equity"]
    assert set(run.fills["order_id"]) <= set(run.orders["order_id"])
    assert (closed["entry_ts"] <= closed["exit_ts"]).all()


@each_example
def test_an_example_is_valid_without_a_warning_and_called_like_its_file(path):
    strategy = signal_read.load(path)
    assert strategy.warnings == ()
    assert strategy.read.name == path.stem


@each_example
def test_an_example_trades_on_the_sample_market_and_its_books_add_up(path, market):
    run = backtest(path, data=market, instruments=on_sample(path))
    check_books(run)


@each_example
@pytest.mark.real_data
def test_an_example_trades_on_real_data_and_its_books_add_up(path):
    if not REAL.is_dir():
        assert not os.environ.get("CI"), f"{REAL} is missing, and CI must not skip what it holds"
        pytest.skip("no catalog of real data beside the repository")
    venues = {instrument.venue for instrument in instruments_of(path)}
    if "sample" in venues:
        pytest.skip("its instruments are those of the sample market")
    run = backtest(path, data=REAL)
    check_books(run)


@each_example
def test_the_sizes_of_an_example_fit_into_the_default_account(path, market):
    run = backtest(path, data=market, instruments=on_sample(path))
    denied = run.orders.filter(pl.col("state") == "DENIED")["reason"].unique().to_list()
    assert set(denied) <= {"max_positions", "loss_cooldown", "max_daily_trades", "loss_streak", "min_risk_reward"}


@each_example
def test_an_example_pays_for_its_fills(path):
    # ema_cross is the example of the contract: it names its slippage, and it is none. One other makes the same trades.
    costs = signal_read.load(path).read.costs
    assert costs.slippage.type != "none" or path.stem in ("ema_cross", "python_ema_cross")


def test_the_demo_strategy_finds_its_instruments_in_the_sample_that_the_demo_makes(demo_market):
    catalog = Catalog(demo_market)
    for instrument in instruments_of(DEMO):
        assert len(catalog.bars(instrument, signal_read.load(DEMO).read.timeframe).bars) > 1_400 * DAYS_DEFAULT


def test_the_demo_strategy_enters_most_pumps_that_are_labelled(demo_market):
    run = backtest(DEMO, data=demo_market)
    labels = pl.read_parquet(demo_market / "labels" / "pumps.parquet").filter(pl.col("kind") == "pump")
    times = labels.select("instrument", pl.col("start", "peak").dt.epoch("ns")).rows()
    entries = run.trades.select("instrument", "entry_ts").rows()
    entered = [any(name == own and start <= ts <= peak for own, ts in entries) for name, start, peak in times]
    assert sum(entered) >= 0.75 * len(times)
    at_a_pump = [any(name == own and start <= ts <= peak for name, start, peak in times) for own, ts in entries]
    assert sum(at_a_pump) >= 0.6 * len(entries)
