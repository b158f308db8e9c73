"""``python3 dev.py sim``: seeds of simulated live sessions, one after another, by the checkers of ``checkers.py``.

A red seed prints its checker and the end of its trace; ``--from SEED --seeds 1`` plays it again. From COUNTED_FROM
seeds on each class of faults has to have struck HITS_MIN times. ``--again`` plays the seeds in another process with
another PYTHONHASHSEED and compares the traces; ``--planted`` breaks promises of the product one by one and looks for
each. ``--workers N`` plays in several processes.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from functools import cache
from pathlib import Path

os.environ.setdefault("TIGHTLOOP_TIER", "fast")

from sim.live.planted import FOUND_AT, MUTATIONS, planted
from sim.live.player import play
from sim.live.scenario import GROUPS, scenario_of

ROOT = Path(__file__).resolve().parents[3]
HITS_MIN, COUNTED_FROM = 3, 500
PLANTED_SEEDS = 500
TRACE = "trace of seed "
"""What a line with a trace begins with; a line that counts seeds may begin with a number, too."""


def play_all(seeds, *, prints_traces=False, workers=1):
    """Play seeds; return those that are red, how often each class of faults struck, and the traces."""
    red, hits, traces = [], Counter(), {}
    with each(workers) as over:
        for played in over(_play, seeds):
            seed = played.seed
            hits.update(played.hits)
            traces[seed] = played.trace
            if prints_traces:
                told = f"{TRACE}{seed} {played.trace} {played.life_count} lives, {played.fill_count} fills"
                print(told, flush=True)
            if played.red:
                red.append(seed)
                print(f"seed {seed} is red. {played.red}", flush=True)
                print("".join(f"    {line}\n" for line in played.last[-12:]), end="", flush=True)
    return red, hits, traces


def _play(seed):
    return play(scenario_of(seed))


@contextmanager
def each(workers):
    """Return a ``map`` over some processes, or over this one alone, in the order of what it is given."""
    if workers == 1:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield pool.imap


def missing(hits):
    """Return the classes that struck too rarely to be counted as tried."""
    return [kind for kinds in GROUPS.values() for kind in kinds if hits[kind] < HITS_MIN]


def differing(first, count, traces, hash_seed="2"):
    """Play seeds in a process with another PYTHONHASHSEED; return those whose trace is another one."""
    command = [sys.executable, "-m", "sim.live.simulate", "--from", str(first), "--seeds", str(count), "--traces"]
    paths = os.pathsep.join(str(path) for path in (ROOT, ROOT / "tests", ROOT / "tools", ROOT / "src"))
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    told = [line.removeprefix(TRACE) for line in found.stdout.splitlines() if line.startswith(TRACE)]
    again = dict(line.split()[:2] for line in told)
    if len(again) != count:
        raise RuntimeError(f"the other process played {len(again)} of {count} seeds: {found.stderr[-2_000:]}")
    return [seed for seed in range(first, first + count) if again[str(seed)] != traces[seed]]


def find_planted(name, seeds):
    """Return the first seed that finds a broken promise, and what it says; None if none does."""
    for seed in seeds:
        with planted(name):
            played = play(scenario_of(seed))
        if played.red and not is_red(seed):
            return seed, played.red
    return None


@cache
def is_red(seed):
    """Return whether a seed is red though nothing is broken: it finds nothing else then."""
    return bool(play(scenario_of(seed)).red)


def _look_for(asked):
    """Look for one broken promise, first where it was found before; return its name, what was found, and the cost."""
    name, seeds = asked
    begun = time.process_time()
    before = FOUND_AT.get(name)
    found = find_planted(name, ([before] if before in seeds else []) + [seed for seed in seeds if seed != before])
    return name, found, time.process_time() - begun


def run_planted(first, count, only, workers=1):
    """Look for each broken promise; return how many were not found."""
    names = [name for name in MUTATIONS if only in name]
    lost = 0
    with each(workers) as over:
        for name, found, cost_s in over(_look_for, [(name, range(first, first + count)) for name in names]):
            told = f"seed {found[0]} by {found[1][:160]}" if found else f"NOT FOUND in {count} seeds"
            lost += found is None
            print(f"{name}: {told} ({cost_s:.0f} s)", flush=True)
    print(f"{len(names) - lost} of {len(names)} broken promises found")
    return lost


def cost_of_all():
    """Return seconds of CPU of this process and of those that it has ended."""
    found = os.times()
    return found.user + found.system + found.children_user + found.children_system


def main(arguments):
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="dev.py sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="compare traces with those under another hash seed")
    parser.add_argument(
        "--planted", nargs="?", const="", default=None, help="look for broken promises (part of a name)"
    )
    parser.add_argument("--traces", action="store_true", help="print the trace of each seed")
    parser.add_argument("--workers", type=int, default=1, help="processes that play at once")
    options = parser.parse_args(arguments)
    if options.planted is not None:
        count = min(options.seeds, PLANTED_SEEDS)
        return int(bool(run_planted(options.first, count, options.planted, options.workers)))
    begun = cost_of_all()
    seeds = range(options.first, options.first + options.seeds)
    prints_traces = options.traces or options.seeds == 1
    red, hits, traces = play_all(seeds, prints_traces=prints_traces, workers=options.workers)
    lacking = missing(hits)
    for group, kinds in GROUPS.items():
        print(f"{group}: " + ", ".join(f"{kind} {hits[kind]}" for kind in kinds))
    if lacking:
        print(f"struck less than {HITS_MIN} times: {', '.join(lacking)}")
    other = differing(options.first, options.seeds, traces) if options.again else []
    if other:
        print(f"another trace under another PYTHONHASHSEED: {other}")
    cost_s = (cost_of_all() - begun) / options.seeds
    print(f"{options.seeds} seeds, {len(red)} red{f': {red}' if red else ''}; {cost_s:.2f} s of CPU a seed")
    return int(bool(red or other or (lacking and options.seeds >= COUNTED_FROM)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
