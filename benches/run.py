"""What the engine costs: `python3 dev.py bench`. Prints a Markdown table with targets, data and machine.

    --quick         few runs of everything, no cold compile: two minutes
    --runs N        runs of each measurement instead of its own number
    --only A,B      some of w1, w2, s1, step, cli, help, small, w3, scale, universe, python, cold
    --skip A,B      all but these
    --bars N        another length than a year of minutes; --side N: N x N parameter pairs instead of 20 x 20
    --ticks N       events of W3 instead of ten million; --instruments N: of the day of 200
    --peers         W1 by backtesting.py and vectorbt too (not with --only), and W3's ticks by hftbacktest, in the same
                    session; pip makes their environments
    --write         put the table into RESULTS.md

CPU seconds are of the process (all threads), never wall time, unless a row says wall. This file imports nothing but the
standard library: a child's peak memory counts from the size of its parent.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from children import ROOT, Child, commit, cpu_model, start, tightloop_command

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
NAMES = ("w1", "w2", "s1", "step", "cli", "help", "small", "w3", "scale", "universe", "python", "cold")
RUNS = {"w1": 15, "w2": 15, "s1": 3, "step": 5, "cli": 5, "help": 11, "small": 5, "w3": 5, "scale": 1, "universe": 1,
        "python": 5, "cold": 1}  # fmt: skip
QUICK = {"w1": 5, "w2": 5, "s1": 1, "step": 2, "cli": 3, "help": 5, "small": 3, "w3": 3, "scale": 0, "universe": 0,
         "python": 2, "cold": 0}  # fmt: skip
TICKS = ROOT.parent / "shared" / "data"
ON_TICKS = ("w3", "scale", "universe")


@dataclass(frozen=True)
class Row:
    """One measurement. ``count`` things in each of ``values`` seconds give a rate; ``target`` is of the rate if there
    is one (at least, in millions a second), else of the value (at most)."""

    name: str
    unit: str
    values: list[float]
    count: int = 0
    target: float | None = None

    def cells(self) -> list[str]:
        own = sorted(self.values)
        median = statistics.median(own)
        spent = [f"{value:,.4g} {self.unit}" for value in (median, own[0], own[-1])]
        rate = f"{self.count / median / 1e6:.1f} M/s (best {self.count / own[0] / 1e6:.1f})" if self.count else ""
        return [self.name, str(len(own)), *spent, rate, *self._verdict(median)]

    def _verdict(self, median: float) -> list[str]:
        if self.target is None:
            return ["", ""]
        if self.count:
            found = self.count / median / 1e6
            verdict = "met" if found >= self.target else f"{found / self.target:.0%} of it"
            return [f">= {self.target:g} M/s", verdict]
        verdict = "met" if median <= self.target else f"{median / self.target:.1f} times it"
        return [f"<= {self.target:g} {self.unit}", verdict]


class Bench:
    """One session of measurements on one catalog."""

    def __init__(self, options: argparse.Namespace, data: Path) -> None:
        self.options = options
        self.data = data
        self.facts = self._workload("catalog", 1)

    def _workload(self, name: str, runs: int) -> dict[str, Any]:
        own = ["--data", str(self.data), "--runs", str(runs), "--bars", str(self.options.bars)]
        own += ["--side", str(self.options.side), "--events", str(self.options.events)]
        found: dict[str, Any] = json.loads(start([sys.executable, str(HERE / "workloads.py"), name, *own]).output)
        return found

    def _ticks(self, name: str, runs: int, *options: str) -> dict[str, Any]:
        own = [sys.executable, str(HERE / "tick_workloads.py"), name, "--runs", str(runs), *options]
        if "--events" not in options:
            own += ["--events", str(self.options.ticks)]
        found: dict[str, Any] = json.loads(start(own).output)
        return found

    def w3(self, runs: int) -> Iterator[Row]:
        """Prints and quotes of three instruments; with --peers hftbacktest on the same ticks, in turns with us."""
        found = self._ticks("w3", runs)
        self.facts["ticks"] = f"{found['rows']:,} prints and quotes of 345 s, sha256 {found['sha256']}"
        own = found["runs"]
        spent, events = [run["cpu"] for run in own], own[0]["events"]
        title = f"W3: {events:,} ticks of 3 instruments, six windowed indicators, {own[0]['orders']:,} orders"
        yield Row(title, "CPU s", spent, events, 8.0)
        if not self.options.peers:
            return
        count = min(events, 3_000_000)
        theirs = self._beside("hftbacktest", min(runs, 3), str(TICKS), str(count))
        again = [run["cpu"] / run["events"] for run in self._ticks("w3", min(runs, 3))["runs"]]
        each = statistics.median([*again, *(one / events for one in spent)])
        for key, what in (("each", "called at every row"), ("step", "called every 100 ms")):
            spent = [one[key] for one in theirs]
            yield Row(f"W3's ticks by hftbacktest, no indicators, {what}", "CPU s", spent, theirs[0]["events"])
            ratio = statistics.median(spent) / theirs[0]["events"] / each
            yield Row(f"hftbacktest ({what}) / W3 by tightloop, each event", "times", [ratio])

    def scale(self, runs: int) -> Iterator[Row]:
        """The cost of an event over more events and over longer windows."""
        for _ in range(runs):
            found = self._ticks("scale", 1)
            for run in found["lengths"]:
                yield Row(f"W3 over {run['events']:,} ticks, each", "CPU ns", [run["cpu"] / run["events"] * 1e9])
            for run in found["windows"]:
                title = f"W3 with windows of {run['longest_s'] / 12:g} s to {run['longest_s']:g} s"
                title += f", {run['orders']:,} orders, each of {run['events']:,} ticks"
                yield Row(title, "CPU ns", [run["cpu"] / run["events"] * 1e9])

    def universe(self, runs: int) -> Iterator[Row]:
        """A day of many instruments from files, by the command."""
        options, events = self.options, 2 * self.options.ticks
        with tempfile.TemporaryDirectory() as folder:
            numbers = ("--instruments", str(options.instruments), "--events", str(events))
            said = self._ticks("universe", 1, "--data", folder, *numbers)
            children = []
            for _ in range(max(runs, 1)):
                with tempfile.TemporaryDirectory() as out:
                    own = [*tightloop_command(), "backtest", str(Path(folder) / "universe.yaml"), "--data", folder]
                    children.append(start([*own, "--timing", "--no-report", "--out", out]))
        title = f"a day of {said['instruments']} instruments, {said['events']:,} ticks"
        yield from _peak_and_cpu(title, children, 512.0)
        timings = [json.loads(child.output.splitlines()[-1]) for child in children]
        for part in ("load", "run"):
            yield Row(f"{title}: {part}", "CPU s", [timing[part] for timing in timings], said["events"])

    def python(self, runs: int) -> Iterator[Row]:
        """A strategy in Python, called at every bar."""
        found = self._workload("python", runs)
        title = f"a strategy in Python on {found['bars']:,} bars, {found['orders']:,} orders: run"
        yield Row(title, "CPU s", found["runs"], found["bars"], 0.2)

    def w1(self, runs: int) -> Iterator[Row]:
        yield from self._strategy("w1", "W1: EMA cross", 10.0, runs)

    def w2(self, runs: int) -> Iterator[Row]:
        yield from self._strategy("w2", "W2: six indicators, five sections", 7.0, runs)

    def _strategy(self, name: str, title: str, target: float, runs: int) -> Iterator[Row]:
        found = self._workload(name, runs)
        bars, title = self.options.bars, f"{title}, {found['trades']:,} trades"
        yield Row(f"{title}: run", "CPU s", [run["run"] for run in found["runs"]], bars, target)
        yield Row(f"{title}: compiled loop alone", "CPU s", found["alone"], bars)
        parts = ("load", "compile", "run", "write")
        yield Row(
            f"{title}: load, plan, run and results",
            "CPU s",
            [sum(run[p] for p in parts) for run in found["runs"]],
            bars,
        )

    def s1(self, runs: int) -> Iterator[Row]:
        found = self._workload("s1", runs)
        count, title = found["sets"] * self.options.bars, f"S1: sweep of {found['sets']} pairs"
        yield Row(f"{title}, bar-combos", "CPU s", [run["cpu"] for run in found["runs"]], count, 10.0)
        yield Row(f"{title}, wall", "wall s", [run["wall"] for run in found["runs"]], count)
        yield Row("S1: cores busy", "cores", [run["cpu"] / run["wall"] for run in found["runs"]])

    def step(self, runs: int) -> Iterator[Row]:
        found = self._workload("step", runs)
        for key, title, target in (
            ("mean_us", "step_one from Python, mean", 5.0), ("median_us", "step_one, median", None),
            ("p99_us", "step_one, 99 of 100 below", None), ("loop_us", "session loop, per step", None),
        ):  # fmt: skip
            yield Row(f"{title} ({found['events']:,} events)", "us", [run[key] for run in found["runs"]], target=target)

    def _backtest(self, *options: str, **environment: str) -> Child:
        with tempfile.TemporaryDirectory() as out:
            command = [*tightloop_command(), "backtest", str(HERE / "w1.yaml"), "--data", str(self.data), "--timing"]
            return start([*command, "--out", out, *options], **environment)

    def cli(self, runs: int) -> Iterator[Row]:
        """The command a user types on a year of minutes, and what it spends its time on."""
        self._backtest("--no-report")
        children = [self._backtest("--no-report") for _ in range(runs)]
        yield from _peak_and_cpu("W1 by `tightloop backtest --no-report`", children, 250.0)
        timings = [json.loads(child.output.splitlines()[-1]) for child in children]
        for part in ("load", "compile", "run", "write"):
            yield Row(f"W1 by the command: {part}", "CPU s", [timing[part] for timing in timings])

    def help(self, runs: int) -> Iterator[Row]:
        children = [start([*tightloop_command(), "--help"]) for _ in range(runs)]
        yield Row("`tightloop --help`", "wall s", [child.wall_s for child in children], target=0.3)

    def small(self, runs: int) -> Iterator[Row]:
        options = ("--instrument", "bench:ETHUSDT-perp")
        self._backtest(*options)
        children = [self._backtest(*options) for _ in range(runs)]
        yield Row("a month of minutes with its report", "wall s", [child.wall_s for child in children], target=2.0)
        yield from _peak_and_cpu("a month of minutes with its report", children, None)

    def cold(self, runs: int) -> Iterator[Row]:
        """Nothing compiled yet: everything there is, and what a first backtest needs of it."""
        found, first = [], []
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as cache:
                command = [sys.executable, str(HERE / "cold.py")]
                found.append(json.loads(start(command, NUMBA_CACHE_DIR=cache).output))
            with tempfile.TemporaryDirectory() as cache:
                first.append(self._backtest("--instrument", "bench:ETHUSDT-perp", NUMBA_CACHE_DIR=cache))
        yield Row("compile all of the core, empty cache", "CPU s", [one["cpu"] for one in found])
        yield Row("first backtest ever, empty cache", "wall s", [one.wall_s for one in first])

    def peers(self, runs: int) -> Iterator[Row]:
        """W1 by others and by us, in turns. Theirs is without the indicators; ours has them, and its result tables."""
        ours, theirs = [], {}
        bars_file = str(self.data / "bars" / "bench" / "BTCUSDT-perp-1m.parquet")
        for name in ("backtesting.py", "vectorbt"):
            ours += self._workload("w1", runs)["runs"]
            theirs[name] = self._beside(name, runs, bars_file)
        ours += self._workload("w1", runs)["runs"]
        bars = self.options.bars
        own = {"all": [run["run"] + run["write"] for run in ours], "run": [run["run"] for run in ours]}
        yield Row("W1 by tightloop: run", "CPU s", own["run"], bars)
        yield Row("W1 by tightloop: run and results", "CPU s", own["all"], bars)
        for name, found in theirs.items():
            for key, title in (("run", "run"), ("all", "run and results")):
                if key in found[0]:
                    spent = [one[key] for one in found]
                    yield Row(f"W1 by {name}, {found[0]['trades']:,} trades: {title}", "CPU s", spent, bars)
                    ratio = statistics.median(spent) / statistics.median(own[key])
                    yield Row(f"{name} / tightloop, {title}", "times", [ratio])

    def _beside(self, name: str, runs: int, *data: str) -> list[dict[str, Any]]:
        path = os.pathsep.join(filter(None, (str(ROOT / "tests"), os.environ.get("PYTHONPATH"))))
        command = [sys.executable, str(HERE / "beside.py"), name, *data, str(runs)]
        found: list[dict[str, Any]] = json.loads(start(command, PYTHONPATH=path).output)
        return found


def _peak_and_cpu(title: str, children: list[Child], target: float | None) -> Iterator[Row]:
    peaks = [child.peak_mb for child in children if child.peak_mb is not None]
    spent = [child.cpu_s for child in children if child.cpu_s is not None]
    if peaks:
        yield Row(f"{title}: peak memory", "MB", peaks, target=target)
    if spent:
        yield Row(f"{title}: whole process", "CPU s", spent)


def measure(bench: Bench, options: argparse.Namespace) -> list[Row]:
    numbers = QUICK if options.quick else RUNS
    chosen = [name for name in (options.only or NAMES) if name not in options.skip]
    steps: list[tuple[str, int]] = [(name, options.runs or numbers[name]) for name in chosen]
    if options.quick and not options.only:
        steps = [one for one in steps if one[1]]
    if not TICKS.is_dir():
        print(f"{TICKS} is not there: nothing on ticks is measured", file=sys.stderr)
        steps = [one for one in steps if one[0] not in ON_TICKS]
    if options.peers and not options.only:
        steps.append(("peers", min(options.runs or 5, 5)))
    rows = []
    for name, runs in steps:
        begun = time.monotonic()
        measured: Callable[[int], Iterator[Row]] = getattr(bench, name)
        rows += list(measured(runs))
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return rows


def page(rows: list[Row], facts: dict[str, Any], options: argparse.Namespace) -> str:
    """The table and what it was measured on."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    command = " ".join(["python3 dev.py bench", *(a for a in options.given if a != "--write")])
    lines = [
        f"- command: `{command}`",
        f"- data: {facts['rows']:,} bars of one minute, seed {facts['seed']}, sha256 {facts['sha256']}",
        *([f"- ticks: {facts['ticks']}"] if "ticks" in facts else []),
        f"- machine: {cpu_model()}, {platform.system()} {platform.machine()}, load {load} at the end",
        f"- software: commit {commit()}, Python {facts['python']}, numba {facts['numba']}, numpy {facts['numpy']}",
        "",
        "| what | runs | median | min | max | rate by the median | target | verdict by the median |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    return "\n".join(lines + [f"| {' | '.join(row.cells())} |" for row in rows])


def write(text: str) -> None:
    """Between the markers of RESULTS.md; what people wrote around them stays."""
    old = RESULTS.read_text(encoding="utf-8")
    before, rest = old.split(BEGIN)
    RESULTS.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def names(text: str) -> list[str]:
    found = text.split(",")
    if unknown := set(found) - set(NAMES):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not one of {', '.join(NAMES)}")
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--only", type=names, default=None)
    parser.add_argument("--skip", type=names, default=[])
    parser.add_argument("--bars", type=int, default=525_600)
    parser.add_argument("--side", type=int, default=20)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--ticks", type=int, default=10_000_000)
    parser.add_argument("--instruments", type=int, default=200)
    options = parser.parse_args(arguments)
    options.given = arguments
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(options, Path(temporary))
        rows = measure(bench, options)
    text = page(rows, bench.facts, options)
    print(text)
    if options.write:
        write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
