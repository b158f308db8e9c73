"""What is compared with hftbacktest: which instrument, clocks, latency and queue; see HFTBACKTEST.md."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

DAY = "2024-08-08"
STEP_NS = 100_000_000
SHIFT_NS = 1_273_400_000  # the receive clock of the recording runs this far behind the exchange's
LATENCIES_NS = (5_000_000, 50_000_000)
QUEUES = ("risk", "log2", "power3")
STEPS = {"BTCUSDT-perp": (0.1, 0.001), "ETHUSDT-perp": (0.01, 0.001), "BTCUSDT-spot": (0.01, 0.00001)}


@dataclass(frozen=True, slots=True)
class Job:
    """One run. `latency` is a constant each way in ns, or rows of (requested, at the exchange, answered)."""

    name: str
    trades: str
    quotes: str
    tick: float
    lot: float
    two_clocks: bool
    receive_shift_ns: int
    latency: int | list[list[int]]
    queue: str
    step_ns: int = STEP_NS
    eager: bool = False
    ask_first: bool = False

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def recorded_latency(quotes: Path, every_ns: int = 1_000_000_000) -> list[list[int]]:
    """An order takes as long, each way, as the last quote of each second took to arrive."""
    frame = pl.read_parquet(quotes)
    received = frame["ts_init_ns"] + SHIFT_NS
    second = pl.Series("second", received // every_ns)
    last = frame.select(second, received.alias("received"), (received - pl.col("ts_event_ns")).alias("took"))
    rows = last.group_by("second", maintain_order=True).last()
    found = [[at, at + took, at + 2 * took] for at, took in zip(rows["received"], rows["took"], strict=True)]
    assert all(a < b for one, two in pairwise(found) for a, b in zip(one, two, strict=True))
    return found


def jobs(data: Path, eager: bool = False, ask_first: bool = False) -> Iterator[Job]:
    """All combinations that are compared."""
    for instrument, (tick, lot) in STEPS.items():
        trades, quotes = (data / kind / "binance" / instrument / f"{DAY}.parquet" for kind in ("trades", "quotes"))
        for two_clocks in (False, True) if instrument.endswith("perp") else (False,):
            latencies: list[tuple[str, int | list[list[int]]]] = [(f"{ns // 1_000_000} ms", ns) for ns in LATENCIES_NS]
            if two_clocks:
                latencies.append(("recorded", recorded_latency(quotes)))
            for label, latency in latencies:
                for queue in QUEUES:
                    yield Job(
                        name=f"{instrument} {'two clocks' if two_clocks else 'one clock'} {label} {queue}",
                        trades=str(trades),
                        quotes=str(quotes),
                        tick=tick,
                        lot=lot,
                        two_clocks=two_clocks,
                        receive_shift_ns=SHIFT_NS if two_clocks else 0,
                        latency=latency,
                        queue=queue,
                        eager=eager,
                        ask_first=ask_first,
                    )
