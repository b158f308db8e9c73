"""Two checkouts side by side: `python benches/turns.py OLD NEW [--rounds N] [--only w1,w2,w3]`, ratios of one session.

Each workload runs in turns, OLD first, each in a process of its own with the environment of its checkout (`.venv`) and
its own machine code; the least CPU seconds of all rounds are compared, because whatever else runs only adds to them.
W1 and W2 are the compiled loop alone over a year of minutes, W3 five million ticks (needs ../shared/data).
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from children import commit, cpu_model

BARS, TICKS = 525_600, 5_000_000
RUNS = {"w1": 9, "w2": 9, "w3": 3}


def one(tree: Path, words: list[str]) -> dict[str, Any]:
    """What a workload of a checkout prints."""
    python = tree / ".venv" / "bin" / "python"
    script = tree / "benches" / words[0]
    done = subprocess.run(
        [str(python), str(script), *words[1:]], cwd=tree / "benches", capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{script} {' '.join(words[1:])} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def spent(tree: Path, name: str, data: Path) -> tuple[float, float]:
    """(least CPU seconds of the loop, trades or orders) of one process."""
    if name == "w3":
        runs = one(tree, ["tick_workloads.py", "w3", "--events", str(TICKS), "--runs", str(RUNS[name])])["runs"]
        return min(run["cpu"] for run in runs), runs[0]["orders"]
    found = one(tree, ["workloads.py", name, "--data", str(data), "--bars", str(BARS), "--runs", str(RUNS[name])])
    return min(found["alone"]), found["trades"]


def main() -> None:
    """Print one line a workload, and what it was measured on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs=2, type=Path, metavar="TREE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(RUNS))
    options = parser.parse_args()
    trees = [tree.resolve() for tree in options.trees]
    names = [name for name in options.only.split(",") if name in RUNS]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        one(trees[0], ["workloads.py", "catalog", "--data", folder, "--bars", str(BARS)])
        best: dict[tuple[str, Path], list[tuple[float, float]]] = {}
        for _ in range(options.rounds):
            for name in names:
                for tree in trees:
                    best.setdefault((name, tree), []).append(spent(tree, name, data))
    print(f"| what | {' | '.join(commit(tree) for tree in trees)} | ratio |\n|---|--:|--:|--:|")
    for name in names:
        (old, _), (new, count) = (min(best[name, tree]) for tree in trees)
        counted = f"{name.upper()}, {count:,.0f} {'orders' if name == 'w3' else 'trades'}"
        print(f"| {counted} | {old:.4f} CPU s | {new:.4f} CPU s | {new / old:.2f} |")
    print(
        f"\n`python benches/turns.py OLD NEW --rounds {options.rounds}`, {cpu_model()}, Python "
        f"{platform.python_version()}, load {load:.1f} before and {os.getloadavg()[0]:.1f} after."
    )


if __name__ == "__main__":
    main()
