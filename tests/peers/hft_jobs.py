"""What is compared with hftbacktest: which instrument, clocks, latency and queue; see HFTBACKTEST.md."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
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


def recorded_latency(quotes: Path, every_ns: int) -> list[list[int]]:
    """An order takes as long, each way, as the last quote of each interval took to arrive.

    With a row for each quote the times at the exchange go back where one arrived late and the next did not.
    """
    frame = pl.read_parquet(quotes)
    received = frame["ts_init_ns"] + SHIFT_NS
    interval = (received // every_ns).alias("interval")
    rows = pl.DataFrame([interval, received.alias("received"), (received - frame["ts_event_ns"]).alias("took")])
    last = rows.group_by("interval", maintain_order=True).last()
    return [[at, at + took, at + 2 * took] for at, took in zip(last["received"], last["took"], strict=True)]


def jobs(data: Path, instrument: str, eager: bool = False, ask_first: bool = False) -> Iterator[Job]:
    """All combinations that are compared on one instrument."""
    tick, lot = STEPS[instrument]
    trades, quotes = (data / kind / "binance" / instrument / f"{DAY}.parquet" for kind in ("trades", "quotes"))
    for two_clocks in (False, True) if instrument.endswith("perp") else (False,):
        latencies: list[tuple[str, int | list[list[int]]]] = [(f"{ns // 1_000_000} ms", ns) for ns in LATENCIES_NS]
        if two_clocks:
            latencies.append(("recorded each second", recorded_latency(quotes, 1_000_000_000)))
            latencies.append(("recorded each quote", recorded_latency(quotes, 1)))
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
