"""The guide tells of the examples what `detect` counts, and none of them enters where nothing happens."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bench():
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(ROOT / "benches"))
    yield importlib.import_module("lab_detection")
    patch.undo()


@pytest.fixture(scope="module")
def found(bench, tmp_path_factory):
    return bench.measured(bench.make_lab(tmp_path_factory.mktemp("lab")))


def row(detection, scenario, kind="all"):
    return next(own for own in detection.rows if (own.scenario, own.kind) == (scenario, kind))


def test_the_tables_of_the_guide_are_those_that_are_counted(bench, found):
    page = bench.PAGE.read_text(encoding="utf-8")
    assert f"{bench.BEGIN}\n{bench.tables(found)}\n{bench.END}" in page, "run benches/lab_detection.py --write"


def test_no_example_sees_or_enters_anything_where_nothing_happens(bench, found):
    assert set(found) == set(bench.STRATEGIES)
    for name, detection in found.items():
        flat = row(detection, "flat")
        assert (flat.labels, flat.signals, flat.entries, detection.entries_in_flat) == (6, 0, 0, 0), name


def test_every_scenario_is_of_six_coins_and_every_example_finds_pumps(bench, found):
    for name, detection in found.items():
        for scenario in bench.SCENARIOS:
            assert row(detection, scenario).labels >= 6, (name, scenario)
        assert row(detection, "pump").found >= 3, name
        assert row(detection, "gap", "none").signals == 0, "no value that a gap made fires where there is no pump"
