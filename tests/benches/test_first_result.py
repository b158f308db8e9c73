"""The script that measures a newcomer's way clones a repository and reads the steps that its dev.py names."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEV = """
import os, pathlib, sys
assert sys.argv[1:] == ["demo"]
assert not any(pathlib.Path(os.environ["HOME"]).iterdir()) or pathlib.Path("made").exists()
if pathlib.Path("made").exists():
    sys.exit(0)
(pathlib.Path(os.environ["HOME"]) / "kept").touch()
pathlib.Path("made").touch()
print("step 1 of 2: installing packages, about 1 MB (runtime) ...")
print("step 1 of 2: installing packages, about 1 MB (runtime): 3.5 s")
print("image" if pathlib.Path("native").exists() else "no image")
print("step 2 of 2: a backtest of strategies/pump_1m.yaml")
sys.exit(CODE)
"""

pytestmark = pytest.mark.skipif(
    not hasattr(os, "wait4") or shutil.which("git") is None, reason="a clone, and its memory asked of a system of Unix"
)


@pytest.fixture
def first_result(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benches"))
    monkeypatch.delitem(sys.modules, "first_result", raising=False)
    module = importlib.import_module("first_result")
    monkeypatch.setattr(module, "loaded_modules", lambda clone, environment: {"tightloop", "numpy"})
    return module


def repository(folder, code):
    (folder / "native").mkdir(parents=True)
    (folder / "native" / "index.json").touch()
    (folder / "dev.py").write_text(DEV.replace("CODE", str(code)))
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return str(folder)


@pytest.mark.parametrize("options", [[], ["--without-image"]])
def test_each_step_and_both_times_are_printed_with_what_they_were_measured_on(first_result, tmp_path, capsys, options):
    assert first_result.main([repository(tmp_path / "project", 0), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split(":")[0] for line in lines if line.startswith("- ")} >= {
        "- script",
        "- data",
        "- machine",
        "- load",
    }
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]
    assert [row[0].split(",")[0].split(" (")[0] for row in rows] == [
        "git clone",
        "installing packages",
        "a backtest of strategies/pump_1m.yaml",
        "**to the first report**",
        "**the second time**",
    ]
    assert rows[1][1] == "3.5"
    assert "of the compiler: none" in "".join(lines)


def test_a_demo_that_fails_is_shown_and_no_measurement(first_result, tmp_path, capsys):
    assert first_result.main([repository(tmp_path / "project", 1)]) == 1
    shown = capsys.readouterr()
    assert "| step" not in shown.out
    assert "step 2 of 2" in shown.err


def test_a_run_that_loads_the_compiler_beside_the_image_fails(first_result, tmp_path, monkeypatch):
    monkeypatch.setattr(first_result, "loaded_modules", lambda clone, environment: {"numba"})
    assert first_result.main([repository(tmp_path / "project", 0)]) == 1
