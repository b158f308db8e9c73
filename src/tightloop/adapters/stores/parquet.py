"""Result tables as Parquet files: the same rows give the same bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    ]
)
BOOL_COLUMNS = frozenset({"reduce_only"})


def frame(table: Mapping[str, Any]) -> pl.DataFrame:
    """A table of columns as a frame whose types do not depend on what is in it."""
    columns = {}
    for name, values in table.items():
        kind: Any = pl.String
        if name in INT_COLUMNS:
            kind = pl.Int64
        elif name in FLOAT_COLUMNS:
            kind = pl.Float64
        elif name in BOOL_COLUMNS:
            kind = pl.Boolean
        columns[name] = pl.Series(name, values, dtype=kind, strict=False)
    return pl.DataFrame(columns)


def loose_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows with columns of whatever type their values have."""
    return pl.DataFrame(rows, infer_schema_length=None)


def write(frame_of: pl.DataFrame, path: Path) -> None:
    """Write one file, whole or not at all."""
    part = path.with_suffix(".part")
    frame_of.write_parquet(part, compression="zstd", statistics=False)
    part.replace(path)


def read(path: Path) -> pl.DataFrame:
    """Read one file."""
    return pl.read_parquet(path)
