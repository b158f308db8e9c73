"""What a command says before it writes over a file: which one and since when; nothing of a file that was not there."""

import os
import re
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from sim.market import A, bars, strategy
from tightloop.adapters.data.carry_sample import write_carry_sample
from tightloop.app.cli.main import main

ACCEPT = ("--accept", "holes,cadence,units,straight_line")
MADE_NS = 1_704_186_240_000_000_000  # 2024-01-02T09:04:00Z
LEND = """
name: lend
family: carry
share_class: USDT
capital: 100_000
legs:
  lend: {kind: lend, pool: aave_v3, asset: USDT, size: all}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(strategy())
    path = Path("data/bars/test/AAAUSDT-perp-1m.parquet")
    path.parent.mkdir(parents=True)
    bars("100 S1\n100\n101\n102 ZE1\n103\n104").write_parquet(path)
    return tmp_path


def tightloop(*arguments, code=0):
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.stdout


def says_it(file, *arguments):
    """Whether the first run says nothing of a file, and the second that it is replaced, with its time, before it is."""
    assert "replaces" not in tightloop(*arguments)
    os.utime(file, ns=(MADE_NS, MADE_NS))
    assert f"replaces {file} of 2024-01-02 09:04 UTC\n" in tightloop(*arguments)
    assert Path(file).stat().st_mtime_ns > MADE_NS, "it was written anew"
    assert re.search(rf"replaces {re.escape(str(file))} of 20(?!24-01-02)", tightloop(*arguments))
    return True


def test_a_sweep_says_that_it_replaces_the_table_of_another(place):
    command = ("sweep", "s.yaml", "--param", "capital=1000,2000", "--out", "swept", *ACCEPT)
    assert says_it(Path("swept/sweep.parquet"), *command)
    assert pl.read_parquet("swept/sweep.parquet").height == 2
    assert "replaces" not in tightloop(*command[:5], "other", *ACCEPT)


def test_json_files_that_are_replaced_are_named_by_every_command_that_writes_one(place):
    tightloop("backtest", "s.yaml", "--out", "run", "--no-report", *ACCEPT)
    assert says_it(Path("why.json"), "explain", "run", "--json", "why.json")
    assert says_it(Path("check.json"), "data", "check", "--json", "check.json")
    labels = pl.DataFrame({"instrument": [A], "kind": ["pump"], "start_ns": [MADE_NS], "end_ns": [MADE_NS + 1]})
    labels.write_parquet("data/labels.parquet")
    assert says_it(Path("found.json"), "detect", "s.yaml", "--json", "found.json", *ACCEPT)


def test_a_page_that_compares_runs_says_that_it_replaces_one(place):
    write_carry_sample(Path("carry"), days=14)
    Path("lend.yaml").write_text(LEND)
    for number in (1, 2):
        options = ("--set", f"capital={number}00_000", "--from", "2024-06-02", "--to", "2024-06-03", "--no-report")
        tightloop("backtest", "lend.yaml", "--data", "carry", "--out", f"r{number}", *options)
    assert says_it(Path("compare.html"), "report", "r1", "r2")
    assert says_it(Path("pages.html"), "report", "r1", "r2", "--out", "pages.html")


def test_data_that_are_replaced_are_named_with_their_rows(place):
    bars("\n".join("100" for _ in range(15))).write_csv("new.csv")
    name = "bars:test:AAAUSDT-perp-1m"
    path = Path("data/bars/test/AAAUSDT-perp-1m.parquet")
    said = tightloop("data", "import", "new.csv", "--as", name, "--data", "data", "--replace")
    assert f"replaces {path}: 6 rows in 1 file" in said
    assert "replaces" not in tightloop("data", "import", "new.csv", "--as", name, "--data", "data")
    fresh = tightloop("data", "import", "new.csv", "--as", name.replace("AAA", "BBB"), "--data", "data", "--replace")
    assert "replaces" not in fresh, "nothing was there"
    assert "replaces" not in tightloop("data", "resample", path.relative_to("data"), "5m", "--data", "data")
    said = tightloop("data", "resample", path.relative_to("data"), "5m", "--data", "data", "--replace")
    assert f"replaces {path.with_name('AAAUSDT-perp-5m.parquet')}: 3 rows in 1 file" in said


def test_a_run_says_which_run_it_replaces(place):
    assert "replaces" not in tightloop("backtest", "s.yaml", "--out", "run", "--no-report", *ACCEPT)
    os.utime("run/result.json", ns=(MADE_NS, MADE_NS))
    said = tightloop("backtest", "s.yaml", "--out", "run", "--set", "capital=5000", "--no-report", *ACCEPT)
    assert re.search(r"replaces the run of 2024-01-02 09:04 UTC \(tiny, config \w{16}\) in run\n", said)
