"""`dev.py crash`: a live session is killed at random moments, and must lose, double and invent nothing.

    python3 dev.py crash [--times 200] [--durability process|power] [--cut-tail] [--from SEED] [--keep FOLDER]

A round is described in ``rounds.py``; its seed draws the moments, the market and the speed of the twin. Homes of rounds
that went wrong are kept in ``--keep``. Exit codes: 0 all well, 1 something is wrong, 2 bad input, 130 interrupted.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

from crash.rounds import Round, fresh_twin, play

READY_MEDIAN_MAX_S, READY_WORST_S, ROUND_MAX_S = 5.0, 8.0, 10.0
SAID_LINES = 60


def rounds_of(seeds, *, is_fast=True, **how):
    """Yield what became of the round of each seed; the next round's twin starts while one is played."""
    twin_of = partial(fresh_twin, is_fast=is_fast)
    with ThreadPoolExecutor(1) as ahead:
        waiting: Future | None = None
        for place, seed in enumerate(seeds):
            twin = (waiting or ahead.submit(twin_of, seed)).result()
            waiting = ahead.submit(twin_of, seeds[place + 1]) if place + 1 < len(seeds) else None
            try:
                keep = how["keep"] / str(seed) if how["keep"] is not None else None
                yield play(seed, twin, **{**how, "keep": keep})
            finally:
                twin.close()
                if waiting is not None and sys.exc_info()[0] is not None:
                    waiting.result().close()


def times_of(found: Sequence[Round]) -> tuple[float, float]:
    """Return median and worst of the times from kill to READY; rounds that were never ready are left out."""
    times = [one.ready_s for one in found if one.ready_s == one.ready_s]
    return (median(times), max(times)) if times else (float("nan"), float("nan"))


def tell(one: Round) -> None:
    """Print a round that went wrong."""
    print(f"seed {one.seed}: {len(one.wrong)} wrong")
    for text in one.wrong:
        print(f"    {text}")
    for line in one.said[-SAID_LINES:]:
        print(f"        {line}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Play rounds and judge them."""
    parser = argparse.ArgumentParser(prog="dev.py crash", allow_abbrev=False)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--durability", choices=("process", "power"), default="process")
    parser.add_argument("--cut-tail", action="store_true", help="lose power with the process")
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="SEED")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where homes of rounds that went wrong are kept")
    said = parser.parse_args(arguments)
    found: list[Round] = []
    begun_s = time.monotonic()
    seeds = range(said.first, said.first + said.times)
    for one in rounds_of(seeds, durability=said.durability, cut_tail=said.cut_tail, keep=said.keep):
        found.append(one)
        state = "ok" if not one.wrong else "WRONG"
        print(
            f"seed {one.seed}: {state}, {one.kills} kills, ready after {one.ready_s:.1f} s, {one.orders} orders, "
            f"{one.fills} fills, {one.took_s:.1f} s",
            flush=True,
        )
        if one.wrong:
            tell(one)
    red = [one.seed for one in found if one.wrong]
    middle, worst = times_of(found)
    longest = max(one.took_s for one in found)
    print(
        f"{len(found)} rounds in {time.monotonic() - begun_s:.0f} s, {sum(one.kills for one in found)} kills, "
        f"{sum(one.fills for one in found)} fills; kill to READY: median {middle:.1f} s, worst {worst:.1f} s; "
        f"longest round {longest:.1f} s"
    )
    is_slow = not middle < READY_MEDIAN_MAX_S
    if red:
        print(f"wrong: seeds {', '.join(map(str, red))}")
    if is_slow:
        print(f"too slow: the median has to be below {READY_MEDIAN_MAX_S:g} s")
    if worst > READY_WORST_S:
        print(f"the worst is above {READY_WORST_S:g} s")
    if longest > ROUND_MAX_S:
        print(f"the longest round is above {ROUND_MAX_S:g} s")
    return 1 if red or is_slow else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
