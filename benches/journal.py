"""What the journal costs: CPU of an append, how long an append waits beside the syncs, bytes of a print, reading.

    benches/journal.py [--folder DIR] [--seconds S] [--write]

The data are made up: prints and quotes of 40 instruments a millisecond apart, as `facts` below says. DIR lies on the
disk that is measured; the folder of temporary files by default. Paced: 1,000 facts a second, each appended alone when
it is due, a sync behind after 50 ms or 256 KiB. `--write` puts the table into RESULTS.md.
"""

import argparse
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from children import commit, cpu_model

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT
from tightloop.runtime.session.journal import FactEncoder, FactWriter, Journal, RecordKind, check, events

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
BEGIN, END = "<!-- journal: begin -->", "<!-- journal: end -->"
COUNT = 200_000
SYNC_S, SYNC_BYTES = 0.05, 256 * 1_024
RATE = 1_000
FOLDER = "j"


def facts(kind: EventKind, count: int, seed: int = 1) -> list[bytes]:
    """Make events: ids that grow, times in ns received 5 to 900 ms late, prices and quantities of 53 random bits."""
    rng = np.random.default_rng(seed)
    made = np.zeros(count, EVENT)
    made["kind"], made["phase"] = kind.value, 1
    made["instrument"] = rng.integers(0, 40, count)
    made["ts_init_ns"] = 1_767_000_000_000_000_000 + np.arange(count) * 1_000_000
    made["ts_event_ns"] = made["ts_init_ns"] - rng.integers(5_000_000, 900_000_000, count)
    made["price"], made["qty"] = rng.random(count), rng.random(count)
    if kind is EventKind.TRADE:
        made["is_maker"] = rng.integers(0, 2, count)
        made["order_id"] = 5_000_000_000 + np.cumsum(rng.integers(1, 9, count))
    else:
        made["rate"], made["amount"] = rng.random(count), rng.random(count)
    raw = made.tobytes()
    return [raw[begin : begin + EVENT.itemsize] for begin in range(0, len(raw), EVENT.itemsize)]


def timed(work: Callable[[], object], count: int) -> tuple[float, float]:
    """Return CPU and wall us of one of ``count``; CPU is that of the calling thread."""
    cpu_ns, wall_ns = time.thread_time_ns(), time.perf_counter_ns()
    work()
    return (time.thread_time_ns() - cpu_ns) / 1e3 / count, (time.perf_counter_ns() - wall_ns) / 1e3 / count


def appended(folder: Path, name: str, work: Callable[[Journal], object], count: int) -> str:
    """Measure one way to append, on a new journal."""
    disk = LocalDisk(folder / name.replace(" ", "_").replace(",", ""))
    journal = Journal.create(disk, FOLDER, "bench", 1)
    cpu, wall = timed(lambda: work(journal), count)
    journal.close()
    return f"| {name} | {cpu:.2f} | {wall:.2f} |"


def appends(folder: Path) -> list[str]:
    """Measure the ways to append."""
    prints = facts(EventKind.TRADE, COUNT)
    rows = bytes(400)

    def alone(journal: Journal) -> None:
        for _ in range(COUNT):
            journal.append(RecordKind.ASK, b"x" * 36)

    def each(journal: Journal) -> None:
        writer = FactWriter(journal)
        for event in prints:
            writer.append(((event, b""),))

    def batches(journal: Journal) -> None:
        writer = FactWriter(journal)
        for begin in range(0, COUNT, 16):
            writer.append([(event, b"") for event in prints[begin : begin + 16]])

    def with_rows(journal: Journal) -> None:
        writer = FactWriter(journal)
        for event in prints:
            writer.append(((event, rows),))

    return [
        appended(folder, "36 bytes, one record", alone, COUNT),
        appended(folder, "a print, encoded, alone", each, COUNT),
        appended(folder, "a print, encoded, 16 in one write", batches, COUNT),
        appended(folder, "a print and 400 bytes of rows", with_rows, COUNT),
    ]


