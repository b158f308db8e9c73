"""Result files of carry runs as a user gets them: whole, the same twice, true to what the run did."""

import json
import math
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from app.carry_strategies import SHARED, real
from tightloop.app.cli.main import main
from tightloop.app.markets.notes import SYNTHETIC
from tightloop.app.runs import backtest as runs_backtest
from tightloop.model.errors import InputError
from tightloop.runtime.backtest import carry as carry_backtest

DATA = SHARED / "data"
ROOT = Path(__file__).resolve().parents[2]
MODES = ROOT / "strategies" / "carry"
REFERENCE = ROOT / "strategies" / "reference"
TABLES = {"trades", "orders", "fills", "equity", "signals", "positions", "attribution", "series", "events"}
FIGURES = (
    "settlements", "rate_sum", "funding", "basis", "fees", "gas", "leverage", "min_ratio", "min_ratio_at", "warn",
    "liquidation", "hf_start", "hf_min", "hf_min_at", "ltv", "resizes", "rebalances", "liquidations", "rollbacks",
    "ratio", "apy", "apr", "units", "unit_price", "flows", "benchmark",
)  # fmt: skip
WINDOW = {"start": "2024-06-01", "end": "2024-09-01"}
BASIS = """
name: book
family: carry
share_class: USDT
capital: 100_000
marks: {usd: {BTC: binance:BTCUSDT-spot}}
legs:
  coin:  {kind: spot, instrument: binance:BTCUSDT-spot, size: {weight: 0.5}}
  short: {kind: perp, side: short, size: {match: coin}, venues: {binance:BTCUSDT-perp: 1.0}, margin: {weight: 0.5}}
costs: {spot_bps: 7, perp_bps: 4}
"""

pytestmark = pytest.mark.real_data


@pytest.fixture(autouse=True)
def _rows_are_here():
    real("data")


def ran(text, **options):
    return runs_backtest.backtest(text, data=DATA, **{**WINDOW, **options})


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.mark.parametrize("name", [path.stem for path in sorted(MODES.glob("*.yaml"))])
def test_the_buckets_and_the_positions_of_every_mode_add_up_to_its_equity_at_every_step(name):
    try:
        done = ran(MODES / f"{name}.yaml", start="2024-10-01", end="2024-12-01")
    except InputError as error:
        pytest.skip(f"the data of this mode are not here: {error}")
    equity = done.equity
    changes = np.diff(equity["equity"], prepend=done.summary["initial_equity"]) - np.diff(equity["flows"], prepend=0.0)
    by_step = done.attribution.group_by("ts", maintain_order=True).agg(pl.col("amount").sum())
    scale = 1e-8 * done.summary["initial_equity"]
    assert by_step["ts"].to_list() == equity["ts"].to_list()
    assert np.abs(by_step["amount"].to_numpy() - changes).max() <= scale
    values = done.positions.group_by("ts", maintain_order=True).agg(pl.col("value").sum())
    assert np.abs(values["value"].to_numpy() - equity["equity"].to_numpy()).max() <= scale
    total = done.attribution.group_by("bucket").agg(pl.col("amount").sum())
    for bucket, amount in total.iter_rows():
        assert amount == pytest.approx(done.summary["attribution"][bucket], abs=scale)


