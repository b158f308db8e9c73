"""``python3 dev.py reference``: every figure of the shared file, and what it says of a file that is wrong."""

import json

import pytest
from click.testing import CliRunner

from app.carry_strategies import SHARED
from app.carry_strategies import real as real_path
from tightloop.app.cli.reference import main, same

DATA = SHARED / "data"
EXPECTED = SHARED / "reference" / "yield.json"
real = pytest.mark.usefixtures("_rows_are_here")


@pytest.fixture
def _rows_are_here():
    real_path("data")
    real_path("reference/yield.json")


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


def written(tmp_path, figures):
    path = tmp_path / "figures.json"
    path.write_text(json.dumps(figures))
    return path


@real
def test_every_figure_of_every_window_is_reproduced_through_its_strategy_file():
    result = run("--data", DATA, "--file", EXPECTED)
    assert result.exit_code == 0, result.output[-2_000:]
    windows = json.loads(EXPECTED.read_text())
    count = sum(len(numbers) for figures in windows.values() for numbers in figures.values())
    assert f"{count} of {count} figures are as expected." in result.output


@real
def test_a_number_that_is_off_by_more_than_the_tolerance_ends_with_1(tmp_path):
    ratio = json.loads(EXPECTED.read_text())["2024-06-01..2024-08-01"]["usdt_supply"]["ratio"]
    wrong = {"2024-06-01..2024-08-01": {"usdt_supply": {"ratio": ratio * (1 + 3e-9)}}}
    result = run("--data", DATA, "--file", written(tmp_path, wrong))
    assert result.exit_code == 1
    assert "DIFFERS" in result.output


@real
def test_other_windows_and_other_values_of_a_parameter_run_too(tmp_path):
    figures = {"2024-07-03..2024-07-19": {"loop_weETH_0.5": {"leverage": 2.0}, "basis_static": {"warn": None}}}
    result = run("--data", DATA, "--file", written(tmp_path, figures))
    assert result.exit_code == 0, result.output


@real
def test_a_figure_that_nobody_knows_is_named_and_ends_with_1(tmp_path):
    figures = {"2024-06-01..2024-08-01": {"moon_shot": {"apy": 1.0}, "usdt_supply": {"luck": 1.0}}}
    result = run("--data", DATA, "--file", written(tmp_path, figures))
    assert result.exit_code == 1
    assert "there is no moon_shot.yaml" in result.output
    assert "no figure is called luck" in result.output


def test_a_file_that_is_no_file_of_figures_is_refused_with_2(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    for path in (tmp_path / "bad.json", tmp_path / "none.json", written(tmp_path, {"June": {"usdt_supply": {}}})):
        result = run("--data", tmp_path, "--file", path)
        assert result.exit_code == 2, result.output


def test_a_catalog_that_is_not_there_is_refused_with_2(tmp_path):
    result = run("--data", tmp_path / "nowhere", "--file", written(tmp_path, {"2024-06-01..2024-08-01": {}}))
    assert result.exit_code == 2
    assert "--data" in result.output + result.stderr


@pytest.mark.parametrize(
    ("expected", "found", "scale", "verdict"),
    [
        (1.0, 1.0 + 0.9e-9, 1.0, True),
        (1.0, 1.0 + 1.1e-9, 1.0, False),
        (77.55, 77.55 + 4e-5, 42_283.58, True),
        (1638, 1639, 1e12, False),
        (None, None, 1.0, True),
        (None, "2024-11-11 15:00:00", 1.0, False),
        ("2024-11-11 15:00:00", "2024-11-11 16:00:00", 1.0, False),
        (0.0, None, 1.0, False),
    ],
)
def test_the_tolerance_is_relative_to_what_is_expected_or_to_the_scale(expected, found, scale, verdict):
    assert same(expected, found, scale) is verdict
