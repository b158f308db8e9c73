"""Bars passed as a frame or as arrays instead of a file, for notebooks.

Columns may hold text, nulls, objects or any type of time: each value is read exactly or refused with its row.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from tightloop.adapters.data._shared import DatasetReport, gate, is_text, judge_bars, moments
from tightloop.core.domain.types import BAR, Floats, Ints, Rows
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId, default_rules

PRICES = ("open", "high", "low", "close", "volume")
WANTED = ("ts", *PRICES)
FORMS = "a frame of polars or pandas, a table of pyarrow, or a mapping from names to arrays"
Columns = dict[str, pa.Array]


def bars_of(
    frame: Any, instrument: InstrumentId, timeframe: str, accepted: frozenset[str] = frozenset()
) -> tuple[Rows, DatasetReport]:
    """Convert a frame to BAR records and judge them like bars of a file.

    Columns: ts (or the index), open, high, low, close, volume. Raises InputError with column and row (from 1) of a
    value that cannot be read. A missing price is left to the quality gate if ``accepted`` contains non_positive.
    """
    name = f"frame/{instrument}"
    columns = columns_of(frame, name)
    missing = [column for column in WANTED if column not in columns]
    if missing:
        there = ", ".join(columns) or "none"
        message = f"the frame has no such column (there are: {there})"
        raise InputError.one(name, None, missing[0], message, f"give it {', '.join(WANTED)}")
    if not len(columns["ts"]):
        raise InputError.one(name, None, "ts", "the frame has no rows", "give it bars")
    ts_ns, has_zone = times_of(columns["ts"], name)
    step_ns = TIMEFRAMES[timeframe]
    bars = np.zeros(len(ts_ns), BAR)
    bars["open_ns"], bars["close_ns"] = ts_ns, ts_ns + step_ns
    for column in PRICES:
        bars[column] = floats_of(columns[column], column, name, may_miss="non_positive" in accepted)
    judged = judge_bars(name, bars, step_ns, default_rules(instrument).calendar, zoned=has_zone)
    report: DatasetReport = judged.report
    gate(report, accepted, None)
    return judged.bars, report


def columns_of(frame: Any, name: str) -> Columns:
    """Return the wanted columns as Arrow arrays by lower-case name; other columns are empty arrays.

    Raises InputError if ``frame`` is no frame, a wanted column is ambiguous, or lengths differ.
    """
    columns: Columns = {}
    for written, column in _named(frame, name):
        key = str(written).lower()
        if key in columns and key in WANTED:
            raise InputError.one(name, None, key, "two columns have this name", "give each column its own name")
        if key in WANTED:
            columns[key] = _arrow(column, key, name)
        else:
            columns.setdefault(key, pa.nulls(0))
    lengths = {key: len(columns[key]) for key in WANTED if key in columns}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{key} {count}" for key, count in lengths.items())
        raise InputError.one(name, None, "", f"the columns have different lengths: {shown}", "give each as many rows")
    return columns


def _named(frame: Any, name: str) -> list[tuple[Any, Any]]:
    """Return (name, column) pairs of any supported kind of frame."""
    if isinstance(frame, pl.DataFrame):
        return [(column.name, column) for column in frame.get_columns()]
    if isinstance(frame, pl.LazyFrame):
        raise InputError.one(name, None, "", "is a lazy frame", "give frame.collect()")
    if isinstance(frame, pa.Table | pa.RecordBatch):
        return list(zip(frame.schema.names, frame.columns, strict=True))
    if isinstance(frame, np.ndarray) and frame.dtype.names:
        return [(field, frame[field]) for field in frame.dtype.names]
    if isinstance(frame, Mapping):
        return list(frame.items())
    if hasattr(frame, "iloc") and hasattr(frame, "columns"):
        return _of_pandas(frame)
    raise InputError.one(name, None, "", f"is of type {type(frame).__name__}, which is not a frame", f"give {FORMS}")


def _of_pandas(frame: Any) -> list[tuple[Any, Any]]:
    """Return the columns of a pandas frame; a time index becomes the column ts."""
    named = [(label, frame.iloc[:, place]) for place, label in enumerate(frame.columns)]
    index = frame.index
    is_time = getattr(index, "nlevels", 1) == 1 and type(index).__name__ != "RangeIndex"
    if is_time and not any(str(label).lower() == "ts" for label, _column in named):
        named.insert(0, ("ts", index.to_series()))
    return named


def _arrow(column: Any, key: str, name: str) -> pa.Array:
    """Convert a column to an Arrow array, NaN and NaT to null. Raises InputError for mixed types."""
    values = column
    if isinstance(values, pl.Series):
        values = _of_polars(values)
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    if not isinstance(values, pa.Array):
        values = _of_values(values, key, name)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return values


def _of_polars(column: pl.Series) -> Any:
    """Convert to Arrow, or to a list where Arrow has no such type (objects, 128-bit integers)."""
    if column.dtype == pl.Object:
        return column.to_list()
    try:
        return column.to_arrow()
    except pa.ArrowException:
        return column.to_list()


def _of_values(values: Any, key: str, name: str) -> pa.Array:
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        message = f"is of type {type(values).__name__}, which is not a column"
        raise InputError.one(name, None, key, message, "give a list or an array")
    if getattr(values, "ndim", 1) != 1:
        raise InputError.one(
            name, None, key, f"has {values.ndim} dimensions", "give a list or an array of one dimension"
        )
    kind = str(getattr(values, "dtype", "object"))
    if kind.startswith("datetime64[") and isinstance(values, np.ndarray):
        values = values.astype("datetime64[ns]" if kind[11:-1] in ("D", "h", "m", "W", "M", "Y") else values.dtype)
    if kind == "object":
        values = [_plain(value) for value in values]
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        row, wrong = _odd_one(list(values))
        message = f"row {row + 1} {wrong}"
        raise InputError.one(name, None, key, message, "give the whole column one type") from None


def _plain(value: Any) -> Any:
    """Convert an object to what Arrow reads exactly; times become text, which keeps the nanoseconds of pandas."""
    if isinstance(value, datetime) and hasattr(value, "to_datetime64"):
        exact = value.to_datetime64().astype("datetime64[ns]")
        return None if np.isnat(exact) else f"{exact}{'Z' if value.tzinfo is not None else ''}"
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, date):
        return value.isoformat()
    return None if isinstance(value, float) and value != value else value


def _odd_one(values: list[Any]) -> tuple[int, str]:
    """Return row and description of the first value whose type differs from those before it."""
    first: type | None = None
    for row, value in enumerate(values):
        if value is None:
            continue
        kind = next((base for base in (str, bool, int, float) if isinstance(value, base)), type(value))
        kind = float if kind is int else kind
        if first is not None and kind is not first:
            return row, f"holds {value!r}, and those before it are of type {first.__name__}"
        first = kind
    return 0, f"holds {values[0]!r:.80}, which cannot be read" if values else "is empty"


def times_of(column: pa.Array, name: str) -> tuple[Ints, bool]:
    """Return the column ts as int64 ns UTC, and whether it had a time zone. Raises InputError with the row."""

    def refuse(row: int | None, wrong: str, remedy: str) -> InputError:
        return InputError.one(name, None, "ts", wrong if row is None else _of_row(column, row, wrong), remedy)

    times, _how, has_zone = moments(column, refuse)
    return times, has_zone


def floats_of(column: pa.Array, key: str, name: str, may_miss: bool) -> Floats:
    """Return a price column as float64. Missing values are NaN if ``may_miss``, else raise InputError with the row."""
    kind = column.type
    if is_text(kind):
        texts = column.to_pylist()
        numbers = np.array([_number(text) for text in texts], np.float64)
        bad = [row for row, text in enumerate(texts) if text is not None and numbers[row] != numbers[row]]
        if bad:
            raise InputError.one(name, None, key, _of_row(column, bad[0], "is not a number"), "give numbers")
    elif pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        numbers = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    elif pa.types.is_null(kind):
        numbers = np.full(len(column), np.nan)
    else:
        raise InputError.one(name, None, key, f"is of type {kind}, which is not a number", "give numbers")
    missing = np.flatnonzero(np.isnan(numbers))
    if len(missing) and not may_miss:
        message = f"row {int(missing[0]) + 1} has no number ({len(missing)} of {len(numbers)} rows)"
        remedy = "fill it or drop the row, or leave such rows out with accept=['non_positive']"
        raise InputError.one(name, None, key, message, remedy)
    return numbers


def _of_row(column: pa.Array, row: int, wrong: str) -> str:
    return f"row {row + 1} {wrong}" if wrong.startswith("has ") else f"{column[row].as_py()!r} (row {row + 1}) {wrong}"


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
