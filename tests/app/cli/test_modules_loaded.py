"""Each command loads what it uses: which of the large packages are not in its process when it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.data import planted
from app.bad_files import GOOD
from tightloop.core.native import image

COMPILER = ("llvmlite", "numba")
TABLES, FILES, SCHEMAS, SCREEN = "polars", "pyarrow", "pydantic", "rich"
LARGE = (*COMPILER, TABLES, FILES, SCHEMAS, SCREEN)
SESSIONS = ("aiohttp", "ccxt", "tightloop.runtime.python.strategies")
SCRIPT = """
import sys
from tightloop.app.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print("LOADED", end.code, *sorted(sys.modules.keys() & set({large!r})))
"""


def loaded(*arguments):
    """Run a command in a process of its own and return which of the large packages it loaded."""
    command = [sys.executable, "-c", SCRIPT.format(large=LARGE), *arguments]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    word, code, *packages = told.stdout.splitlines()[-1].split()
    assert (word, code) == ("LOADED", "0"), told.stderr
    return set(packages)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A catalog, a strategy, and a run of it with everything written."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "good.yaml").write_text(GOOD, encoding="utf-8")
    planted.write(folder / "data/bars/binance/BTCUSDT-perp-1m.parquet", planted.bars(4_000))
    return folder


@pytest.fixture(scope="module")
def written(place):
    """What the command loaded that made the run ``out``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        return loaded("backtest", "good.yaml", "--out", "out")


def is_image_whole():
    found = image.loaded()
    return found is not None and all(found.fits(name) for name in found.functions)


def absent(packages, *expected):
    """Assert that packages are not among the loaded ones; the compiler only where nothing had to be compiled."""
    assert not packages & set(expected)
    if is_image_whole():
        assert not packages & set(COMPILER)


def test_indicators_loads_none_of_them(place, monkeypatch):
    monkeypatch.chdir(place)
    absent(loaded("indicators"), TABLES, FILES, SCHEMAS, SCREEN)


def test_validate_loads_what_reads_strategies(place, monkeypatch):
    monkeypatch.chdir(place)
    packages = loaded("validate", "good.yaml")
    absent(packages, TABLES, FILES, SCREEN)
    assert SCHEMAS in packages


@pytest.mark.parametrize("command", ["list", "check", "sample --days 1 --out sample"])
def test_data_loads_what_reads_and_writes_files(place, monkeypatch, command):
    monkeypatch.chdir(place)
    packages = loaded("data", *command.split())
    absent(packages, *COMPILER, TABLES, SCHEMAS, SCREEN)
    assert FILES in packages


def test_a_run_without_a_report_loads_no_tables(place, monkeypatch):
    monkeypatch.chdir(place)
    absent(loaded("backtest", "good.yaml", "--no-report", "--out", "bare"), TABLES)


def test_a_run_with_its_report_loads_tables(written):
    absent(written)
    assert TABLES in written


def test_report_prints_a_path_and_needs_no_screen(place, written, monkeypatch):
    monkeypatch.chdir(place)
    absent(loaded("report", "out"), SCREEN)


def test_explain_takes_machine_code_from_the_image(place, written, monkeypatch):
    monkeypatch.chdir(place)
    assert (place / "out" / "result.json").is_file()
    absent(loaded("explain", "out"))


def test_no_command_parses_sources(place, monkeypatch):
    """What of the core has changed is told by hashes of whole files."""
    monkeypatch.chdir(place)
    if not is_image_whole():
        pytest.skip("the image is older than the sources: what it does not have is found by what files import")
    script = "from tightloop.core.native import stamps\nstamps.imported_core_files = None\n" + SCRIPT
    command = [
        sys.executable,
        "-c",
        script.format(large=LARGE),
        "backtest",
        "good.yaml",
        "--no-report",
        "--out",
        "bare",
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1].startswith("LOADED 0"), told.stderr
    assert Path("bare/result.json").is_file()


def imported(*modules):
    """Import modules in a process of its own and return which of the large packages they loaded."""
    script = f"import sys, {', '.join(modules)}\nprint(*sorted(sys.modules.keys() & set({(*LARGE, *SESSIONS)!r})))"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.mark.parametrize("mode", ["live", "paper"])
def test_a_session_starts_without_what_reads_catalogs_and_calls_classes(mode):
    packages = imported("tightloop.app.cli.commands.live", f"tightloop.app.runs.live.{mode}")
    absent(packages, *COMPILER, TABLES, FILES, SCREEN, "ccxt", "tightloop.runtime.python.strategies")
    assert {"aiohttp", SCHEMAS} <= packages


def test_what_keeps_the_read_model_loads_no_network():
    packages = imported("tightloop.app.runs.live.index.follower", "tightloop.app.runs.live.index.keeping")
    absent(packages, *COMPILER, TABLES, FILES, SCREEN, "aiohttp")
