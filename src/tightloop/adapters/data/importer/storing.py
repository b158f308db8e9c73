"""Merges rows into a dataset of a catalog: what is there is kept once, what contradicts it is refused.

Files are replaced by renaming, so a failure leaves the dataset as it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tightloop.adapters.data._shared import Source, has_aggregate_ids, is_synthetic, stamps, write_table
from tightloop.model.errors import InputError
from tightloop.model.times import DAY_NS, iso

Columns = dict[str, npt.NDArray[Any]]
TICK_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "trades": ("ts_event_ns", "ts_init_ns", "trade_id", "price", "qty", "buyer_is_maker"),
    "quotes": ("ts_event_ns", "ts_init_ns", "bid", "bid_qty", "ask", "ask_qty"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """Destination of rows: kind, venue and name of the dataset; ``timeframe`` for bars only."""

    kind: str
    venue: str
    name: str
    timeframe: str | None = None

    @property
    def path(self) -> str:
        """Path in the catalog: a file for bars and funding, a folder of daily files for ticks."""
        return f"{self.kind}/{self.venue}/{self.name}{'' if self.kind in TICK_COLUMNS else '.parquet'}"

    @property
    def key(self) -> str:
        """Column that identifies a row; empty if only whole rows can be compared."""
        return {"trades": "trade_id", "quotes": ""}.get(self.kind, "ts")


def store(
    root: Path, target: Target, new: Columns, *, replace: bool = False, synthetic: bool = False, aggregate: bool = False
) -> tuple[int, int, int]:
    """Merge rows into the dataset; return (rows it has then, rows added, rows that were there or repeated).

    ``aggregate``: trade ids are those of aggregate trades, which no other trades are mixed with. Raises InputError for
    rows that contradict the catalog.
    """
    path = root / target.path
    if not replace:
        check_place(root, target, aggregate=aggregate)
    if target.kind not in TICK_COLUMNS:
        return _write_file(path, target, new, replace, synthetic)
    return _write_days(path, target, new, replace, (synthetic, aggregate))


def check_place(root: Path, target: Target, *, aggregate: bool = False) -> None:
    """Raise InputError if the dataset is there in a form that the rows cannot be merged into."""
    path = root / target.path
    if target.kind not in TICK_COLUMNS:
        folder = path.with_suffix("")
        if folder.is_dir():
            remedy = "move the folder away first, or write to another one with --data"
            raise InputError.one(folder, None, "", "is the same dataset, as a folder of part files", remedy)
        return
    files = sorted(path.glob("*.parquet"))
    if files and has_aggregate_ids(files) != aggregate:
        there, asked = ("single trades", "aggregate trades") if aggregate else ("aggregate trades", "single trades")
        message = f"holds {there}, whose ids are others than those of {asked}"
        raise InputError.one(path, None, "trade_id", message, "write to another folder with --data")


def stored_keys(root: Path, target: Target, start_ns: int, end_ns: int) -> npt.NDArray[np.int64]:
    """Return the keys of the rows that are there, ascending: times in the window, of trades the ids of its days."""
    path = root / target.path
    if target.kind not in TICK_COLUMNS:
        times = Source((path,), target.path).times_ns("ts") if path.is_file() else np.empty(0, np.int64)
        return np.unique(times[(times >= start_ns) & (times < end_ns)])
    first, last = iso(start_ns)[:10], iso(end_ns - 1)[:10]
    files = [file for file in sorted(path.glob("*.parquet")) if first <= file.stem <= last]
    ids = [Source((file,), target.path).integers(target.key) for file in files]
    return np.unique(np.concatenate(ids)) if ids else np.empty(0, np.int64)


def _write_file(path: Path, target: Target, new: Columns, replace: bool, synthetic: bool) -> tuple[int, int, int]:
    """Merge into a single file; return (rows, added, repeated)."""
    if path.is_dir():
        remedy = "move the folder away first, or import under another name"
        raise InputError.one(path, None, "", "is a folder of part files, which an import does not change", remedy)
    old = {} if replace or not path.exists() else _stored(path, tuple(new))
    merged, before = _merged(path, old, new, target)
    columns = {name: stamps(column) if name == "ts" else pa.array(column) for name, column in merged.items()}
    write_table(path, columns, synthetic=synthetic or (bool(old) and is_synthetic((path,))))
    return len(merged["ts"]), len(merged["ts"]) - before, before + len(new["ts"]) - len(merged["ts"])


def _write_days(
    folder: Path, target: Target, new: Columns, replace: bool, marks: tuple[bool, bool]
) -> tuple[int, int, int]:
    """Merge into daily files by event time; return (rows, added, repeated). ``marks``: synthetic, aggregate ids."""
    synthetic, aggregate = marks
    when = np.where(new["ts_event_ns"] > 0, new["ts_event_ns"], new["ts_init_ns"])
    days = when // DAY_NS
    results = []
    jobs = []
    for day in np.unique(days).tolist():
        path = folder / f"{iso(day * DAY_NS)[:10]}.parquet"
        part = {name: column[days == day] for name, column in new.items()}
        old = {} if replace or not path.exists() else _stored(path, tuple(new))
        merged, before = _merged(path, old, part, target)
        total = len(merged["ts_init_ns"])
        results.append((total, total - before, before + len(part["ts_init_ns"]) - total))
        jobs.append((path, merged, synthetic or (bool(old) and is_synthetic((path,)))))
    # Merge every day before writing the first, so that a contradiction in the last one changes no file.
    for path, merged, mark in jobs:
        write_table(
            path, {name: pa.array(column) for name, column in merged.items()}, synthetic=mark, aggregate=aggregate
        )
    totals = np.sum(results, axis=0).tolist()
    return totals[0], totals[1], totals[2]


def _stored(path: Path, names: Sequence[str]) -> Columns:
    source = Source((path,), str(path))
    lacking = [name for name in names if name not in source.types]
    if lacking:
        message = f"the existing dataset has no column {', '.join(lacking)}"
        raise InputError.one(path, None, lacking[0], message, "replace it with --replace")
    columns: Columns = {}
    for name in names:
        if name in ("ts", "ts_event_ns", "ts_init_ns"):
            columns[name] = source.times_ns(name)
        elif name == "trade_id":
            columns[name] = source.integers(name)
        elif name == "buyer_is_maker":
            columns[name] = source.integers(name) > 0
        else:
            columns[name] = source.floats(name)
    return columns


def _merged(path: Path, old: Columns, new: Columns, target: Target) -> tuple[Columns, int]:
    """Merge old and new rows by time without repeats; return them and the number of old rows.

    Raises InputError if rows with one key differ.
    """
    before = len(next(iter(old.values()))) if old else 0
    both = {name: np.concatenate((old[name], column)) if old else column for name, column in new.items()}
    times = both["ts_init_ns" if target.kind in TICK_COLUMNS else "ts"]
    keys = both[target.key] if target.key else times
    if len(np.unique(keys)) == len(keys):  # usual case: no repeated keys, so no rows to compare
        order = np.argsort(times, kind="stable")
        return {name: column[order] for name, column in both.items()}, before
    names = [name for name in both if name != "ts_init_ns"] if target.kind == "trades" else list(both)
    # Compare rows bit by bit: what is written to the catalog reads back the same.
    matrix = np.column_stack(
        [np.ascontiguousarray(both[name]).astype(_wide(both[name])).view(np.int64) for name in names]
    )
    _distinct, first = np.unique(matrix, axis=0, return_index=True)
    kept = np.sort(first)
    if target.key:
        values, counts = np.unique(keys[kept], return_counts=True)
        torn = values[counts > 1]
        if len(torn):
            raise _contradiction(path, target, both, kept, int(torn[0]), len(torn), before)
    kept = kept[np.argsort(times[kept], kind="stable")]
    return {name: column[kept] for name, column in both.items()}, before


def _wide(column: npt.NDArray[Any]) -> type:
    return np.float64 if column.dtype == np.float64 else np.int64


def _contradiction(
    path: Path, target: Target, both: Columns, kept: npt.NDArray[np.int64], key: int, count: int, before: int
) -> InputError:
    """Build the error of rows with equal keys and different values."""
    rows = kept[both[target.key][kept] == key]
    shown = f"trade id {key}" if target.key == "trade_id" else iso(key)
    field = next(name for name in both if len(np.unique(both[name][rows])) > 1)
    values = " and ".join(f"{both[field][row]}" for row in rows[:2])
    what = "row is repeated" if count == 1 else "rows are repeated"
    message = f"{count} {what} with different values, first {shown}: {field} is {values}"
    remedy = "remove one of the two from the files"
    if before and rows[0] < before:
        remedy = "remove the row from the file, or replace what the catalog holds with --replace"
    return InputError.one(path, None, field, message, remedy)
