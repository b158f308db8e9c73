"""Clean data of every kind, to plant faults in: rows that the gate finds nothing wrong with."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tightloop.adapters.data._shared import Dataset, DatasetReport
from tightloop.adapters.data.quality import as_json, calendars, check, select

START_NS = 1_704_067_200_000_000_000
MINUTE_NS = 60_000_000_000
HOUR_NS = 60 * MINUTE_NS
STEPS_NS = {"1m": MINUTE_NS, "1h": HOUR_NS, "1d": 24 * HOUR_NS}


def bars(count: int = 2_000, timeframe: str = "1m", start_ns: int = START_NS, seed: int = 7) -> dict[str, np.ndarray]:
    """Columns of a random walk around 100 with moves of 0.05 % a bar."""
    rng = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 5e-4, count))), 4)
    open_ = np.concatenate(([100.0], close[:-1]))
    return {
        "ts": start_ns + np.arange(count) * STEPS_NS[timeframe],
        "open": open_,
        "high": np.maximum(open_, close) + 0.01,
        "low": np.minimum(open_, close) - 0.01,
        "close": close,
        "volume": np.round(rng.lognormal(1, 1, count), 3) + 0.001,
    }


def series(names: dict[str, np.ndarray], step_ns: int = HOUR_NS, start_ns: int = START_NS) -> dict[str, np.ndarray]:
    count = len(next(iter(names.values())))
    return {"ts": start_ns + np.arange(count) * step_ns, **names}


def index(count: int, step_ns: int, yearly: float = 0.05) -> np.ndarray:
    return 1.0 + yearly * np.arange(count) * step_ns / (365 * 24 * HOUR_NS)


def trades(count: int = 1_000, seed: int = 7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    happened = START_NS + np.cumsum(rng.integers(1, 500, count)) * 1_000_000
    return {
        "ts_event_ns": happened,
        "ts_init_ns": happened + 4_000_000 + np.arange(count),
        "trade_id": 1_000 + np.arange(count),
        "price": np.round(100 * np.exp(np.cumsum(rng.normal(0, 1e-5, count))), 4),
        "qty": np.round(rng.lognormal(0, 1, count), 3) + 0.001,
        "buyer_is_maker": rng.random(count) < 0.5,
    }


def quotes(count: int = 5_000, seed: int = 7) -> dict[str, np.ndarray]:
    ticks = trades(count, seed)
    bid = ticks["price"]
    return {
        "ts_event_ns": ticks["ts_event_ns"], "ts_init_ns": ticks["ts_init_ns"],
        "bid": bid, "bid_qty": ticks["qty"], "ask": bid + 0.01, "ask_qty": ticks["qty"][::-1].copy(),
    }  # fmt: skip


def books(count: int = 1_000) -> dict[str, np.ndarray]:
    ticks = trades(count)
    side = np.where(np.arange(count) % 2, "ask", "bid")
    return {
        "ts_event_ns": ticks["ts_event_ns"], "ts_init_ns": ticks["ts_init_ns"], "seq": np.arange(count), "side": side,
        "price": np.where(side == "bid", 99.9, 100.1), "qty": ticks["qty"], "is_snapshot": np.arange(count) < 10,
    }  # fmt: skip


def write(file: Path, columns: dict[str, object], zone: str | None = "UTC", unit: str = "us") -> Path:
    """Write columns as Parquet; ``ts`` (int64 ns) becomes a timestamp of the unit and zone."""
    arrays = {}
    for name, column in columns.items():
        if name == "ts" and isinstance(column, np.ndarray) and column.dtype == np.int64:
            scale = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
            arrays[name] = pa.array(column // scale).cast(pa.timestamp(unit, zone))
        else:
            arrays[name] = pa.array(column)
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(arrays), file)
    return file


def repeat(columns: dict[str, np.ndarray], *rows: int) -> dict[str, np.ndarray]:
    """The same columns with these rows there twice, side by side."""
    count = len(next(iter(columns.values())))
    order = np.sort(np.concatenate((np.arange(count), rows)))
    return {name: column[order].copy() for name, column in columns.items()}


def without(columns: dict[str, np.ndarray], *rows: int) -> dict[str, np.ndarray]:
    return {name: np.delete(column, rows) for name, column in columns.items()}


def report_of(root: Path, name: str | None = None) -> DatasetReport:
    """The report of the one dataset of a catalog, or of the one named; its JSON is what the contract says."""
    datasets: tuple[Dataset, ...] = select(root, [name] if name else [])
    reports = list(check(datasets, calendars(root)))
    assert len(reports) == 1, [report.path for report in reports]
    plain = json.loads(as_json(reports))["datasets"][0]
    assert list(plain)[:6] == ["path", "rows", "from", "to", "verdict", "faults"]
    return reports[0]


def counts(report: DatasetReport) -> dict[str, int]:
    return {fault.kind: fault.count for fault in report.faults}
