"""A made-up market on a few price levels and a few instants, for the rules that 345 s of real data hardly touch."""

from pathlib import Path
from random import Random

import polars as pl

from peers.hft_jobs import QUEUES, Job

ROWS = 4_000
TICK, LOT = 0.5, 0.1
GRID_NS = 10_000_000  # times are multiples of it, so that rows, requests, answers and decisions often coincide


def quotes(random: Random) -> pl.DataFrame:
    """Best quotes that jump over several levels, come back to levels left before, and often repeat themselves."""
    rows: list[tuple[int, int, float, float, float, float]] = []
    event, received, bid = 1_000_000 * GRID_NS, 0, 200
    for _ in range(ROWS):
        event += random.choice((0, 0, 1, 2, 5)) * GRID_NS
        received = max(received, event + random.choice((1, 1, 2, 6)) * GRID_NS)
        bid = min(max(bid + random.choice((0,) * 20 + (1, -1, 2, -2, 4, -4)), 190), 210)
        ask = bid + random.choice((1, 1, 1, 2, 3))
        sizes = (random.choice((1, 3, 9, 30)) * LOT, random.choice((1, 3, 9, 30)) * LOT)
        rows.append((event, received, bid * TICK, sizes[0], ask * TICK, sizes[1]))
    names = ["ts_event_ns", "ts_init_ns", "bid", "bid_qty", "ask", "ask_qty"]
    return pl.DataFrame(rows, schema=names, orient="row")


def trades(random: Random, seen: pl.DataFrame) -> pl.DataFrame:
    """Trades at the best, one or two levels beyond it or before it, at the time of a quote or just off it."""
    rows = []
    for event, received, bid, _, ask, _ in seen.iter_rows():
        if random.random() < 0.7:
            sold = random.random() < 0.5
            price = (bid if sold else ask) + random.choice((0, 0, 0, 0, 1, -1, 2, -2)) * TICK
            late = random.choice((0, 0, 1)) * GRID_NS
            rows.append((event + late, received + late, price, random.choice((0.5, 1, 2, 4)) * LOT, sold))
    names = ["ts_event_ns", "ts_init_ns", "price", "qty", "buyer_is_maker"]
    return pl.DataFrame(rows, schema=names, orient="row").sort("ts_event_ns", maintain_order=True)


def jobs(folder: Path, seed: int) -> list[Job]:
    """The market of one seed, written to the folder, with each queue and latencies constant and recorded."""
    random = Random(seed)
    market = quotes(random)
    paths = {"trades": folder / f"trades-{seed}.parquet", "quotes": folder / f"quotes-{seed}.parquet"}
    trades(random, market).write_parquet(paths["trades"])
    market.write_parquet(paths["quotes"])
    times = range(market["ts_event_ns"][0], market["ts_event_ns"][-1], 3 * GRID_NS)
    took = [random.choice((1, 2, 3, 9)) * GRID_NS for _ in times]
    rows = [[at, at + ns, at + 2 * ns] for at, ns in zip(times, took, strict=True)]
    latencies: list[tuple[str, int | list[list[int]]]] = [("50 ms", 5 * GRID_NS), ("30 ms", 3 * GRID_NS)]
    latencies.append(("recorded", rows))
    return [
        Job(
            name=f"coarse {seed} {label} {queue} {'eager' if eager else ''}",
            trades=str(paths["trades"]),
            quotes=str(paths["quotes"]),
            tick=TICK,
            lot=LOT,
            two_clocks=True,
            receive_shift_ns=0,
            latency=latency,
            queue=queue,
            eager=eager,
            ask_first=False,
        )
        for label, latency in latencies
        for queue in QUEUES
        for eager in (False, True)
    ]
