"""`tightloop detect` and `data sample --scenario` as a user meets them."""

import json

import polars as pl
import pytest
from click.testing import CliRunner

from tightloop.app.cli.main import main

STRATEGY = """
name: rush
family: signal
direction: LONG
instruments: [lab:XUSDT-perp]
timeframe: 1m
capital: 10_000
variants: {move: {type: ROC, period: 2}}
sections:
  S1: {all: [{move: ">= 4"}]}
  Z1: {immediate: true, size: {type: percentage, value: 5}, stop_loss: {type: percent, value: 3},
       take_profit: {type: percent, value: 5}}
  ZE1: {cooldown_min: 20}
"""


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    root = tmp_path_factory.mktemp("lab")
    made = run("data", "sample", "--scenario", "pump", "--scenario", "flat", "--data", root)
    assert made.exit_code == 0, made.output
    assert "5 of them pumps" in made.output
    return root


@pytest.fixture
def strategy(tmp_path):
    path = tmp_path / "rush.yaml"
    path.write_text(STRATEGY)
    return path


def test_a_strategy_on_bars_finds_pumps_and_enters_nothing_that_is_flat(lab, strategy, tmp_path):
    file = tmp_path / "figures.json"
    result = run("detect", strategy, "--data", lab, "--json", file)
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text())
    rows = {(row["scenario"], row["kind"]): row for row in figures["rows"]}
    assert len(figures["instruments"]) == 12
    assert rows["pump", "pump"]["labels"] == 5
    assert rows["pump", "all"]["recall"] >= 0.6
    assert rows["pump", "all"]["precision"] > 0
    assert 0 < rows["pump", "pump"]["s1_delay_s"]["median"] <= 2_700
    assert rows["flat", "all"]["signals"] == figures["entries_in_flat"] == 0
    assert "warning" not in result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("synthetic data: ")
    assert figures["is_synthetic"] is True
    assert lines[1].split()[:4] == ["SCENARIO", "KIND", "LABELS", "FOUND"]
    assert lines[-1] == "entries where nothing happened (flat): 0"
    assert run("detect", strategy, "--data", lab).stdout == result.stdout


def test_entries_that_were_denied_are_said_with_the_check_and_the_remedy(lab, strategy, tmp_path):
    """50 % under a limit of 10 % is denied at every S1; entries are counted by Z1, which fired."""
    strategy.write_text(STRATEGY.replace("value: 5}, stop", "value: 50}, stop"))
    file = tmp_path / "figures.json"
    result = run("detect", strategy, "--data", lab, "--json", file)
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text())
    (denied,) = figures["denied"]
    assert (denied["check"], denied["limit"], denied["reason"]) == ("max_position_pct", 10, "max_position")
    rows = {(row["scenario"], row["kind"]): row for row in figures["rows"]}
    assert rows["pump", "all"]["entries"] == denied["count"] == rows["pump", "all"]["signals"] > 1
    said = f"denied  {denied['count']} entries denied by max_position_pct (10): size 50 % of equity is above it; "
    assert said in result.output, result.output
    assert "write account: {max_position_pct: 50" in result.output
    free = run("detect", strategy, "--data", lab, "--account", "research")
    assert "denied" not in free.output


def test_labels_of_ones_own_need_four_columns(lab, strategy, tmp_path):
    file = tmp_path / "mine.parquet"
    known = pl.read_parquet(lab / "labels.parquet").filter(pl.col("kind") == "pump")
    known.select("instrument", "kind", "start_ns", "end_ns").write_parquet(file)
    result = run("detect", strategy, "--data", lab, "--labels", file, "--instrument", "lab:PUMPBUSDT-perp")
    assert result.exit_code == 0, result.output
    assert "rush on 1 instrument\n" in result.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop("end_ns"), "end_ns: there is no such column; write the columns instrument, kind"),
        (lambda frame: frame.with_columns(kind=pl.lit("pum")), "kind: 'pum' in row 0 is not a kind; write one of pump"),
        (lambda frame: frame.with_columns(instrument=pl.lit("X")), "is not venue:SYMBOL-market"),
        (lambda frame: frame.with_columns(end_ns=pl.lit(0)), "row 0 does not begin before it ends"),
        (lambda frame: frame.clear(), "holds no labels"),
    ],
)
def test_labels_that_say_nothing_are_refused(lab, strategy, tmp_path, change, message):
    file = tmp_path / "mine.parquet"
    change(pl.read_parquet(lab / "labels.parquet")).write_parquet(file)
    result = run("detect", strategy, "--data", lab, "--labels", file)
    assert result.exit_code == 2
    assert message in result.output


def test_what_is_missing_is_named(lab, strategy, tmp_path):
    result = run("detect", strategy, "--data", tmp_path)
    assert result.exit_code == 2
    assert "labels.parquet: there is no such file; name it with --labels, or make some with" in result.output
    result = run("detect", strategy, "--data", lab, "--instrument", "lab:ZUSDT-perp")
    assert result.exit_code == 2
    assert "no label belongs to the requested instruments; use some of lab:FLATAUSDT-perp" in result.output


def test_days_belong_to_bars(tmp_path):
    result = run("data", "sample", "--scenario", "flat", "--days", 3, "--out", tmp_path)
    assert result.exit_code == 2
    assert "--days: belongs to bars" in result.output


def test_a_scenario_that_is_none_is_refused(tmp_path):
    result = run("data", "sample", "--scenario", "crash", "--out", tmp_path)
    assert result.exit_code == 2
    assert "crash is not a scenario; use one of pump, dump, thin, gap, halt, flat, all" in result.output
