"""`tightloop data` as a user meets it: what it prints, where, and how it ends."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from adapters.data import planted
from tightloop.app.cli import console
from tightloop.app.cli.commands.data import data
from tightloop.model.errors import Interrupted


def run(*arguments):
    return CliRunner().invoke(data, [str(argument) for argument in arguments])


@pytest.fixture
def catalog(tmp_path):
    planted.write(tmp_path / "bars/binance/BTCUSDT-perp-1m.parquet", planted.bars(200))
    planted.write(tmp_path / "bars/bybit/BTCUSDT-perp-1m.parquet", planted.without(planted.bars(200), 5))
    return tmp_path


def test_check_shows_every_dataset_and_ends_with_0_when_nothing_is_unfit(catalog):
    result = run("check", "--data", catalog)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == [
        "fit", "bars/binance/BTCUSDT-perp-1m.parquet", "200", "2024-01-01T00:00:00Z", "to", "2024-01-01T03:19:00Z",
    ]  # fmt: skip
    assert lines[1].startswith("usable  bars/bybit/BTCUSDT-perp-1m.parquet")
    assert "holes: missing: 1 of 200 steps (0.5 %) in 1 gap, the longest of 1; first at 2024-01-01T00:05" in lines[2]
    assert lines[-1] == "2 datasets: 1 fit, 1 usable, 0 unfit"


def test_check_ends_with_1_when_something_is_unfit_and_its_json_is_that_of_the_contract(catalog, tmp_path):
    columns = planted.bars(200)
    columns["close"][7] = np.nan
    planted.write(catalog / "bars/okx/BTCUSDT-perp-1m.parquet", columns)
    file = tmp_path / "reports" / "check.json"
    assert run("check", "--data", catalog, "--json", file).exit_code == 1
    reports = json.loads(file.read_text())["datasets"]
    assert [report["verdict"] for report in reports] == ["fit", "usable", "unfit"]
    torn = reports[2]
    assert list(torn) == ["path", "rows", "from", "to", "verdict", "faults"]
    assert (torn["path"], torn["rows"], torn["from"]) == (
        "bars/okx/BTCUSDT-perp-1m.parquet", 200, "2024-01-01T00:00:00Z",
    )  # fmt: skip
    fault = torn["faults"][0]
    assert (fault["kind"], fault["count"], fault["first_ts"]) == ("non_positive", 1, "2024-01-01T00:07:00Z")
    assert fault["detail"]


def test_check_looks_at_the_datasets_that_are_named(catalog):
    for name in (
        "bars/bybit",
        "bars/bybit/BTCUSDT-perp-1m",
        "bars/bybit/BTCUSDT-perp-1m.parquet",
        "bybit:BTCUSDT-perp",
    ):
        assert run("check", "--data", catalog, name).stdout.splitlines()[-1] == "1 datasets: 0 fit, 1 usable, 0 unfit"


def test_a_dataset_that_is_not_there_ends_with_2_and_names_those_there_are(catalog):
    result = run("check", "--data", catalog, "bars/binance/ETHUSDT-perp-1m")
    assert result.exit_code == 2
    assert "error:" in result.stderr
    assert "there are bars/binance/BTCUSDT-perp-1m, bars/bybit/BTCUSDT-perp-1m" in result.stderr
    assert result.stdout == ""


def test_a_catalog_that_is_not_there_ends_with_2(tmp_path):
    result = run("check", "--data", tmp_path / "nowhere")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no such folder" in result.stderr


def test_wrong_rules_end_with_2_and_tell_every_problem_on_its_own_line(catalog):
    (catalog / "instruments.yaml").write_text("x:AB-spot: {lot: 1, taker_bps: x}\n")
    result = run("check", "--data", catalog)
    assert result.exit_code == 2
    assert [line.startswith("error:") for line in result.stderr.splitlines()] == [True, True]


def test_list_shows_rows_and_instruments_without_judging(catalog):
    (catalog / "bars/binance/BROKEN-spot-1m.parquet").write_text("x")
    result = run("list", "--data", catalog)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["DATASET", "ROWS", "FILES", "INSTRUMENT"]
    assert rows[1] == ["bars/binance/BROKEN-spot-1m.parquet", "?", "1", "binance:BROKEN-spot"]
    assert rows[2] == ["bars/binance/BTCUSDT-perp-1m.parquet", "200", "1", "binance:BTCUSDT-perp"]


def test_import_shows_what_it_guessed_and_judges_what_it_wrote(tmp_path):
    lines = ["Date,O,H,L,C,Vol"] + [f"2024-01-01 0{hour}:00:00,1,2,0.5,1.{hour},10" for hour in range(9)]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    result = run("import", tmp_path / "rows.csv", "--as", "bars:x:AB-spot-1h", "--data", tmp_path / "data")
    assert result.exit_code == 0, result.stderr
    assert "  ts from Date" in result.stdout
    assert "  Date: dates without a zone, as UTC" in result.stdout
    assert "9 rows, 9 of them new" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 datasets: 1 fit, 0 usable, 0 unfit"


def test_import_of_a_wrong_value_ends_with_2_and_names_file_line_and_column(tmp_path):
    (tmp_path / "rows.csv").write_text("ts,open,high,low,close,volume\n1704067200,1,2,x,1,1\n")
    result = run("import", tmp_path / "rows.csv", "--as", "bars:x:AB-spot-1h", "--data", tmp_path / "data")
    assert result.exit_code == 2
    assert f"{tmp_path / 'rows.csv'}:2: low: 'x' is not a finite number; repair or remove that row" in result.stderr


def test_resample_makes_a_dataset_that_list_shows(catalog):
    result = run("resample", "--data", catalog, "binance:BTCUSDT-perp", "1h")
    assert result.exit_code == 0, result.stderr
    assert "4 bars from 200" in result.stdout
    assert "the last bar, 2024-01-01T03:00:00Z, is partial" in result.stdout
    assert "bars/binance/BTCUSDT-perp-1h.parquet" in run("list", "--data", catalog).stdout


def test_an_instrument_with_two_timeframes_has_to_be_named_by_its_path(catalog):
    run("resample", "--data", catalog, "binance:BTCUSDT-perp", "1h")
    result = run("resample", "--data", catalog, "binance:BTCUSDT-perp", "4h")
    assert result.exit_code == 2
    assert "matches 2 datasets; name one of bars/binance/BTCUSDT-perp-" in result.stderr


def test_sample_makes_a_catalog_that_check_passes(tmp_path):
    made = run("sample", "--seed", 5, "--days", 1, "--out", tmp_path / "s")
    assert made.exit_code == 0, made.stderr
    assert f"next: tightloop data check --data {tmp_path / 's'}" in made.stdout
    assert run("check", "--data", tmp_path / "s").exit_code == 0
    again = run("sample", "--seed", 5, "--days", 1, "--out", tmp_path / "s")
    assert again.exit_code == 2
    assert "--replace" in again.stderr


def test_sample_makes_a_catalog_for_carry_in_a_folder_of_its_own(tmp_path):
    made = run("sample", "--carry", "--days", 14, "--out", tmp_path / "c")
    assert made.exit_code == 0, made.stderr
    assert "14 days, 26 datasets (10 of bars, 4 of funding, 4 of lending, 4 of staking" in made.stdout
    assert "keep it apart from real data" in made.stdout
    assert run("check", "--data", tmp_path / "c").exit_code == 0
    refused = run("sample", "--carry", "--scenario", "flat", "--out", tmp_path / "d")
    assert refused.exit_code == 2
    assert "make each in a folder of its own" in refused.stderr
    assert run("sample", "--carry", "--books", "--out", tmp_path / "d").exit_code == 2
    mixed = run("sample", "--carry", "--replace", "--out", tmp_path)
    assert mixed.exit_code == 2
    assert "holds other data" in mixed.stderr


def test_an_empty_catalog_is_no_failure_but_is_said(tmp_path):
    result = run("check", "--data", tmp_path)
    assert result.exit_code == 0
    assert "holds no datasets" in result.stderr


def test_the_group_imports_nothing_heavy():
    heavy = ("numpy", "pyarrow", "numba", "rich", "yaml")
    code = f"import sys, tightloop.app.cli.commands.data; print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_command_runs_without_the_rest_of_the_product(catalog):
    code = "from tightloop.app.cli.commands.data import data; data()"
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "--data", str(catalog)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("2 datasets: 1 fit, 1 usable, 0 unfit\n")


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (Interrupted("stopped"), 130)])
def test_an_interruption_ends_with_130(error, code, capsys):
    with pytest.raises(SystemExit) as ended, console.errors_shown():
        raise error
    assert ended.value.code == code
    assert "error:" in capsys.readouterr().err


def test_a_bug_is_not_dressed_up_as_an_error_of_the_user():
    with pytest.raises(ZeroDivisionError), console.errors_shown():
        raise ZeroDivisionError


def test_progress_is_silent_on_short_jobs_and_off_a_terminal(capsys, monkeypatch):
    assert list(console.progress(range(3), 3, "counting")) == [0, 1, 2]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(console.progress(range(3), 3, "counting")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_progress_passes_every_step_on_once_it_shows_its_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(console, "SHOWN_AFTER_S", -1.0)
    assert list(console.progress(range(5), 5, "counting")) == [0, 1, 2, 3, 4]
    assert "counting" in capsys.readouterr().err
