"""Resampling of stored bars to a longer timeframe, as a new dataset."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from tightloop.adapters.data._shared import (
    PRICE_COLUMNS,
    Dataset,
    Source,
    grid_faults,
    grid_of,
    is_synthetic,
    length,
    stamps,
    write_table,
)
from tightloop.core.domain.types import Floats, Ints
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES
from tightloop.model.times import iso


@dataclass(frozen=True, slots=True)
class Resampled:
    """The dataset that was written: path, bars read and made, and notes for the user."""

    path: str
    bars_read: int
    bars_made: int
    notes: tuple[str, ...]


def aggregate(times_ns: Ints, prices: dict[str, Floats], step_ns: int) -> tuple[Ints, dict[str, Floats], Ints]:
    """Aggregate bars, strictly ascending in time, over UTC steps of ``step_ns`` since 1970.

    Returns opens in ns, columns (open: first, high, low, close: last, volume: sum), and the number of source bars of
    each. A step without bars gives no bar.
    """
    assert (times_ns[1:] > times_ns[:-1]).all(), "bars to aggregate ascend"
    buckets = times_ns // step_ns
    starts = np.concatenate(([0], np.flatnonzero(np.diff(buckets)) + 1))
    ends = np.concatenate((starts[1:], [len(times_ns)])) - 1
    made = {
        "open": prices["open"][starts],
        "high": np.maximum.reduceat(prices["high"], starts),
        "low": np.minimum.reduceat(prices["low"], starts),
        "close": prices["close"][ends],
        "volume": np.add.reduceat(prices["volume"], starts),
    }
    return buckets[starts] * step_ns, made, ends - starts + 1


def resample(root: Path, dataset: Dataset, timeframe: str, replace: bool = False) -> Resampled:
    """Write ``bars/<venue>/<SYMBOL>-<market>-<timeframe>.parquet`` beside the source dataset.

    A partial first or last bar is kept and reported in the notes. Raises InputError: not bars, a timeframe that is no
    multiple, bars out of order or contradictory, or an existing dataset without ``replace``.
    """
    if dataset.kind != "bars" or dataset.instrument is None or dataset.timeframe is None:
        raise InputError.one(
            dataset.path, None, "", "is not a dataset of bars", "name one that `tightloop data list` shows"
        )
    if timeframe not in TIMEFRAMES:
        message = f"{timeframe!r} is not a timeframe"
        raise InputError.one("TF", None, "", message, f"use one of {', '.join(TIMEFRAMES)}")
    step_ns, from_ns = TIMEFRAMES[timeframe], TIMEFRAMES[dataset.timeframe]
    if step_ns <= from_ns or step_ns % from_ns:
        longer = [name for name, length in TIMEFRAMES.items() if length > from_ns and length % from_ns == 0]
        message = f"bars of {dataset.timeframe} cannot be resampled to {timeframe}"
        raise InputError.one(
            "TF", None, "", message, f"use one of {', '.join(longer)}" if longer else "use shorter bars"
        )
    path = f"bars/{dataset.venue}/{dataset.instrument.stem}-{timeframe}.parquet"
    for there in (root / path, root / path.removesuffix(".parquet")):
        if there.exists() and not (replace and there.is_file()):
            raise InputError.one(there, None, "", "already exists", "keep it, or overwrite it with --replace")
    times, prices = _stored(dataset)
    _check_grid(dataset, times, from_ns)
    opens, made, counts = aggregate(times, prices, step_ns)
    columns = {"ts": stamps(opens), **{name: pa.array(column) for name, column in made.items()}}
    write_table(root / path, columns, synthetic=is_synthetic(dataset.files))
    return Resampled(path, len(times), len(opens), _notes(times, opens, counts, step_ns, from_ns))


def _stored(dataset: Dataset) -> tuple[Ints, dict[str, Floats]]:
    source = Source(dataset.files, dataset.path)
    lacking = [name for name in ("ts", *PRICE_COLUMNS) if name not in source.types]
    if lacking or not source.rows:
        what = f"the column {lacking[0]} is missing" if lacking else "there are no rows"
        raise InputError.one(dataset.path, None, lacking[0] if lacking else "", what, "import the data again")
    times = source.times_ns("ts")
    prices = {name: source.floats(name) for name in PRICE_COLUMNS}
    steps = np.diff(times)
    if (steps < 0).any():
        first = iso(int(times[np.flatnonzero(steps < 0)[0] + 1]))
        message = f"a row at {first} is earlier than the one before it"
        raise InputError.one(dataset.path, None, "ts", message, "import the data again, which sorts them")
    repeats = np.flatnonzero(steps == 0) + 1
    if len(repeats):
        torn = [row for row in repeats if any(prices[name][row] != prices[name][row - 1] for name in PRICE_COLUMNS)]
        if torn:
            message = f"the bar of {iso(int(times[torn[0]]))} is repeated with different values"
            raise InputError.one(dataset.path, None, "ts", message, "remove one of the two")
        times = np.delete(times, repeats)
        prices = {name: np.delete(column, repeats) for name, column in prices.items()}
    return times, prices


def _check_grid(dataset: Dataset, times: Ints, from_ns: int) -> None:
    """Raise InputError if a longer bar, aligned to UTC since 1970, would split a source bar."""
    grid = grid_of(times, from_ns)
    faults = grid_faults(times, grid.off_ns(times), grid, is_other_step=False)
    for fault in faults:
        if fault is not None:
            message = f"{fault.kind}: {fault.detail}, first at {iso(fault.first_ns or 0)}"
            raise InputError.one(dataset.path, None, "ts", message, "repair the bars, then resample them")
    if grid.offset_ns or grid.zone is not None:
        where = "by UTC" if grid.zone is None else f"by the clock of {grid.zone}"
        message = f"the bars begin {length(grid.offset_ns)} into each {length(from_ns)} {where}, longer bars at 0 s"
        raise InputError.one(dataset.path, None, "ts", message, "make them from shorter bars, or fetch them")


def _notes(
    times: Ints,
    opens: Ints,
    counts: Ints,
    step_ns: int,
    from_ns: int,
) -> tuple[str, ...]:
    notes = []
    if times[0] > opens[0]:
        notes.append(f"the first bar, {iso(int(opens[0]))}, is partial: its data begin at {iso(int(times[0]))}")
    if times[-1] + from_ns < opens[-1] + step_ns:
        notes.append(
            f"the last bar, {iso(int(opens[-1]))}, is partial: its data end at {iso(int(times[-1] + from_ns))}"
        )
    torn = int((counts[1:-1] < step_ns // from_ns).sum())
    if torn:
        notes.append(f"{torn} bars between them lack some of the bars they are made of")
    return tuple(notes)
