"""Fast code is compiled after a command that used quick code: once, by a process of its own, and found afterwards."""

import os
import subprocess
import sys
import time

import pytest

from tightloop.app.cli import background
from tightloop.core import compiled
from tightloop.core.market import tapes

NAME = "tightloop.core.market.tapes.is_full"
pytestmark = pytest.mark.skipif(compiled.DISABLE_JIT, reason="nothing is compiled")

USE = """
import sys
import numpy as np
from tightloop.app.cli import background
from tightloop.core import compiled
from tightloop.core.domain.types import STATE
from tightloop.core.market import tapes

compiled.use_first_tier()
tapes.is_full(np.zeros(1, STATE), 0)
print(*compiled.compiled_first(), background.start(), background.start())
"""


@pytest.fixture
def environment(tmp_path):
    mine = {"NUMBA_CACHE_DIR": str(tmp_path), "TIGHTLOOP_NATIVE": "off", "NUMBA_BOUNDSCHECK": "0"}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **mine}


def use(environment):
    ended = subprocess.run(
        [sys.executable, "-c", USE], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def test_what_was_compiled_quickly_is_compiled_again_and_then_used(environment, tmp_path):
    assert use(environment) == [NAME, "True", "False"], "one process is enough"
    ends_s = time.monotonic() + 240
    while (tmp_path / background.LOCK).exists() and time.monotonic() < ends_s:
        time.sleep(0.1)
    assert (tmp_path / background.LOG).read_text() == ""
    assert use(environment) == ["False", "False"], "fast code was found: nothing is left to do"


def test_nothing_is_started_when_no_quick_code_was_used():
    assert compiled.compiled_first() == []
    assert background.start() is False


def test_a_lock_of_a_process_that_was_killed_holds_for_a_while(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiled, "compiled_first", lambda: [tapes.is_full.name])
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: started.append(command))
    lock = tmp_path / background.LOCK
    lock.write_text("1")
    assert background.start() is False
    os.utime(lock, (1, 1))
    assert background.start() is True
    assert started[0][-1] == f"tightloop.core.market.tapes:{NAME}"


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """A process that uses quick code of one function, and starts nothing."""
    started = []
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiled, "compiled_first", lambda: [tapes.is_full.name])
    monkeypatch.setattr(background.subprocess, "Popen", lambda command, **_: started.append(command))
    return tmp_path, started


def test_a_log_that_cannot_be_written_is_no_fault_of_the_command(quick):
    folder, started = quick
    (folder / background.LOG).mkdir()
    assert not background.start()
    assert not started
    assert not (folder / background.LOCK).exists(), "the next command tries again"


def test_a_process_that_cannot_be_started_is_no_fault_of_the_command(quick, monkeypatch):
    def refuse(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(background.subprocess, "Popen", refuse)
    assert not background.start()


@pytest.mark.parametrize("age_s", [2 * background.STALE_S, -2 * background.STALE_S])
def test_the_lock_of_a_process_that_was_killed_counts_for_a_while(quick, age_s):
    folder, _ = quick
    lock = folder / background.LOCK
    lock.touch()
    assert not background.start()
    os.utime(lock, (time.time() - age_s,) * 2)
    assert background.start()
