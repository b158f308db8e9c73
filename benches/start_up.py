"""What a command costs before and while it works: CPU seconds, peak memory, and which large packages it loads.

    benches/start_up.py [--runs N] [--write]

Each command runs N times, in turns with the others, in a process of its own on a sample market of 30 days; `w1` is W1
of run.py on a year of minutes. Byte code is there; machine code comes from the image, or from the cache after a first
run that does not count. `--write` puts the table into RESULTS.md. Standard library alone, but for the data.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from children import ROOT, Child, commit, cpu_model, start, tightloop_command

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
BEGIN, END = "<!-- start-up: begin -->", "<!-- start-up: end -->"
LARGE = ("numba", "llvmlite", "polars", "pyarrow", "pydantic", "rich")
DAYS = 30
YEAR_BARS, MONTH_BARS = 525_600, 43_200
LOADED = f"""
import sys
from tightloop.app.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(*(name for name in {LARGE!r} if name in sys.modules))
"""
MAKE_YEAR = f"import sys, pathlib, market; market.write(pathlib.Path(sys.argv[1]), {YEAR_BARS}, {MONTH_BARS})"


@dataclass(frozen=True)
class Command:
    """A command of tightloop, and what it may cost: CPU seconds and MB, where there is a target."""

    name: str
    arguments: tuple[str, ...]
    cpu_s_max: float | None = None
    peak_mb_max: float | None = None


def commands(folder: Path) -> list[Command]:
    """Return what is measured; ``folder`` holds the data and takes what is written."""
    data, year, out, bare = (str(folder / name) for name in ("data", "year", "out", "bare"))
    strategy = [str(ROOT / "strategies" / "ema_cross.yaml"), "--instrument", "sample:BTCUSDT-perp"]
    month = ("backtest", *strategy, "--set", "timeframe=1m", "--data", data)
    return [
        Command("--help", ("--help",), 0.1),
        Command("indicators", ("indicators",), 0.3),
        Command("validate", ("validate", strategy[0]), 0.45),
        Command("data list", ("data", "list", "--data", data)),
        Command("data check", ("data", "check", "--data", data), 0.4),
        Command("backtest --no-report", (*month, "--out", bare, "--no-report"), 0.6),
        Command("backtest", (*month, "--out", out), 0.9),
        Command("report", ("report", out, "--data", data)),
        Command("explain", ("explain", out)),
        Command(
            "w1 by backtest --no-report",
            ("backtest", str(HERE / "w1.yaml"), "--data", year, "--out", str(folder / "w1"), "--no-report"),
            None,
            230.0,
        ),
    ]


def make_data(folder: Path) -> None:
    """Write the sample market and the year of W1."""
    start([*tightloop_command(), "data", "sample", "--out", str(folder / "data"), "--days", str(DAYS)])
    start([sys.executable, "-c", MAKE_YEAR, str(folder / "year")], PYTHONPATH=path_with(HERE))


def path_with(folder: Path) -> str:
    """Return PYTHONPATH with a folder in front."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


def row(command: Command, children: list[Child], packages: str) -> str:
    """Return a line of the table."""
    spent = sorted(child.cpu_s or 0.0 for child in children)
    peak = max(child.peak_mb or 0.0 for child in children)
    median = statistics.median(spent)
    target = verdict = ""
    if command.cpu_s_max is not None:
        target = f"<= {command.cpu_s_max:g} CPU s"
        verdict = "met" if median <= command.cpu_s_max else f"{median / command.cpu_s_max:.2f} times it"
    if command.peak_mb_max is not None:
        target = f"<= {command.peak_mb_max:g} MB"
        verdict = "met" if peak <= command.peak_mb_max else f"{peak / command.peak_mb_max:.2f} times it"
    cells = (f"`{command.name}`", str(len(spent)), f"{median:.2f}", f"{spent[0]:.2f}", f"{spent[-1]:.2f}")
    return f"| {' | '.join((*cells, f'{peak:.0f}', packages, target, verdict))} |"


def measure(runs: int) -> str:
    """Measure everything; return the text for RESULTS.md."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(ROOT / "src")], check=True)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder)
        chosen = commands(folder)
        packages = {}
        for command in chosen:  # also what fills the cache
            said = start([sys.executable, "-c", LOADED, *command.arguments]).output
            packages[command.name] = ", ".join(said.splitlines()[-1].split())
        children: dict[str, list[Child]] = {command.name: [] for command in chosen}
        for _ in range(runs):
            for command in chosen:
                children[command.name].append(start([*tightloop_command(), *command.arguments]))
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    lines = [
        f"- command: `benches/start_up.py --runs {runs}`; CPU seconds are user and system of the whole process",
        f"- data: `tightloop data sample --days {DAYS}`; W1 on {YEAR_BARS:,} bars of market.py",
        f"- machine: {cpu_model()}, {platform.system()} {platform.machine()}, load {load} at the end",
        f"- software: commit {commit()}, Python {platform.python_version()}",
        "",
        "| command | runs | median CPU s | min | max | peak MB | large packages loaded | target | verdict |",
        "|---|--:|--:|--:|--:|--:|---|--:|---|",
        *(row(command, children[command.name], packages[command.name]) for command in chosen),
    ]
    return "\n".join(lines)


def write(text: str) -> None:
    """Put the table between its markers of RESULTS.md."""
    before, rest = RESULTS.read_text(encoding="utf-8").split(BEGIN)
    RESULTS.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    table = measure(options.runs)
    print(table)
    if options.write:
        write(table)
