"""A report written again says why it lacks what only a repeated run can tell."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.market import bars, strategy
from tightloop.adapters.data.carry_sample import write_carry_sample
from tightloop.app.cli.main import main

ACCEPT = ("--accept", "holes,cadence,units,straight_line")
LEND = """
name: lend
family: carry
share_class: USDT
capital: 100_000
legs:
  lend: {kind: lend, pool: aave_v3, asset: USDT, size: all}
"""
WHY = "Not counted, because the run cannot be repeated here: "


def tightloop(*arguments: str) -> str:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_page_of_a_carry_run_names_the_data_that_are_gone() -> None:
    write_carry_sample(Path("carry"), days=14)
    Path("lend.yaml").write_text(LEND)
    window = ("--from", "2024-06-02", "--to", "2024-06-03")
    tightloop("backtest", "lend.yaml", "--data", "carry", "--out", "run", "--no-report", *window)
    tightloop("report", "run")
    assert WHY not in Path("run/report.html").read_text()
    shutil.rmtree("carry")
    tightloop("report", "run")
    page = Path("run/report.html").read_text()
    assert WHY in page
    assert "carry" in page.split(WHY)[1][:60], page.split(WHY)[1][:300]


def test_the_page_of_a_run_on_bars_names_the_line_of_its_strategy_that_cannot_be_read() -> None:
    Path("s.yaml").write_text(strategy())
    path = Path("data/bars/test/AAAUSDT-perp-1m.parquet")
    path.parent.mkdir(parents=True)
    bars("100 S1\n100\n101\n102 ZE1\n103\n104").write_parquet(path)
    tightloop("backtest", "s.yaml", "--out", "run", "--no-report", *ACCEPT)
    file = Path("run/strategy.yaml")
    file.write_text(file.read_text().replace("capital:", "kapital:"))
    tightloop("report", "run")
    page = Path("run/report.html").read_text()
    assert WHY in page
    assert "kapital" in page.split(WHY)[1][:300]
