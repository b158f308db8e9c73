"""How near ``latency: recorded`` is to latencies interpolated from a table, as hftbacktest has them.

    PYTHONPATH=src:tests python -m peers.recorded_latency

Prints a table: the quoter of HFTBACKTEST.md on the compiled venue and on the model. The table there has a row for each
quote; here a command takes what the last tick took.
"""

from pathlib import Path

from peers import compiled_quoter, hft_jobs, hft_model
from peers.comparison import DATA


def main() -> None:
    print("| orders, fills of the quoter | here | interpolated | same side, price, time and end |")
    print("|---|--:|--:|--:|")
    for instrument in ("BTCUSDT-perp", "ETHUSDT-perp"):
        for job in hft_jobs.jobs(Path(DATA), instrument):
            if "recorded each quote" not in job.name:
                continue
            ours, theirs = compiled_quoter.run(job.plain()), hft_model.run(job.plain())
            fills = [sum(order[hft_model.STATE] == hft_model.FILLED for order in own) for own in (ours, theirs)]
            same = {tuple(order[1:5]) for order in ours} & {tuple(order[1:5]) for order in theirs}
            cells = [f"{len(own):,}, {count:,}" for own, count in zip((ours, theirs), fills, strict=True)]
            print(f"| {job.name} | {' | '.join(cells)} | {len(same) / len(theirs):.1%} |", flush=True)


if __name__ == "__main__":
    main()
