"""The environment of the peer: made once, kept in the user's cache, never mixed with ours."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
WAIT_S = 900.0


class NoPeer(Exception):
    """The environment cannot be made here; the message says why."""


def cache_folder() -> Path:
    """``TIGHTLOOP_PEERS_DIR``, else a folder of the user's cache."""
    if own := os.environ.get("TIGHTLOOP_PEERS_DIR"):
        return Path(own)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "tightloop" / "peers"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tightloop" / "peers"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tightloop" / "peers"


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def peer_python(requirements: Path = REQUIREMENTS) -> Path:
    """The Python of a peer's environment, made now if need be; one process makes it, others wait. Raises NoPeer."""
    stamp = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache_folder() / stamp
    complete = folder / "complete"
    lock = folder.with_suffix(".lock")
    folder.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + WAIT_S
    while not complete.is_file():
        try:
            lock.mkdir()
        except FileExistsError:
            if time.monotonic() > until:
                raise NoPeer(f"another process has been making {folder} for long; delete {lock} if none is") from None
            time.sleep(0.5)
            continue
        try:
            if not complete.is_file():
                _make(folder, requirements)
                complete.touch()
        finally:
            lock.rmdir()
    return python_of(folder)


def _make(folder: Path, requirements: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)]
    for command in ([sys.executable, "-m", "venv", str(folder)], [str(python_of(folder)), *install]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["no message"]
            raise NoPeer(f"the peer's environment cannot be made: {last[0]}")


def run_jobs(
    jobs: Sequence[dict[str, Any]], script: str = "run_peer.py", requirements: Path = REQUIREMENTS
) -> list[dict[str, Any]]:
    """What the peer made of each job of its script, in one process of its own. Raises NoPeer."""
    python = peer_python(requirements)
    with tempfile.TemporaryDirectory() as temporary:
        asked, answered = Path(temporary) / "jobs.json", Path(temporary) / "trades.json"
        asked.write_text(json.dumps(list(jobs)), encoding="utf-8")
        hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        command = [str(python), str(HERE / script), str(asked), str(answered)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, f"the peer failed:\n{done.stderr[-3_000:]}"
        found: list[dict[str, Any]] = json.loads(answered.read_text(encoding="utf-8"))
    return found
