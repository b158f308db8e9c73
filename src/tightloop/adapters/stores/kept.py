"""Rows of the read model that its journal could not give again: ``sessions/<id>/kept/<table>.parquet``.

Written whole under another name and then renamed. A file that cannot be read is as one that is not there.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tightloop.ports.read_model import TABLES

FOLDER = "kept"
_KINDS = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string()}


def write(folder: Path, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Write tables of a session. ``folder``: of the session. Raises OSError."""
    (folder / FOLDER).mkdir(mode=0o700, exist_ok=True)
    for table, found in rows.items():
        shape = TABLES[table].columns
        schema = pa.schema([(name, _KINDS[kind]) for name, kind in shape.items()])
        columns = {name: [row[name] for row in found] for name in shape}
        file = folder / FOLDER / f"{table}.parquet"
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            pq.write_table(pa.table(columns, schema), beside, compression="zstd")
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)


def read(folder: Path, tables: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of tables that were written; none of those that cannot be read."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table in tables:
        try:
            read_table = pq.read_table(folder / FOLDER / f"{table}.parquet")
        except (OSError, pa.ArrowException):
            found[table] = []
        else:
            is_whole = set(read_table.column_names) == set(TABLES[table].columns)
            found[table] = read_table.to_pylist() if is_whole else []
    return found
