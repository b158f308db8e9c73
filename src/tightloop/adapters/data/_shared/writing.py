"""Writes datasets atomically: a temporary file beside the old one, then a rename."""

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tightloop.adapters.data._shared.arrays import Times
from tightloop.adapters.data._shared.datasets import RULES_FILE
from tightloop.model.errors import InputError

ROW_GROUP = 131_072
MARK = b"tightloop.synthetic"
"""Metadata key that marks a Parquet file as synthetic."""
AGGREGATE_MARK = b"tightloop.aggregate_trade_ids"
"""Metadata key of trades that are aggregate trades of a venue: their ids are not those of its single trades."""


def stamps(times_ns: Times) -> pa.Array:
    """Convert ns UTC to Arrow timestamps: microseconds, or nanoseconds where needed."""
    if (times_ns % 1_000 == 0).all():
        return pa.array(times_ns // 1_000).view(pa.timestamp("us", "UTC"))
    return pa.array(times_ns).view(pa.timestamp("ns", "UTC"))


def write_table(file: Path, columns: dict[str, pa.Array], *, synthetic: bool = False, aggregate: bool = False) -> None:
    """Write columns of equal length as one Parquet file. Raises InputError if the path is not writable.

    ``synthetic``, ``aggregate``: mark the file, for ``is_synthetic`` and ``has_aggregate_ids``.
    """
    table = pa.table(columns)
    marks = {mark: b"yes" for mark, is_set in ((MARK, synthetic), (AGGREGATE_MARK, aggregate)) if is_set}
    if marks:
        table = table.replace_schema_metadata(marks)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, temporary, compression="zstd", row_group_size=ROW_GROUP)
        temporary.replace(file)
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        raise InputError.one(file, None, "", message, "name a folder that can be written, with --data") from None
    finally:
        temporary.unlink(missing_ok=True)


def is_synthetic(files: Sequence[Path]) -> bool:
    """Return whether any of the files is marked as synthetic; unreadable files are not."""
    return _any_has(files, MARK)


def has_aggregate_ids(files: Sequence[Path]) -> bool:
    """Return whether any of the files is marked as aggregate trades; unreadable files are not."""
    return _any_has(files, AGGREGATE_MARK)


def _any_has(files: Sequence[Path], mark: bytes) -> bool:
    for file in files:
        try:
            marks = pq.read_schema(file).metadata
        except (OSError, pa.ArrowInvalid):
            continue
        if marks and mark in marks:
            return True
    return False


def check_room(root: Path, replace: bool, *folders: tuple[str, ...]) -> None:
    """Create ``root`` for a sample, if its files can be written.

    Raises InputError if rules, a README or files in ``folders`` exist already, unless ``replace``.
    """
    if root.exists() and not root.is_dir():
        raise InputError.one(root, None, "--out", "is a file", "name a folder")
    in_the_way = [root / RULES_FILE, root / "README.md"]
    in_the_way += [path for folder in folders for path in root.joinpath(*folder).glob("*")]
    existing = [path for path in in_the_way if path.exists()]
    if existing and not replace:
        remedy = "name another folder with --out, or overwrite it with --replace"
        raise InputError.one(existing[0], None, "--out", "already exists", remedy)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot be created: {error.strerror or error}"
        raise InputError.one(root, None, "--out", message, "name another folder with --out") from None
