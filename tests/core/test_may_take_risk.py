"""One gate decides whether new risk may be taken: every family stops by its answer, and none without it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = ("signal", "hold", "python", "ticks", "external", "carry")


@pytest.fixture(scope="module")
def entries():
    """By cause: entries of each family with the gate as it is, and with its answer for that cause taken out."""
    places = os.pathsep.join(str(ROOT / name) for name in ("", "tests", "src"))
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": places}
    command = [sys.executable, "-m", "tests.core.gate_entries"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cause", ["not_ready", "paused", "killed", "ruined", "drawdown_stopped"])
def test_what_the_gate_forbids_no_family_enters_and_without_the_gate_each_would(entries, cause, family):
    with_gate, without = entries[cause]
    assert with_gate[family] == 0
    assert without[family] > 0
