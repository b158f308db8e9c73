"""Measure a newcomer's way from a clone to the first report: `python benches/first_result.py [--without-image]`.

A repository is cloned to a temporary folder, and `dev.py demo` runs in it with a home and caches of its own, all empty:
nothing that was installed, downloaded or compiled before is found. It runs a second time, and then the backtest alone,
to see which modules a run loads. Printed is each step with its seconds, the peak memory of the largest process, the CPU
time of all. Downloads are counted on all network interfaces, so others' are in it. Linux and macOS.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from children import ROOT, commit, cpu_model

STEP = re.compile(r"step (\d+) of (\d+): (.*?)(?:: ([\d.]+) s)?$")
HEAD = "| step | wall s |\n|---|--:|"
TARGETS_S = {"with the image": (30, 5), "without the image": (90, None)}
BACKTEST = ["backtest", "strategies/pump_1m.yaml", "--data", ".data/sample", "--out", "runs/modules"]
COMPILER = ("numba", "llvmlite")
REMOVED_WITHIN_S = 30


@dataclass(frozen=True)
class Ran:
    """A command that ended: what it printed with the second of each line, and what it cost."""

    lines: list[tuple[float, str]]
    wall_s: float
    cpu_s: float
    peak_mb: float
    code: int


def ran(command: list[str], folder: Path, environment: dict[str, str]) -> Ran:
    """Run a command to its end and follow what it prints."""
    begun = time.perf_counter()
    child = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert child.stdout is not None, "the output was asked for"
    with child.stdout as output:
        lines = [(time.perf_counter() - begun, line.rstrip()) for line in output]
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    peak_mb = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)
    wall_s = time.perf_counter() - begun
    return Ran(lines, wall_s, usage.ru_utime + usage.ru_stime, peak_mb, child.returncode)


def own_environment(home: Path) -> dict[str, str]:
    """Return the environment of a user who has just come: a home and caches of his own, all empty."""
    hidden = ("UV_", "NUMBA_", "TIGHTLOOP_", "XDG_")
    found = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    for name in ("PIP_CACHE_DIR", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "PYTHONPATH"):
        found.pop(name, None)
    found |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "UV_CACHE_DIR": str(home / "uv")}
    found |= {"PIP_CACHE_DIR": str(home / "pip"), "NUMBA_CACHE_DIR": str(home / "compiled")}
    return found


def received_mb() -> float | None:
    """Return what all network interfaces have received; None where the system does not say."""
    counters = Path("/proc/net/dev")
    if not counters.exists():
        return None
    rows = [line.partition(":") for line in counters.read_text().splitlines()[2:]]
    return sum(int(found.split()[0]) for name, _, found in rows if name.strip() != "lo") / 1e6


def steps_of(demo: Ran) -> list[tuple[str, float]]:
    """Return the steps that dev.py named and their seconds; the last one ends with the process."""
    found: list[tuple[str, float]] = []
    for at_s, line in demo.lines:
        if match := STEP.match(line):
            number, total, what, took = match.groups()
            if took:
                found.append((what, float(took)))
            elif number == total and not line.endswith("..."):
                found.append((what, demo.wall_s - at_s))
    return found


def loaded_modules(clone: Path, environment: dict[str, str]) -> set[str]:
    """Return the modules that a backtest with its report loads, by a run of its own."""
    scripts = clone / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    command = [str(scripts / "python"), "-X", "importtime", "-m", "tightloop.app.cli.main", *BACKTEST]
    lines = ran(command, clone, environment).lines
    return {line.rpartition("|")[2].strip() for _, line in lines if line.startswith("import time:")}


@contextmanager
def emptied_folder() -> Iterator[Path]:
    """Give a temporary folder; dev.py may still write byte code into it when it is removed."""
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        for _ in range(REMOVED_WITHIN_S):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(1)


def measure(repository: Path, python: str, *, is_without_image: bool) -> int:
    """Print the table of one clone; return 1 if a command failed or the compiler was loaded beside an image."""
    load = os.getloadavg()[0]
    with emptied_folder() as temporary:
        clone, home = temporary / "tightloop", temporary / "home"
        home.mkdir()
        environment = own_environment(home)
        cloned = ran(["git", "clone", "--quiet", str(repository), str(clone)], temporary, environment)
        if is_without_image:
            shutil.rmtree(clone / "native")
        before = received_mb()
        first = ran([python, "dev.py", "demo"], clone, environment)
        after = received_mb()
        if first.code:
            print("\n".join(line for _, line in first.lines), file=sys.stderr)
            return 1
        second = ran([python, "dev.py", "demo"], clone, environment)
        modules = loaded_modules(clone, environment)
    compiler = sorted(modules.intersection(COMPILER))
    name = "without the image" if is_without_image else "with the image"
    first_s, second_s = TARGETS_S[name]
    options = " --without-image" if is_without_image else ""
    print(f"- script: python benches/first_result.py{options}: a clone, empty caches, `dev.py demo` twice")
    print(f"- data: the sample market that the demo makes; commit {commit(repository)}, {name}")
    print(f"- machine: {cpu_model()}, {platform.system()} {platform.machine()}, Python {platform.python_version()}")
    print(f"- load: {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    if before is not None and after is not None:
        print(f"- received meanwhile: {after - before:.0f} MB")
    print(f"- a run loads {len(modules)} modules, of the compiler: {', '.join(compiler) or 'none'}\n")
    print(HEAD)
    for what, took_s in [("git clone", cloned.wall_s), *steps_of(first)]:
        print(f"| {what} | {took_s:.1f} |")
    print(f"| **to the first report** (target {first_s}) | **{cloned.wall_s + first.wall_s:.1f}** |")
    print(f"| **the second time** (target {second_s or 'none'}) | **{second.wall_s:.1f}** |\n")
    print(f"First: {first.cpu_s:.1f} CPU s, peak {first.peak_mb:.0f} MB; second: {second.cpu_s:.1f} CPU s.")
    return int(bool(second.code or (compiler and not is_without_image)))


def main(arguments: list[str]) -> int:
    """Measure one way to the first report; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", nargs="?", type=Path, default=ROOT, help="what is cloned; this one by default")
    parser.add_argument("--python", default=getattr(sys, "_base_executable", sys.executable), help="starts dev.py")
    parser.add_argument("--without-image", action="store_true", help="remove native/ from the clone: all is compiled")
    options = parser.parse_args(arguments)
    return measure(options.repository.resolve(), options.python, is_without_image=options.without_image)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
