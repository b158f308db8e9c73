"""Imports foreign files into a catalog: ``tightloop data import FILE... --as bars:binance:BTCUSDT-perp-1m``.

Guesses are returned as notes. Rows that the catalog already has are kept once; rows that contradict it are refused.
Files are replaced by renaming, so a failed import leaves the dataset as it was.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tightloop.adapters.data._shared import commonest_step_ns, grid_of, is_synthetic
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
from tightloop.adapters.data.importer.storing import TICK_COLUMNS, Columns, Target, store
from tightloop.adapters.data.importer.tables import Rows, read_rows
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId
from tightloop.model.times import SECOND_NS, iso

STAMPED = ("open", "close")

EXAMPLE = "write for example bars:binance:BTCUSDT-perp-1m, trades:binance:BTCUSDT-perp or funding:binance:BTCUSDT"


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
    rows_after, added, repeated = store(root, target, new, replace=replace, synthetic=is_synthetic(files))
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
    if kind in TICK_COLUMNS and "ts_init_ns" not in columns:
        columns["ts_init_ns"] = columns["ts_event_ns"]
        notes.append("no column holds the time of receipt: the time of the event is used")
    order = TICK_COLUMNS.get(kind, WANTED[kind])
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
    times = new["ts_init_ns" if target.kind in TICK_COLUMNS else "ts"]
    return bool((times[1:] < times[:-1]).any())
