"""What ``explain`` says of carry against what the run recorded by itself: figures, series, orders."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from tightloop.adapters.data.carry_sample import write_carry_sample
from tightloop.app.cli import main
from tightloop.app.explain import explain

MODES = Path(__file__).resolve().parents[2] / "strategies" / "carry"
HEDGED = MODES / "usdt_eth_staking_hedged_leveraged.yaml"
BASIS = MODES / "btc_basis.yaml"


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    root = tmp_path_factory.mktemp("carry")
    write_carry_sample(root)
    return root


def tightloop(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def made(folder, market, path, *options):
    run = folder / "run"
    done = tightloop("backtest", path, "--data", market, "--out", run, "--no-report", *options)
    assert done.exit_code == 0, done.output
    return run


def said(*arguments):
    done = tightloop("explain", *arguments)
    assert done.exit_code == 0, done.output
    return done.output


def rule(facts, name):
    return next(own for own in facts["carry"]["rules"] if own["rule"] == name)


def test_what_a_rule_met_is_what_the_run_recorded_and_it_acted_as_often(tmp_path, market):
    run = made(tmp_path, market, HEDGED)
    facts = explain(run)
    figures = json.loads((run / "result.json").read_text())["figures"]
    signals = pl.read_parquet(run / "signals.parquet").filter(pl.col("event") == "fired")
    margin = rule(facts, "margin")
    assert margin["nearest"]["value"] == pytest.approx(figures["min_ratio"], rel=1e-12)
    assert margin["limit"] == 0.2
    resized = signals.filter(pl.col("section") == "MARGIN")["ts"].to_list()
    assert resized[0] == margin["first_ts"], (
        "the first instant at which it acted is that of its band in signals.parquet"
    )
    assert rule(facts, "health_factor")["nearest"]["value"] == pytest.approx(figures["hf_min"], rel=1e-3)
    assert (rule(facts, "equity")["is_on"], rule(facts, "equity")["why_not"]) == (
        False, "off: bands.equity is not written",
    )  # fmt: skip
    assert rule(facts, "ltv")["why_not"] == "never left its band"
    sold = pl.read_parquet(run / "orders.parquet").filter(pl.col("role") == "sell_dust")
    assert rule(facts, "dust")["acted"] == sold["submitted_ts"].n_unique() > 0
    bundles = pl.read_parquet(run / "orders.parquet")["order_id"].str.split(".").list.first().n_unique()
    assert facts["carry"]["bundles"]["sent"] == bundles


def test_a_band_that_is_left_often_says_when_it_acted_and_what_kept_it_back(tmp_path, market):
    run = made(tmp_path, market, HEDGED, "--set", "bands.delta=0.002")
    facts = explain(run)
    delta = rule(facts, "delta")
    fired = pl.read_parquet(run / "signals.parquet").filter(
        (pl.col("section") == "DELTA") & (pl.col("event") == "fired")
    )  # fmt: skip
    assert delta["acted"] == fired["ts"].n_unique() > 0
    assert delta["beyond"] == delta["acted"] + sum(delta["kept_back"].values())
    first = fired.row(0, named=True)
    (condition,) = json.loads(first["conditions"])
    own = explain(run, at=str(first["ts"]))["at"]
    met = next(row for row in own["rules"] if row["rule"] == "delta")
    assert met["value"] == pytest.approx(condition["value"], rel=1e-9), "as the allocator said it when it acted"
    assert (met["limit"], met["verdict"]) == (0.002, "acts")
    assert (own["first"]["rule"], own["first"]["acted"]) == ("delta", ["delta"])
    assert own["first"]["said"] == "delta acted"


def test_a_bundle_that_was_undone_says_why_and_the_leg_that_it_was_for_too(tmp_path, market):
    run = made(tmp_path, market, MODES / "eth_leveraged.yaml", "--set", "capital=100_000_000")
    facts = explain(run)
    (undone,) = facts["carry"]["bundles"]["undone"]
    orders = pl.read_parquet(run / "orders.parquet").filter(pl.col("state") == "CANCELED")
    assert undone["reason"] in ("liquidity", "not_enough")
    assert orders["reason"].unique().to_list() == [f"rolled_back: {undone['reason']}"]
    assert undone["count"] == orders["order_id"].str.split(".").list.first().n_unique()
    leg = next(own for own in facts["carry"]["legs"] if own["undone"])
    assert leg["entered_ts"] is None
    assert "undone" in leg["why_not"]
    output = said(run)
    assert "undone" in output
    assert "the pool has not so much free liquidity" in output
    assert undone["why"] in said(run, "--order", undone["last_order_id"]).replace("\n    ", " ")
    assert facts["carry"]["waiting"]["task"] == "ENTER"


def test_a_transfer_on_its_way_is_what_the_allocator_waits_for(tmp_path, market):
    run = made(tmp_path, market, BASIS)
    begin = explain(run)["run"]["from"]
    own = explain(run, at=str(begin))["at"]
    assert own["first"]["said"] == "entry acted"
    assert own["task"] == "ENTER"
    waits = own["on_the_way"]
    sent = pl.read_parquet(run / "fills.parquet").filter((pl.col("role") == "transfer") & (pl.col("ts") == begin))
    assert [row["amount"] for row in waits] == pytest.approx(sent["taken"].to_list())
    due_ns = max(row["due_ts"] for row in waits)
    assert due_ns == begin + 60 * 60_000_000_000, "costs.transfer.delay_h is 1"
    # A minute before the next instant nothing has changed; then what was on its way is there, and the legs are traded.
    assert explain(run, at=str(begin + 59 * 60_000_000_000))["at"]["on_the_way"] == waits
    assert explain(run, at=str(due_ns))["at"]["on_the_way"] == []


def test_data_that_changed_are_named_and_a_carry_run_has_no_signals(tmp_path, market):
    run = made(tmp_path, market, MODES / "pure_lending_usdt.yaml")
    done = tightloop("explain", run, "--signal", "sig_0")
    assert done.exit_code == 2
    assert "a carry run has rules and bands" in done.output
    done = tightloop("explain", run, "--order", "1-1.1")
    assert "the run has no order '1-1.1'; take one of orders.parquet, for example " in done.output
    other = tmp_path / "other"
    write_carry_sample(other, seed=2)
    done = tightloop("explain", run, "--data", other)
    assert done.exit_code == 2
    assert "are not those of the run (data hash " in done.output


def test_a_page_made_again_has_the_rules_and_says_so_when_the_data_are_gone(tmp_path, market):
    data = tmp_path / "data"
    shutil.copytree(market, data)
    run = made(tmp_path, data, HEDGED)
    assert tightloop("report", run).exit_code == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "off: bands.equity is not written" in page
    shutil.rmtree(data)
    assert tightloop("report", run).exit_code == 0
    assert "Not counted for this run" in (run / "report.html").read_text(encoding="utf-8")
