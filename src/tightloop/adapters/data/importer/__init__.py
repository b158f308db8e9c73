"""Imports foreign files into a catalog: ``tightloop data import FILE... --as bars:binance:BTCUSDT-perp-1m``.

Guesses are returned as notes. Rows that the catalog already has are kept once; rows that contradict it are refused.
Files are replaced by renaming, so a failed import leaves the dataset as it was.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tightloop.adapters.data._shared import Source, commonest_step_ns, grid_of, is_synthetic, stamps, write_table
from tightloop.adapters.data._shared.arrays import Flags, Times
from tightloop.adapters.data.importer.final import ended, final_rows, unused
from tightloop.adapters.data.importer.guess import (
    WANTED,
    close_column,
    columns_of,
    flags,
    identities,
    numbers,
    sells,
    times_ns,
)
from tightloop.adapters.data.importer.tables import Rows, read_rows
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId
from tightloop.model.times import DAY_NS, SECOND_NS, iso

Columns = dict[str, npt.NDArray[Any]]
STAMPED = ("open", "close")

EXAMPLE = "write for example bars:binance:BTCUSDT-perp-1m, trades:binance:BTCUSDT-perp or funding:binance:BTCUSDT"
_TICK_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "trades": ("ts_event_ns", "ts_init_ns", "trade_id", "price", "qty", "buyer_is_maker"),
    "quotes": ("ts_event_ns", "ts_init_ns", "bid", "bid_qty", "ask", "ask_qty"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """Destination of an import: kind, venue and name of the dataset; ``timeframe`` for bars only."""

    kind: str
    venue: str
    name: str
    timeframe: str | None = None

    @property
    def path(self) -> str:
        """Path in the catalog: a file for bars and funding, a folder of daily files for ticks."""
        return f"{self.kind}/{self.venue}/{self.name}{'' if self.kind in _TICK_COLUMNS else '.parquet'}"

    @property
    def key(self) -> str:
        """Column that identifies a row; empty if only whole rows can be compared."""
        return {"trades": "trade_id", "quotes": ""}.get(self.kind, "ts")


@dataclass(frozen=True, slots=True)
class Imported:
    """Result of an import.

    ``columns``: (catalog's, file's) name pairs. ``notes``: guesses and omissions, as sentences for the user.
    """

    path: str
    rows: int
    added: int
    repeated: int
    columns: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def parse_target(text: str) -> Target:
    """Parse the value of ``--as``. Raises InputError."""
    kind, _, rest = text.partition(":")
    venue, _, name = rest.partition(":")
    if kind not in WANTED or not venue or not name:
        known = ", ".join(WANTED)
        raise InputError.one("--as", None, "", f"{text!r} is not KIND:VENUE:NAME with KIND one of {known}", EXAMPLE)
    stem, timeframe = name, None
    if kind == "bars":
        stem, _, timeframe = name.rpartition("-")
        if timeframe not in TIMEFRAMES:
            message = f"{name!r} does not end with a timeframe, one of {', '.join(TIMEFRAMES)}"
            raise InputError.one("--as", None, "", message, EXAMPLE)
    try:
        InstrumentId.parse(f"{venue}:{stem}" if kind != "funding" else f"{venue}:{name}-perp")
    except ValueError as error:
        message, _, remedy = str(error).partition("; ")
        raise InputError.one("--as", None, "", message, remedy) from None
    return Target(kind, venue, name, timeframe)


def import_files(
    root: Path,
    files: Sequence[Path],
    target: Target,
    replace: bool = False,
    shown: Callable[[Sequence[Path]], Iterable[Path]] = iter,
    *,
    stamped: str = "open",
    now_ns: int | None = None,
) -> Imported:
    """Read the files and write or merge the dataset. ``shown`` may wrap the files, to display progress.

    ``stamped``: whether bars carry their ``open`` or ``close`` time. Bars that had not ended at ``now_ns``, or when
    their file was written, are left out; with ``now_ns`` None no clock is considered. Raises InputError with file, line
    and column of the first invalid value, or with the rows that contradict the catalog.
    """
    parts: list[Columns] = []
    notes: list[str] = []
    mapping: dict[str, str] = {}
    for file in shown(files):
        rows = read_rows(file)
        mapping = columns_of(rows, target.kind, stamped == "close")
        columns, note = _columns(rows, target.kind, mapping)
        if target.timeframe is not None:
            columns, more = _whole_bars(rows, columns, mapping, TIMEFRAMES[target.timeframe], stamped, now_ns)
            note += more
        else:
            note += unused(rows, tuple(mapping.values()))
        parts.append(columns)
        notes += [entry for entry in note if entry not in notes]
    new = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if target.timeframe is not None:
        _check_step(files[0], new["ts"], target)
    pairs = tuple((wanted, found) for wanted, found in mapping.items())
    write = _write_days if target.kind in _TICK_COLUMNS else _write_file
    rows_after, added, repeated = write(root / target.path, target, new, replace, is_synthetic(files))
    if _order_changed(new, target):
        notes.append("the rows were not in time order and were sorted")
    return Imported(target.path, rows_after, added, repeated, pairs, tuple(notes))


def _columns(rows: Rows, kind: str, mapping: Mapping[str, str]) -> tuple[Columns, list[str]]:
    """Convert a file's columns to the catalog's; return them and notes for the user."""
    columns: Columns = {}
    notes = []
    for wanted, source in mapping.items():
        if wanted in ("ts", "ts_event_ns", "ts_init_ns"):
            columns[wanted], how = times_ns(rows, source)
            notes.append(f"{source}: {how}")
        elif wanted == "trade_id":
            columns[wanted] = identities(rows, source)
        elif wanted == "buyer_is_maker":
            columns[wanted] = flags(rows, source)
        elif wanted == "side":
            columns["buyer_is_maker"] = sells(rows, source)
            notes.append(f"{source}: the taker's side, as buyer_is_maker")
        else:
            columns[wanted] = numbers(rows, source)
    if kind in _TICK_COLUMNS and "ts_init_ns" not in columns:
        columns["ts_init_ns"] = columns["ts_event_ns"]
        notes.append("no column holds the time of receipt: the time of the event is used")
    order = _TICK_COLUMNS.get(kind, WANTED[kind])
    return {name: columns[name] for name in order}, notes


def _whole_bars(
    rows: Rows, columns: Columns, mapping: Mapping[str, str], step_ns: int, stamped: str, now_ns: int | None
) -> tuple[Columns, list[str]]:
    """Return bars by open time, without those not final or not ended, and notes for the user."""
    used = tuple(mapping.values())
    final, final_columns, notes = final_rows(rows, used)
    notes += unused(rows, (*used, *final_columns))
    columns = columns if final is None else {name: column[final] for name, column in columns.items()}
    grid = grid_of(columns["ts"], step_ns)
    if stamped == "close":
        ends = columns["ts"] + grid.close_tail_ns
        columns["ts"] = grid_of(ends, step_ns).opens_ns(ends)
        notes.append(f"{mapping['ts']}: when bars close; the first opens at {iso(int(columns['ts'].min()))}")
    else:
        _check_opens(rows, columns["ts"], mapping["ts"], close_column(rows, used), final, step_ns)
    if now_ns is not None:
        open_grid = grid_of(columns["ts"], step_ns)
        kept, more = ended(rows, columns["ts"], open_grid.ends_ns(columns["ts"]), now_ns)
        notes += more
        columns = columns if kept is None else {name: column[kept] for name, column in columns.items()}
    return columns, notes


def _check_opens(rows: Rows, opens: Times, named: str, other: str | None, final: Flags | None, step_ns: int) -> None:
    """Raise InputError if another column shows that the times taken as opens are close times."""
    if other is None:
        return
    try:
        closes, _how = times_ns(rows, other)
    except InputError:
        return  # not a time column after all; the notes list it as unused
    apart = int(np.median(np.abs((closes if final is None else closes[final]) - opens)))
    if 2 * apart < step_ns and apart <= SECOND_NS:
        message = f"is the close time of bars, as the column {other} shows"
        raise InputError.one(rows.file, rows.skipped or None, named, message, "read it with --stamped close")


def _check_step(file: Path, times: Times, target: Target) -> None:
    """Raise InputError if the most common step contradicts the timeframe of the target."""
    step = commonest_step_ns(np.unique(times))
    if step is None or target.timeframe is None or len(times) < 4 or step == TIMEFRAMES[target.timeframe]:
        return
    fits = next((name for name, length in TIMEFRAMES.items() if length == step), None)
    message = f"the commonest step is {step / 1e9:g} s, which is not {target.timeframe}"
    remedy = f"import it as {fits}" if fits else "import bars of 1s, 1m, 5m, 15m, 1h, 4h or 1d"
    raise InputError.one(file, None, "ts", message, remedy)


def _order_changed(new: Columns, target: Target) -> bool:
    times = new["ts_init_ns" if target.kind in _TICK_COLUMNS else "ts"]
    return bool((times[1:] < times[:-1]).any())


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


def _write_days(folder: Path, target: Target, new: Columns, replace: bool, synthetic: bool) -> tuple[int, int, int]:
    """Merge into daily files by event time; return (rows, added, repeated)."""
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
        write_table(path, {name: pa.array(column) for name, column in merged.items()}, synthetic=mark)
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
    times = both["ts_init_ns" if target.kind in _TICK_COLUMNS else "ts"]
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
