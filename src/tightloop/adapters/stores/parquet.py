"""Result tables as Parquet files. Equal rows give equal bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import polars as pl

INT_COLUMNS = frozenset({"ts", "entry_ts", "exit_ts", "submitted_ts", "updated_ts", "trade_id", "fill_id"})
FLOAT_COLUMNS = frozenset(
    [
        "qty",
        "price",
        "stop_price",
        "filled_qty",
        "avg_price",
        "entry_price",
        "exit_price",
        "pnl",
        "fees",
        "fee",
        "funding",
        "slippage",
        "equity",
        "cash",
        "drawdown_pct",
        "flows",
        "amount",
        "value",
        "given",
        "taken",
        "unit_price",
        "units",
        "hf",
        "ltv",
        "hf_low",
        "ltv_high",
        "delta",
        "exposure",
        "benchmark",
    ]
)
BOOL_COLUMNS = frozenset({"reduce_only"})


ROW_GROUP = 65_536


def _kind(name: str) -> pa.DataType:
    if name in INT_COLUMNS:
        return pa.int64()
    if name in FLOAT_COLUMNS or name.startswith("margin_ratio"):
        return pa.float64()
    return pa.bool_() if name in BOOL_COLUMNS else pa.string()


def arrow(table: Mapping[str, Any]) -> pa.Table:
    """Convert columns to an Arrow table; types depend on the column's name only. NaN becomes null."""
    columns = {}
    for name, values in table.items():
        column = np.ascontiguousarray(values) if isinstance(values, np.ndarray) else values
        columns[name] = pa.array(column, _kind(name), from_pandas=True)
    return pa.table(columns)


def frame(table: Mapping[str, Any]) -> "pl.DataFrame":
    """Convert columns to a polars frame, with the types of ``arrow``."""
    import polars as pl  # 25 MB that a command which only writes files can save

    converted = pl.from_arrow(arrow(table))
    assert isinstance(converted, pl.DataFrame), "a table of arrow is a frame of polars"
    return converted


def write(table: Any, path: Path) -> None:
    """Write one file atomically. ``table``: columns by name, or a polars frame."""
    converted = arrow(table) if isinstance(table, Mapping) else table.to_arrow()
    part = path.with_suffix(".part")
    pq.write_table(
        converted, part, compression="zstd", row_group_size=ROW_GROUP, write_statistics=False, store_schema=False
    )
    part.replace(path)


def read(path: Path) -> "pl.DataFrame":
    """Read one file as a polars frame."""
    import polars as pl

    return pl.read_parquet(path)
