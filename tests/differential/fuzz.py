"""`dev.py fuzz`: fresh random cases through the product and the plain simulator; each difference becomes a folder.

    python3 dev.py fuzz [--count 20000] [--seed S] [--jobs N] [--out runs/fuzz]
    python3 dev.py fuzz --again runs/fuzz/SEED       the case of such a folder once more

Exit codes: 0 all equal, 1 something differs, 2 bad input, 130 interrupted.
"""

import argparse
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import yaml

from differential.compare import Refused, Verdict, frame_of, judge, text_of, write_catalog
from differential.indicators import Bar
from differential.shrink import shrink
from differential.strategies import Case, make_case

CHUNK = 10
SHOWN_MAX = 20
PROGRESS_S = 15.0


def verdict_of(seed: int) -> tuple[int, Verdict | None]:
    """The verdict on a seed; None when the product refuses the strategy."""
    try:
        return seed, judge(make_case(seed))
    except Refused:
        return seed, None


def differs(case: Case) -> bool:
    try:
        verdict = judge(case)
    except Refused:
        return False
    return verdict.difference is not None and not verdict.is_doubtful


def write_repro(folder: Path, case: Case, verdict: Verdict) -> None:
    """A case as files that people read and the product runs."""
    folder.mkdir(parents=True, exist_ok=True)
    write_catalog(folder / "data", case)
    names = []
    for own in case.strategies:
        names.append(own["name"].replace(" ", "_") + ".yaml")
        (folder / names[-1]).write_text(text_of(own), encoding="utf-8")
    for name, rows in case.bars.items():
        frame_of(rows).write_csv(folder / f"{name.replace(':', '_')}.csv")
    difference = verdict.difference
    assert difference is not None
    lines = [
        f"seed {case.seed}",
        str(difference),
        f"simulator: {difference.rows[0]}",
        f"product:   {difference.rows[1]}",
        f"run: tightloop backtest {' '.join(names)} --data data --accept holes,cadence,units,straight_line",
    ]
    (folder / "README.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_repro(folder: Path) -> Case:
    """The case of a folder that ``write_repro`` wrote."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no strategy; name a folder that `dev.py fuzz` wrote")
    strategies = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
    rules = yaml.safe_load((folder / "data" / "instruments.yaml").read_text(encoding="utf-8"))
    bars, rates = {}, {}
    timeframe = strategies[0]["timeframe"]
    for name in dict.fromkeys(name for own in strategies for name in own["instruments"]):
        venue, symbol = name.split(":")
        frame = pl.read_parquet(folder / "data" / "bars" / venue / f"{symbol}-{timeframe}.parquet")
        ts = frame["ts"].dt.epoch("ns")
        bars[name] = [Bar(*row) for row in frame.with_columns(ts=ts).iter_rows()]
        funding = folder / "data" / "funding" / venue / f"{symbol.rsplit('-', 1)[0]}.parquet"
        if funding.is_file():
            frame = pl.read_parquet(funding)
            rates[name] = list(zip(frame["ts"].dt.epoch("ns"), frame["rate"], strict=True))
    return Case(0, strategies, bars, rates, rules)


def verdicts(seeds: Sequence[int], jobs: int) -> Iterator[tuple[int, Verdict | None]]:
    if jobs == 1:
        yield from map(verdict_of, seeds)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(verdict_of, seeds, chunksize=CHUNK)


def run(seed: int, count: int, jobs: int, out: Path) -> int:
    """Compare ``count`` cases from ``seed`` on; the exit code."""
    print(f"{count:,} random strategies from seed {seed} on, {jobs} at a time; simulator and product side by side")
    start_s = shown_s = time.monotonic()
    found: Counter[str] = Counter()
    differing = []
    for done, (own, verdict) in enumerate(verdicts(range(seed, seed + count), jobs), 1):
        if verdict is None:
            found["refused"] += 1
        elif verdict.difference is None:
            found["equal"] += 1
        elif verdict.is_doubtful:
            found["undecided"] += 1
        else:
            found["different"] += 1
            differing.append(own)
            print(f"  seed {own}: {verdict.difference}", flush=True)
            if len(differing) <= SHOWN_MAX:
                small = shrink(make_case(own), differs)
                write_repro(out / str(own), small, judge(small))
                print(f"    the smallest case of it: {out / str(own)}", flush=True)
        if time.monotonic() - shown_s > PROGRESS_S:
            shown_s = time.monotonic()
            left_s = (shown_s - start_s) / done * (count - done)
            print(f"  {done:,} of {count:,}, {len(differing)} differ; {left_s:,.0f} s left", flush=True)
    print(
        f"{found['equal']:,} equal, {found['different']:,} different, {found['undecided']:,} undecided (a float's last "
        f"bits), {found['refused']:,} refused by the product; {time.monotonic() - start_s:,.0f} s"
    )
    if differing:
        print(f"Different: {', '.join(map(str, differing[:SHOWN_MAX]))}. Again: python3 dev.py fuzz --again {out}/SEED")
    return 1 if differing else 0


def again(folder: Path) -> int:
    """Compare the case of a folder; the exit code."""
    try:
        verdict = judge(read_repro(folder))
    except (FileNotFoundError, Refused) as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 2
    print(verdict.difference or "equal")
    if verdict.difference:
        print(f"simulator: {verdict.difference.rows[0]}\nproduct:   {verdict.difference.rows[1]}")
    return 1 if verdict.difference else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="dev.py fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000, help="how many strategies (20,000)")
    parser.add_argument("--seed", type=int, help="the first seed; a fresh one without it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (all cores)")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="where each difference becomes a folder")
    parser.add_argument("--again", type=Path, metavar="FOLDER", help="compare the case of such a folder once more")
    own = parser.parse_args(arguments)
    if own.again:
        return again(own.again)
    if own.count < 1 or own.jobs < 1:
        parser.error("--count and --jobs are at least 1")
    seed = own.seed if own.seed is not None else secrets.randbelow(1_000_000_000)
    try:
        return run(seed, own.count, own.jobs, own.out)
    except KeyboardInterrupt:
        print("\ninterrupted; --seed goes on from any seed", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