def reads(folder: Path) -> list[str]:
    """Measure reading what `appends` wrote."""
    disk = LocalDisk(folder / "a_print_encoded_alone")
    checked = timed(lambda: check(disk, FOLDER), COUNT)
    decoded = timed(lambda: sum(1 for _ in events(disk, FOLDER)), COUNT)
    return [
        f"| check, a record | {checked[0]:.2f} | {checked[1]:.2f} |",
        f"| events, a record | {decoded[0]:.2f} | {decoded[1]:.2f} |",
    ]


def paced(folder: Path, seconds: float) -> str:
    """Append 1,000 facts a second, each when it is due; what one append took."""
    journal = Journal.create(LocalDisk(folder / "paced"), FOLDER, "bench", 1)
    writer = FactWriter(journal)
    prints = facts(EventKind.TRADE, int(seconds * RATE))
    took = []
    begun = time.perf_counter()
    synced_s, synced_room = begun, journal.room()
    for place, event in enumerate(prints):
        due = begun + place / RATE
        while (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        start = time.perf_counter_ns()
        writer.append(((event, b""),))
        if time.perf_counter() - synced_s > SYNC_S or synced_room - journal.room() > SYNC_BYTES:
            journal.sync_behind()
            synced_s, synced_room = time.perf_counter(), journal.room()
        took.append((time.perf_counter_ns() - start) / 1e3)
    journal.close()
    p50, p99, p999 = np.percentile(took, (50, 99, 99.9))
    return f"| paced {RATE:,}/s for {seconds:g} s | {p50:.0f} | {p99:.0f} | {p999:.0f} | {max(took):.0f} |"


def durable(folder: Path, count: int = 200) -> str:
    """Append and sync before going on, as `durability: power` does; what it took."""
    journal = Journal.create(LocalDisk(folder / "durable"), FOLDER, "bench", 1)
    took = []
    for _ in range(count):
        start = time.perf_counter_ns()
        journal.append(RecordKind.ASK, b"x" * 36)
        journal.sync()
        took.append((time.perf_counter_ns() - start) / 1e3)
    journal.close()
    p50, p99, p999 = np.percentile(took, (50, 99, 99.9))
    return f"| append and sync, {count} times | {p50:.0f} | {p99:.0f} | {p999:.0f} | {max(took):.0f} |"


def size(kind: EventKind) -> str:
    """Return the bytes of a fact of one kind: its payload, and all of it in the file."""
    encoder = FactEncoder()
    payloads = [len(encoder.encode(event)) for event in facts(kind, 20_000)][2_000:]
    frames = [payload + 12 + 7 & ~7 for payload in payloads]
    return f"| {kind.name} | {np.mean(payloads):.1f} | {max(payloads)} | {np.mean(frames):.1f} | {EVENT.itemsize} |"


def measured(folder: Path, seconds: float) -> list[str]:
    """Measure all of it; return the tables as lines."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    head = (
        f"`benches/journal.py`, commit {commit()}, {cpu_model()}, Python {platform.python_version()}, "
        f"{platform.system()}, load {load}; made-up prints and quotes of 40 instruments."
    )
    return [
        head,
        "",
        f"| {COUNT:,} of | CPU us | wall us |",
        "|---|---|---|",
        *appends(folder),
        *reads(folder),
        "",
        "| one append, us | p50 | p99 | p99.9 | max |",
        "|---|---|---|---|---|",
        paced(folder, seconds),
        durable(folder),
        "",
        "| bytes | payload | its maximum | in the file | EVENT |",
        "|---|---|---|---|---|",
        size(EventKind.TRADE),
        size(EventKind.QUOTE),
    ]


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        lines = measured(folder, given.seconds)
    finally:
        shutil.rmtree(folder)
    text = "\n".join(lines)
    sys.stdout.write(text + "\n")
    if given.write:
        page = RESULTS.read_text(encoding="utf-8")
        block = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
        RESULTS.write_text(block.sub(lambda _: f"{BEGIN}\n{text}\n{END}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
