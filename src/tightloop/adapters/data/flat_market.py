"""A market of bars that never move, for a catalog: what a strategy does when nothing happens."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from tightloop.adapters.data._shared import stamps, write_table
from tightloop.model.instruments import InstrumentId
from tightloop.model.times import MINUTE_NS

START_NS = 1_704_067_200_000_000_000  # 2024-01-01


def write_flat_market(root: Path, instrument: InstrumentId, minutes: int, price: float) -> Path:
    """Write ``minutes`` one-minute bars at ``price`` (settle asset) to the catalog ``root``; return the file."""
    file = root / "bars" / instrument.venue / f"{instrument.symbol}-{instrument.market}-1m.parquet"
    level = pa.array(np.full(minutes, price))
    columns = {"ts": stamps(START_NS + np.arange(minutes, dtype=np.int64) * MINUTE_NS)}
    columns |= dict.fromkeys(("open", "high", "low", "close"), level) | {"volume": pa.array(np.ones(minutes))}
    write_table(file, columns, synthetic=True)
    return file
