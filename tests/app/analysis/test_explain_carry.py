"""What ``explain`` says of carry against what the run recorded by itself: figures, series, orders."""

import json
import shutil
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from tightloop.adapters.data.carry_sample import write_carry_sample
from tightloop.app.analysis.explain import explain
from tightloop.app.cli.main import main
from tightloop.app.runs import sweep as runs_sweep
from tightloop.runtime.feeds import carry_tape

MODES = Path(__file__).resolve().parents[3] / "strategies" / "carry"
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
    assert "rolled back" in leg["why_not"]
    output = said(run)
    assert "rolled back" in output
    assert "the pool does not have enough free liquidity" in output
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
    assert "the run cannot be repeated here: " in (run / "report.html").read_text(encoding="utf-8")


# Nothing may be added -------------------------------------------------------------------------------------------------

STOPPED = """
name: stopped
family: carry
share_class: USDT
capital: 100_000
costs: {spot_bps: 50, perp_bps: 50, transfer: {delay_h: 1}}
flows: [{ts: 2024-06-03T00:00:00Z, amount: 20_000, speed: slow}]
legs:
  coin: {kind: spot, instrument: binance:BTCUSDT-spot, size: {weight: 0.5}}
  short: {kind: perp, side: short, size: {match: coin}, venues: {binance:BTCUSDT-perp: 1.0}, margin: {weight: 0.48}}
account: {max_drawdown_pct: LIMIT}
"""
DEPOSIT = "2024-06-03T00:00:00Z"


@pytest.fixture(scope="module")
def short_market(tmp_path_factory):
    root = tmp_path_factory.mktemp("short")
    write_carry_sample(root, days=14)
    return root


def stopped(folder, market, limit):
    path = folder / "stopped.yaml"
    path.write_text(STOPPED.replace("LIMIT", str(limit)))
    return made(folder, market, path, "--from", "2024-06-02", "--to", "2024-06-04")


def killed_at(monkeypatch, time):
    """The run, and the run made again, hear an operator engage the kill switch."""
    own = carry_tape.make_tape
    ts_ns = int(datetime.fromisoformat(time).timestamp()) * 1_000_000_000

    def heard(plan, feed, operated=()):
        return own(plan, feed, [*operated, carry_tape.kill_switch(ts_ns)])

    monkeypatch.setattr(carry_tape, "make_tape", heard)


def test_a_drawdown_stop_says_which_rule_might_not_add_and_why(tmp_path, short_market):
    """Half a percent of costs on both legs is a drawdown of more than 0.1 %: the deposit stays where it came in."""
    run = stopped(tmp_path, short_market, 0.1)
    facts = explain(run)
    (denied,) = facts["carry"]["denied"]
    assert (denied["rule"], denied["reason"], denied["count"]) == ("deposit", "max_drawdown", 1)
    deposit = rule(facts, "deposit")
    assert (deposit["acted"], deposit["beyond"] > 1) == (0, True)
    assert deposit["kept_back"] == {"it was not allowed to add: max_drawdown": deposit["beyond"]}
    assert deposit["why_not"] == f"it was not allowed to add: max_drawdown ({deposit['beyond']})"
    assert all(leg["entered_ts"] is not None for leg in facts["carry"]["legs"]), "what was entered before is held"
    output = " ".join(said(run).split())
    assert f"Denied deposit was not allowed to add from {DEPOSIT[:10]} 00:00 on: max drawdown" in output
    own = explain(run, at=DEPOSIT)["at"]
    assert own["first"]["rule"] == "deposit"
    assert own["first"]["said"] == "deposit had something to do, and it was not allowed to add: max_drawdown"
    free = stopped(tmp_path, short_market, 15)
    facts = explain(free)
    assert facts["carry"]["denied"] == []
    assert rule(facts, "deposit")["acted"] > 0
    assert explain(free, at=DEPOSIT)["at"]["first"]["said"] == "deposit acted"


@pytest.mark.parametrize(("time", "denied"), [("2024-06-02T00:00:00+00:00", "entry"), (DEPOSIT, "deposit")])
def test_a_run_that_was_killed_says_since_when_and_what_it_kept_back(tmp_path, short_market, monkeypatch, time, denied):
    killed_at(monkeypatch, time)
    run = stopped(tmp_path, short_market, 15)
    facts = explain(run)
    rows = {own["rule"]: own for own in facts["carry"]["denied"]}
    assert rows[denied]["reason"] == "killed"
    assert rows[denied]["first_ts"] == int(datetime.fromisoformat(time).timestamp()) * 10**9
    legs = facts["carry"]["legs"]
    if denied == "entry":
        assert [own["why_not"] for own in legs] == ["nothing was entered in the whole run"] * 2
        assert rule(facts, "entry")["acted"] == 0
        assert facts["carry"]["bundles"]["sent"] == 0
    else:
        assert all(own["entered_ts"] is not None for own in legs)
        assert rule(facts, "deposit")["kept_back"] == {
            "it was not allowed to add: killed": rule(facts, "deposit")["beyond"]
        }
    assert f"Denied {denied} was not allowed to add from" in " ".join(said(run).split())
    own = explain(run, at=time)["at"]["first"]
    assert own["said"] == f"{denied} had something to do, and it was not allowed to add: killed"


def test_a_sweep_of_carry_counts_what_was_denied_in_each_set(tmp_path, short_market):
    path = tmp_path / "stopped.yaml"
    path.write_text(STOPPED.replace("LIMIT", "15"))
    window = {"data": short_market, "start": "2024-06-02", "end": "2024-06-04"}
    done = runs_sweep.sweep(path, parameters={"account.max_drawdown_pct": [0.1, 15]}, **window)
    rows = dict(zip(done.frame["account.max_drawdown_pct"], done.frame["denied"], strict=True))
    assert rows == {0.1: 1, 15.0: 0}
    options = ["--param", "account.max_drawdown_pct=0.1,15", "--out", tmp_path / "sweep", "--sort", "apy"]
    shown = tightloop("sweep", path, "--data", short_market, "--from", "2024-06-02", "--to", "2024-06-04", *options)
    assert shown.exit_code == 0, shown.output
    assert "entries were denied in 1 of 2 sets; `tightloop backtest` with one of them says why" in shown.output
    assert pl.read_parquet(tmp_path / "sweep" / "sweep.parquet")["denied"].sum() == 1
    # The deposit comes in the second half, which begins anew: nothing was lost in it before.
    done = runs_sweep.sweep(path, parameters={"account.max_drawdown_pct": [0.1]}, split=0.25, **window)
    assert done.frame.select("denied", "oos_denied").row(0) == (0, 1)
