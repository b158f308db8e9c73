"""Children of run.py: how long they ran, on how much CPU, in how much memory. Standard library alone."""

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Child:
    """A child that ended well. ``peak_mb`` and ``cpu_s`` are None where the system does not say."""

    output: str
    wall_s: float
    cpu_s: float | None
    peak_mb: float | None


def start(command: Sequence[str], **environment: str) -> Child:
    """Run a command to its end; RuntimeError with its last words when it fails."""
    with tempfile.TemporaryFile() as sink, tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        child = subprocess.Popen(command, stdout=sink, stderr=errors, env={**os.environ, **environment}, cwd=ROOT)
        cpu_s = peak_mb = None
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            cpu_s = usage.ru_utime + usage.ru_stime
            peak_mb = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)
        else:
            child.wait()
        wall_s = time.perf_counter() - begun
        sink.seek(0)
        errors.seek(0)
        if child.returncode:
            last = errors.read().decode(errors="replace")[-2_000:]
            raise RuntimeError(f"{' '.join(command)}: exit code {child.returncode}\n{last}")
        return Child(sink.read().decode(errors="replace"), wall_s, cpu_s, peak_mb)


def tightloop_command() -> list[str]:
    """The installed command, which is what a user starts."""
    script = Path(sys.executable).parent / ("tightloop.exe" if os.name == "nt" else "tightloop")
    return [str(script)] if script.exists() else [sys.executable, "-m", "tightloop.app.cli.main"]


def cpu_model() -> str:
    """The model of the CPU and how many cores may be used."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line[:10] == "model name"
        ]
        model = named[0] if named else model
    return f"{model}, {os.cpu_count()} cores"


def commit(tree: Path = ROOT) -> str:
    """The commit of a tree, and whether the package differs from it."""
    found = []
    for command in (["rev-parse", "--short=10", "HEAD"], ["status", "--porcelain", "--", "src", "benches"]):
        try:
            done = subprocess.run(["git", *command], cwd=tree, capture_output=True, text=True, check=False)
        except OSError:
            return "unknown"
        found.append(done.stdout.strip())
    return (found[0] or "unknown") + (" with changes" if found[1] else "")
