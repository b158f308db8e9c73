"""The script that measures the suite counts the CPU time of every process below it, on an empty and a filled cache."""

import importlib
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEV = """
import os, pathlib, subprocess, sys, time
if sys.argv[1] == "test":
    file = pathlib.Path(os.environ["NUMBA_CACHE_DIR"]) / "machine code"
    burn = f"import time\\nwhile time.process_time() < {0.2 if file.exists() else 1.0}: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    file.touch()
    sys.exit(CODE)
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "wait4"), reason="a child's CPU time is asked of a system of Unix")


@pytest.fixture
def suite_cpu(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benches"))
    monkeypatch.delitem(sys.modules, "suite_cpu", raising=False)
    return importlib.import_module("suite_cpu")


@pytest.mark.parametrize("code", [0, 1])
def test_the_suite_is_measured_on_an_empty_cache_and_on_what_that_filled(suite_cpu, tmp_path, capsys, code):
    (tmp_path / "dev.py").write_text(DEV.replace("CODE", str(code)))
    assert suite_cpu.main([str(tmp_path)]) == code
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]
    assert [row[1] for row in rows] == ["empty", "filled"]
    assert [row[-1] for row in rows] == [str(code)] * 2
    assert int(rows[0][2]) >= 1
    assert int(rows[1][2]) <= int(rows[0][2])
    assert {line.split(":")[0] for line in lines if line.startswith("- ")} >= {"- script", "- machine"}
