"""The bars that are measured on: a random walk of whole ticks, the same on every machine, in a catalog of its own."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 20_240_101
YEAR, MONTH = 525_600, 43_200
YEAR_INSTRUMENT, MONTH_INSTRUMENT = "bench:BTCUSDT-perp", "bench:ETHUSDT-perp"
START_NS = 1_704_067_200_000_000_000  # 2024-01-01
MINUTE_NS = 60_000_000_000
TICK = 0.01
RULES = """\
{instrument}: {{price_increment: 0.01, lot_size: 0.0001, contract_size: 1, settle_asset: USDT, min_notional: 0,
  taker_bps: 5, maker_bps: 2, calendar: always}}
"""

Columns = dict[str, npt.NDArray[np.float64]]


def bars(count: int, seed: int = SEED) -> Columns:
    """Open, high, low, close, volume. Calm and wild hours take turns; all draws and sums are of integers."""
    random = np.random.Generator(np.random.PCG64(seed))
    wildness = np.repeat(random.integers(1, 6, count // 60 + 1), 60)[:count]
    step = random.integers(-400, 401, count) * wildness
    close = np.maximum(4_000_000 + np.cumsum(step), 100_000)
    opened = np.concatenate([[4_000_000], close[:-1]])
    high = np.maximum(opened, close) + random.integers(0, 300, count) * wildness
    low = np.minimum(opened, close) - random.integers(0, 300, count) * wildness
    prices = {"open": opened, "high": high, "low": low, "close": close}
    volume = random.integers(1, 100_000, count) * wildness
    return {name: ticks * TICK for name, ticks in prices.items()} | {"volume": volume / 1_000.0}


def digest(columns: Columns) -> str:
    own = hashlib.sha256()
    for name, values in columns.items():
        own.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return own.hexdigest()[:16]


def write(root: Path, count: int, month: int) -> dict[str, str | int]:
    """A catalog with a long and a short dataset; what to say about the long one."""
    rules = ""
    said: dict[str, str | int] = {}
    for instrument, rows in ((YEAR_INSTRUMENT, count), (MONTH_INSTRUMENT, month)):
        columns = bars(rows)
        venue, name = instrument.split(":")
        file = root / "bars" / venue / f"{name}-1m.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        times = pa.array(START_NS + MINUTE_NS * np.arange(rows), pa.timestamp("ns", "UTC"))
        pq.write_table(pa.table({"ts": times, **columns}), file, compression="zstd")
        rules += RULES.format(instrument=instrument)
        if instrument == YEAR_INSTRUMENT:
            said = {"seed": SEED, "rows": rows, "sha256": digest(columns)}
    (root / "instruments.yaml").write_text(rules, encoding="utf-8")
    return said
