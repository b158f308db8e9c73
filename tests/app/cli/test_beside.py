"""What is large is compiled by other processes, and found in the cache by the one that asked for it."""

import os
import subprocess
import sys

import pytest

from tightloop.core import compiled

pytestmark = pytest.mark.skipif(compiled.DISABLE_JIT, reason="nothing is compiled")

STARTS, BESIDE, LOOP = (
    f"tightloop.core.{name}" for name in ("market.tapes.is_full", "market.history.remember", "replay.live.next_due_ns")
)

USE = f"""
from tightloop.app.cli import beside
from tightloop.core import compiled
from tightloop.core.market import history, tapes
from tightloop.core.replay import live

beside.CALLED_BY_STEP, beside.STEP, beside.LOOPS = ({STARTS!r},), {BESIDE!r}, ({LOOP!r},)
compiled.use_first_tier()
made, waited = [], []
beside.accompany(waited.append, is_first=True)
compiled.watch_compiling(made.append)
for function in (tapes.is_full, history.remember, live.next_due_ns):
    assert function.address
print(*filter(None, made), "waited for", *filter(None, waited))
"""


def use(cache):
    mine = {"NUMBA_CACHE_DIR": str(cache), "TIGHTLOOP_NATIVE": "off", "NUMBA_BOUNDSCHECK": "0"}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **mine}
    ended = subprocess.run(
        [sys.executable, "-c", USE], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    made, _, waited = ended.stdout.partition("waited for")
    return made.split(), waited.split()


def test_this_process_compiles_what_others_do_not(tmp_path):
    assert use(tmp_path) == (["tapes.is_full"], ["history.remember", "live.next_due_ns"])
    assert use(tmp_path) == ([], [])


def test_everything_is_compiled_here_where_no_process_can_start(tmp_path, monkeypatch):
    script = USE.replace("made, waited", "import sys; sys.executable = '/nowhere'; made, waited", 1)
    monkeypatch.setitem(globals(), "USE", script)
    assert use(tmp_path) == (["tapes.is_full", "history.remember", "live.next_due_ns"], [])
