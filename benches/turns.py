"""Two checkouts side by side: `python benches/turns.py OLD NEW [--rounds N] [--only w1,w2,...]`, ratios of one session.

Each workload runs in turns, OLD first, each in a process of its own with the environment of its checkout (`.venv`) and
its own machine code; the least CPU seconds of all rounds are compared, because whatever else runs only adds to them.
W1 and W2 are the compiled loop alone over a year of minutes, W3 five million ticks (needs ../shared/data), S1 a sweep
of 400 pairs over that year, `step` a step called from Python event by event (a millionth of a second each), `carry` a
backtest of `strategies/carry/btc_basis.yaml` by the Python API, results included. `--old-compiled` leaves the image of
OLD aside: the same checkout twice then compares the image with what the compiler makes here.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from children import commit, cpu_model

BARS, TICKS = 525_600, 5_000_000
RUNS = {"w1": 9, "w2": 9, "w3": 3, "s1": 2, "step": 3, "carry": 9}
COUNTED = {"w1": "trades", "w2": "trades", "w3": "orders", "s1": "sets", "step": "events", "carry": "orders"}
CARRY = """
import json, sys, time
import tightloop
spent, options = [], dict(zip(sys.argv[2::2], sys.argv[3::2]))
for _ in range(int(sys.argv[1])):
    begun = time.process_time()
    run = tightloop.backtest("strategies/carry/btc_basis.yaml", data=options["data"])
    spent.append(time.process_time() - begun)
print(json.dumps({"alone": spent, "trades": len(run.orders)}))
"""


@dataclass(frozen=True)
class Tree:
    """A checkout, and whether its image is left aside."""

    path: Path
    is_compiled: bool = False

    @property
    def python(self) -> str:
        """The interpreter of its environment."""
        return str(self.path / ".venv" / "bin" / "python")

    @property
    def title(self) -> str:
        """Its commit, and what its machine code is."""
        return commit(self.path) + (", compiled" if self.is_compiled else "")


def one(tree: Tree, command: list[str], folder: str = "benches") -> dict[str, Any]:
    """What a workload of a checkout prints."""
    variables = {"TIGHTLOOP_TIER": "fast", **({"TIGHTLOOP_NATIVE": "off"} if tree.is_compiled else {})}
    done = subprocess.run(
        [tree.python, *command], cwd=tree.path / folder, env={**os.environ, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        sys.exit(f"{tree.path}: {' '.join(command)} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def spent(tree: Tree, name: str, data: Path) -> tuple[float, float]:
    """(least CPU seconds, trades or orders or sets) of one process."""
    runs = str(RUNS[name])
    if name == "w3":
        found = one(tree, ["tick_workloads.py", "w3", "--events", str(TICKS), "--runs", runs])["runs"]
        return min(run["cpu"] for run in found), found[0]["orders"]
    if name == "carry":
        found = one(tree, ["-c", CARRY, runs, "data", str(data / "carry")], ".")
        return min(found["alone"]), found["trades"]
    found = one(tree, ["workloads.py", name, "--data", str(data), "--bars", str(BARS), "--runs", runs])
    if name == "s1":
        return min(run["cpu"] for run in found["runs"]), found["sets"]
    if name == "step":
        return min(run["median_us"] for run in found["runs"]), found["events"]
    return min(found["alone"]), found["trades"]


def main() -> None:
    """Print one line a workload, and what it was measured on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs=2, type=Path, metavar="TREE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(RUNS))
    parser.add_argument("--old-compiled", action="store_true", help="leave the image of OLD aside")
    options = parser.parse_args()
    old, new = (tree.resolve() for tree in options.trees)
    trees = [Tree(old, options.old_compiled), Tree(new)]
    names = [name for name in options.only.split(",") if name in RUNS]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        one(trees[0], ["workloads.py", "catalog", "--data", folder, "--bars", str(BARS)])
        sample = ["-m", "tightloop.app.cli.main", "data", "sample", "--carry", "--out", str(data / "carry")]
        subprocess.run([trees[1].python, *sample], check=True, capture_output=True)
        best: dict[tuple[str, Tree], list[tuple[float, float]]] = {}
        for _ in range(options.rounds):
            for name in names:
                for tree in trees:
                    best.setdefault((name, tree), []).append(spent(tree, name, data))
    print(f"| what | {' | '.join(tree.title for tree in trees)} | ratio |\n|---|--:|--:|--:|")
    for name in names:
        (before, _), (after, count) = (min(best[name, tree]) for tree in trees)
        unit = "us" if name == "step" else "CPU s"
        row = [f"{name}, {count:,.0f} {COUNTED[name]}", f"{before:.4f} {unit}", f"{after:.4f} {unit}"]
        print(f"| {' | '.join(row)} | {after / before:.2f} |")
    print(
        f"\n`python benches/turns.py OLD NEW --rounds {options.rounds}`, {cpu_model()}, Python "
        f"{platform.python_version()}, load {load:.1f} before and {os.getloadavg()[0]:.1f} after."
    )


if __name__ == "__main__":
    main()
