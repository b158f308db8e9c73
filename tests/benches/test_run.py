"""The benchmark script runs, on next to nothing, and prints what it promises. No test looks at how long it took."""

import importlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--bars", "600", "--runs", "1", "--side", "2", "--events", "200", "--ticks", "20000", "--instruments", "3",
        "--skip", "cold"]  # fmt: skip
PROMISED = (
    "W1: ", "W2: ", "S1: ", "step_one from Python", "peak memory", "`tightloop --help`", "a month of minutes",
    "W1 by the command: load", "W1 by the command: compile", "W1 by the command: run", "W1 by the command: write",
    "a strategy in Python on 600 bars",
)  # fmt: skip
ON_TICKS = ("W3: ", "W3 over ", "W3 with windows of 5 s to 60 s", "a day of 3 instruments", ">= 8 M/s", "<= 512 MB")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benches"))
    monkeypatch.delitem(sys.modules, "run", raising=False)
    return importlib.import_module("run")


@pytest.mark.slow
def test_prints_a_table_with_targets_data_and_machine(run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(TINY) == 0
    text = capsys.readouterr().out
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {row.count("|") for row in rows} == {9}
    for promised in PROMISED + (ON_TICKS if run.TICKS.is_dir() else ()):
        assert any(promised in row for row in rows), promised
    for target in (">= 10 M/s", ">= 7 M/s", "<= 5 us", "<= 250 MB", "<= 0.3 wall s", "<= 2 wall s"):
        assert target in text
    assert re.search(r"data: 600 bars of one minute, seed \d+, sha256 [0-9a-f]{16}", text)
    assert re.search(r"machine: .+, \d+ cores", text)
    assert re.search(r"software: commit .+, Python 3\.\d+\.\d+, numba [\d.]+, numpy [\d.]+", text)


def test_writes_between_the_markers_and_nowhere_else(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    file.write_text(f"before\n{run.BEGIN}\nold\n{run.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(run, "RESULTS", file)
    run.write("new")
    run.write("newer")
    assert file.read_text(encoding="utf-8") == f"before\n{run.BEGIN}\nnewer\n{run.END}\nafter\n"
    assert (ROOT / "benches" / "RESULTS.md").read_text(encoding="utf-8").count(run.BEGIN) == 1


def test_says_by_how_much_a_target_is_missed(run) -> None:
    assert run.Row("rate", "CPU s", [0.1], 2_000_000, 10.0).cells()[-2:] == [">= 10 M/s", "met"]
    assert run.Row("rate", "CPU s", [0.4], 2_000_000, 10.0).cells()[-2:] == [">= 10 M/s", "50% of it"]
    assert run.Row("value", "MB", [100.0, 300.0, 900.0], target=250.0).cells()[-2:] == ["<= 250 MB", "1.2 times it"]
    assert run.Row("value", "MB", [3.0, 1.0, 2.0]).cells()[1:5] == ["3", "2 MB", "1 MB", "3 MB"]


def test_the_bars_are_the_same_everywhere(run, monkeypatch: pytest.MonkeyPatch) -> None:
    market = importlib.import_module("market")
    bars = market.bars(5_000)
    assert market.digest(bars) == "e2ae33324f64cec5"
    assert (bars["low"] > 0).all()
    for name in ("open", "close"):
        assert (bars["low"] <= bars[name]).all()
        assert (bars[name] <= bars["high"]).all()