def test_a_second_run_writes_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        ran(MODES / "btc_basis.yaml").write(tmp_path / name, report=False)
    files = {str(path.relative_to(tmp_path / "one")) for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert {f"{table}.parquet" for table in TABLES} | {"result.json", "quality.json", "strategy.yaml"} <= files
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_both_drivers_leave_the_same_state_and_the_same_files():
    array, event = (ran(MODES / "btc_basis.yaml", one_by_one=one) for one in (False, True))
    assert array.summary["state_hash"] == event.summary["state_hash"]
    assert array.summary == event.summary
    for name in TABLES:
        assert getattr(array, name).equals(getattr(event, name)), name


def test_a_result_names_every_metric_and_figure_and_no_unknown_is_a_number():
    summary = ran(REFERENCE / "usdt_supply.yaml").summary
    text = json.dumps(summary, allow_nan=False)
    assert "family" in text
    for name in FIGURES:
        assert name in summary["figures"], name
    assert [summary["figures"][name] for name in ("settlements", "min_ratio", "hf_min", "ltv", "leverage")] == [
        None
    ] * 5
    assert summary["metrics"]["trades"] == 0
    assert summary["metrics"]["win_rate_pct"] is None
    assert summary["metrics"]["max_drawdown_pct"] == 0.0


def test_figures_are_those_of_the_tables():
    done = ran(BASIS)
    figures, metrics = done.summary["figures"], done.summary["metrics"]
    # 50,000 of coin at 7 bps, the same coins short at 4 bps of their notional at the mark.
    coins = 50_000 / figures["spot0"]
    assert figures["q"] == pytest.approx(coins, rel=1e-12)
    assert figures["fees"] == pytest.approx(35.0 + coins * figures["perp0"] * 4e-4, rel=1e-12)
    assert metrics["fees"] == figures["fees"] == pytest.approx(done.fills["fee"].sum(), rel=1e-12)
    assert done.trades["fees"].sum() == pytest.approx(figures["fees"], rel=1e-12)
    assert done.trades["funding"].sum() == pytest.approx(figures["funding"], rel=1e-9)
    paid = done.events.filter(pl.col("event") == "FUNDING_PAYMENT")
    assert len(paid) == figures["settlements"] == 3 * 92
    assert done.trades["exit_ts"].to_list() == [None, None], "the book is open at the end"
    assert metrics["max_drawdown_pct"] >= 100 * figures["fees"] / 100_000, "what entering cost is a drawdown"


def test_a_withdrawal_moves_the_equity_and_neither_returns_nor_buckets():
    flow = "\nflows: [{ts: 2024-07-01T00:00:00Z, amount: -20_000, speed: slow}]\n"
    whole, less = ran(REFERENCE / "usdt_supply.yaml"), ran((REFERENCE / "usdt_supply.yaml").read_text() + flow)
    assert less.summary["final_equity"] < 85_000
    assert less.summary["figures"]["flows"] == pytest.approx(-20_000, rel=1e-9)
    for name in ("total_return_pct", "cagr_pct", "max_drawdown_pct", "sharpe"):
        assert less.metrics[name] == pytest.approx(whole.metrics[name], rel=1e-6, abs=1e-9), name


def test_a_book_that_is_liquidated_ends_its_trade_with_what_the_venue_took():
    done = ran(BASIS + "bands: {margin: {liquidate: 0.10}}\n", start="2024-01-01", end="2025-01-01")
    short = done.trades.filter(pl.col("side") == "SHORT").row(0, named=True)
    assert short["exit_reason"] == "liquidation"
    assert done.summary["figures"]["liquidations"] == 1
    moved = short["qty"] * (short["entry_price"] - short["exit_price"])
    assert short["pnl"] == pytest.approx(moved - short["fees"] + short["funding"], rel=1e-9)
    assert any("liquidation" in text for text in done.summary["warnings"])


def test_a_bundle_that_can_not_be_is_an_order_that_was_canceled_and_says_why():
    loop = (REFERENCE / "loop_weETH.yaml").read_text()
    done = ran(loop.replace("capital: 100\n", "capital: 10_000_000\n"), end="2024-06-02")  # more than the pool has
    undone = done.orders.filter(pl.col("state") == "CANCELED")
    assert len(undone) == 6 * done.summary["figures"]["rollbacks"] > 0
    assert set(undone["reason"]) == {"rolled_back: liquidity"}
    assert done.metrics["exposure_pct"] == 0.0


def test_the_benchmark_earns_its_rate_an_hour_on_the_same_capital():
    done = ran(REFERENCE / "usdt_supply.yaml")
    rates = pl.read_parquet(DATA / "benchmark" / "ethena-susde.parquet")
    inside = rates.filter(pl.col("ts") >= pl.lit("2024-06-01").str.to_datetime(time_zone="UTC"))
    days = inside.filter(pl.col("ts") < pl.lit("2024-09-01").str.to_datetime(time_zone="UTC"))
    assert len(days) == 92
    assert done.summary["figures"]["benchmark"] == pytest.approx(100_000 * days["apr"].sum() * 24 / 8_760, rel=1e-9)


def test_a_sweep_gives_the_figures_of_the_single_runs_in_and_out_of_sample(tmp_path):
    out = tmp_path / "sweep"
    result = run(
        "sweep", REFERENCE / "hedged_ltv.yaml", "--data", DATA, "--from", "2024-06-01", "--to", "2024-09-01",
        "--param", "params.ltv=0.6,0.8", "--split", "0.5", "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = pl.read_parquet(out / "sweep.parquet")
    middle = "2024-07-17T00:00:00Z"
    for ltv, row in zip((0.6, 0.8), rows.iter_rows(named=True), strict=True):
        for prefix, window in (("", {"end": middle}), ("oos_", {"start": middle})):
            one = ran(REFERENCE / "hedged_ltv.yaml", settings=[f"params.ltv={ltv}"], **window)
            for name in ("sharpe", "max_drawdown_pct", "funding"):
                assert row[f"{prefix}{name}"] == one.metrics[name], name
            for name in ("apy", "hf_min", "min_ratio", "leverage"):
                assert row[f"{prefix}{name}"] == one.summary["figures"][name], name


def test_an_interrupted_run_keeps_what_was_done(tmp_path, monkeypatch):
    monkeypatch.setattr(carry_backtest, "EVENTS_AT_ONCE", 2_000)
    looks = iter(range(10**6))

    def press(_, done, total):
        if next(looks) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("tightloop.app.cli.console.RunProgress._on_progress", press)
    out = tmp_path / "part"
    window = ("--from", WINDOW["start"], "--to", WINDOW["end"])
    result = run("backtest", MODES / "btc_basis.yaml", "--data", DATA, *window, "--out", out)
    assert result.exit_code == 130, result.output
    said = json.loads((out / "result.json").read_text())
    assert any(text.startswith(f"interrupted: the run went until {said['to']}") for text in said["warnings"])
    monkeypatch.undo()
    whole, part = ran(MODES / "btc_basis.yaml").equity, pl.read_parquet(out / "equity.parquet")
    assert 0 < len(part) < len(whole)
    assert part.equals(whole.head(len(part))), "the part is the beginning of the whole"


@pytest.mark.parametrize(
    ("change", "options", "named"),
    [
        (("family: carry", "family: carri"), (), "family"),
        (("weight: 0.5}}", "weight: 1.5}}"), (), "weight"),
        (("binance:BTCUSDT-spot, size", "nowhere:BTCUSDT-spot, size"), (), "nowhere"),
        (("", ""), ("--from", "2031-01-01", "--to", "2031-02-01"), "2031"),
        (("", ""), ("--from", "soon"), "--from"),
        (("", ""), ("--set", "params.none=1", "--set", "legs.coin.size.weight=-1"), "weight"),
        (("", ""), ("--account", "a.yaml"), "--account"),
    ],
)
def test_bad_inputs_are_refused_with_2_and_say_where(tmp_path, change, options, named):
    path = tmp_path / "book.yaml"
    path.write_text(BASIS.replace(*change) if change[0] else BASIS)
    result = run("backtest", path, "--data", DATA, *options, "--out", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert named in result.stderr
    assert not (tmp_path / "out").exists()


def test_two_carry_strategies_do_not_run_together(tmp_path):
    result = run(
        "backtest", MODES / "btc_basis.yaml", MODES / "eth_basis.yaml", "--data", DATA, "--out", tmp_path / "o"
    )
    assert result.exit_code == 2
    assert "runs alone" in result.stderr


def test_the_page_of_a_run_is_made_again_from_its_files_and_compared_with_others(tmp_path):
    for name, strategy in (("a", "btc_basis"), ("b", "pure_lending_usdt")):
        ran(MODES / f"{strategy}.yaml").write(tmp_path / name)
    first = (tmp_path / "a" / "report.html").read_text()
    assert "http://" not in first.replace("http://www.w3.org", "")
    assert "<svg" in first
    assert "FUNDING_PAYMENT" in first
    shutil.move(tmp_path / "a" / "report.html", tmp_path / "first.html")
    assert run("report", tmp_path / "a").exit_code == 0
    assert (tmp_path / "a" / "report.html").stat().st_size == pytest.approx(len(first.encode()), rel=0.01)
    result = run("report", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "both.html")
    assert result.exit_code == 0, result.output
    both = (tmp_path / "both.html").read_text()
    assert "btc_basis" in both
    assert "pure_lending_usdt" in both
    assert SYNTHETIC not in both
    for name in ("a", "b"):
        result = json.loads((tmp_path / name / "result.json").read_text())
        (tmp_path / name / "result.json").write_text(json.dumps(result | {"is_synthetic": True}))
    assert run("report", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "both.html").exit_code == 0
    assert (tmp_path / "both.html").read_text().count(SYNTHETIC) == 1, "said once of both"


def test_unknown_is_null_in_every_table():
    done = ran(BASIS)
    for name in TABLES:
        for column in getattr(done, name).iter_columns():
            if column.dtype == pl.Float64:
                assert not column.is_nan().any(), f"{name}.{column.name}"
    assert math.isfinite(done.series["margin_ratio_binance"][1])
