"""Measure what `python3 dev.py test` costs in CPU seconds: `python benches/suite_cpu.py [CHECKOUT ...]`.

Each checkout is set up, then tested twice: with an empty cache of machine code, and with the cache that this filled.
Counted is the CPU time of dev.py and of every process below it. Several checkouts (before, after) are measured one
after the other; the load of the machine is printed, because a busy one makes the same work dearer. Linux and macOS.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from children import ROOT, commit, cpu_model

STDERR = 2  # the descriptor: what is printed stays apart from the table
HEAD = "| commit | cache of machine code | CPU s | wall s | load before, after | exit code |\n|---|---|--:|--:|--:|--:|"


@dataclass(frozen=True)
class Measured:
    """One run of the suite; ``loads`` are the averages of a minute before and after it."""

    cpu_s: float
    wall_s: float
    loads: tuple[float, float]
    code: int

    def cells(self) -> list[str]:
        """Return what stands in the row of the table after the commit and the cache."""
        before, after = self.loads
        return [f"{self.cpu_s:.0f}", f"{self.wall_s:.0f}", f"{before:.1f}, {after:.1f}", str(self.code)]


def measured(checkout: Path, cache: Path) -> Measured:
    """Run the suite of a checkout on a cache folder; what it prints goes to stderr."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    begun, load = time.perf_counter(), os.getloadavg()[0]
    child = subprocess.Popen([sys.executable, "dev.py", "test"], cwd=checkout, env=environment, stdout=STDERR)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - begun
    return Measured(usage.ru_utime + usage.ru_stime, wall_s, (load, os.getloadavg()[0]), child.returncode)


def main(arguments: list[str]) -> int:
    """Print the table; the exit code is 1 when a suite failed, whose numbers then count for nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="*", type=Path, default=[ROOT], metavar="CHECKOUT")
    options = parser.parse_args(arguments)
    is_well = True
    print("- script: python benches/suite_cpu.py, the sum over dev.py test and all processes below it")
    print(f"- machine: {cpu_model()}, {platform.system()} {platform.machine()}, Python {platform.python_version()}")
    for checkout in options.checkouts:
        real = "with" if (checkout.resolve().parent / "shared" / "data").is_dir() else "without"
        print(f"- data of {commit(checkout)}: what the tests make, {real} the real rows beside the repository")
    print(HEAD, flush=True)
    for checkout in options.checkouts:
        subprocess.run([sys.executable, "dev.py", "setup"], cwd=checkout, check=True, stdout=STDERR)
        with tempfile.TemporaryDirectory() as cache:
            for name in ("empty", "filled"):
                found = measured(checkout, Path(cache))
                is_well = is_well and found.code == 0
                print(f"| {' | '.join([commit(checkout), name, *found.cells()])} |", flush=True)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
