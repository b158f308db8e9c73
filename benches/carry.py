"""CPU of carry: one run, the whole command, and a sweep, of a hedged leveraged strategy over all hourly rows.

    python benches/carry.py [DATA]

Prints the median and the range of each; everything is compiled and in the page cache before it is measured.
"""

import itertools
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tightloop.app.runs.backtest import backtest
from tightloop.app.runs.sweep import sweep

ROOT = Path(__file__).resolve().parents[1]
STRATEGY = ROOT / "strategies" / "carry" / "usdt_eth_staking_hedged_leveraged.yaml"
LTVS = [round(0.50 + 0.0075 * k, 4) for k in range(40)]
DELTAS = [round(0.005 + 0.001 * k, 4) for k in range(25)]


def line(name: str, unit: str, values: list[float], target: str) -> None:
    middle = statistics.median(values)
    spread = f"{min(values):.4g} to {max(values):.4g}"
    print(f"{name}: {middle:.4g} {unit} ({spread}, {len(values)} runs), target {target}")


def command(data: Path, out: str) -> tuple[float, float]:
    """Wall and CPU seconds of the whole command, with files and report."""
    words = [
        sys.executable,
        "-m",
        "tightloop.app.cli.main",
        "backtest",
        str(STRATEGY),
        "--data",
        str(data),
        "--out",
        out,
    ]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    backtest(STRATEGY, data=data)
    runs = [backtest(STRATEGY, data=data) for _ in range(9)]
    line(f"run over {runs[0].timing['bars']:.0f} hours", "CPU s", [run.timing["run"] for run in runs], "0.05")
    with tempfile.TemporaryDirectory() as folder:
        commands = [command(data, f"{folder}/{k}") for k in range(5)]
    line("whole command with its report", "CPU s", [cpu for _, cpu in commands], "-")
    line("whole command with its report", "wall s", [wall for wall, _ in commands], "2")
    sets = list(itertools.product(LTVS, DELTAS))
    wall, cpu = time.perf_counter(), time.process_time()
    done = sweep(STRATEGY, parameters={"params.ltv": LTVS, "bands.delta": DELTAS}, data=data)
    assert len(done.rows) == len(sets), "every setting has a row"
    line(f"sweep of {len(sets)} settings", "wall s", [time.perf_counter() - wall], "10")
    line(f"sweep of {len(sets)} settings", "CPU s", [time.process_time() - cpu], "-")


if __name__ == "__main__":
    main()
