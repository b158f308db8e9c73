"""The quality gate over a whole catalog: rows, span, faults and verdict of every dataset."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tightloop.adapters.data._shared import (
    PRICE_COLUMNS,
    RULES_FILE,
    Dataset,
    DatasetReport,
    Source,
    discover,
    is_table,
    judge_bars,
    judge_series,
    judge_table,
    judge_ticks,
    nearest,
    read_bars,
    required_columns,
    schema_report,
)
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId, default_rules, read_rules
from tightloop.model.times import iso

CalendarOf = Callable[[InstrumentId], str]

_BAR = np.dtype([*((name, "f8") for name in PRICE_COLUMNS), ("open_ns", "i8"), ("close_ns", "i8")])
_ALL = (-(2**63), 2**63 - 1)


def select(root: Path, names: Sequence[str] = ()) -> tuple[Dataset, ...]:
    """Return the datasets named by paths, folders or instruments; all of them without names.

    Raises InputError for a name that matches none, with the most similar ones.
    """
    available = discover(root)
    if not names:
        return available
    chosen: dict[str, Dataset] = {}
    for name in names:
        wanted = name.strip("/").removesuffix(".parquet")
        matches = [dataset for dataset in available if _means(wanted, dataset)]
        if not matches:
            known = nearest(wanted, (dataset.path.removesuffix(".parquet") for dataset in available))
            raise InputError.one(root, None, name, "there is no such dataset", f"there are {known}")
        chosen.update((dataset.path, dataset) for dataset in matches)
    return tuple(chosen.values())


def only(root: Path, name: str) -> Dataset:
    """Return the single dataset that a name matches. Raises InputError if it matches none or several."""
    matches = select(root, [name])
    if len(matches) > 1:
        shown = nearest(name, (dataset.path.removesuffix(".parquet") for dataset in matches))
        raise InputError.one(root, None, name, f"matches {len(matches)} datasets", f"name one of {shown}")
    return matches[0]


def _means(wanted: str, dataset: Dataset) -> bool:
    path = dataset.path.removesuffix(".parquet")
    return path == wanted or path.startswith(f"{wanted}/") or str(dataset.instrument) == wanted


def calendars(root: Path) -> CalendarOf:
    """Return a function from instrument to trading calendar. Raises InputError if ``instruments.yaml`` is invalid."""
    path = root / RULES_FILE
    rules = read_rules(path) if path.exists() else {}
    return lambda instrument: (rules.get(instrument) or default_rules(instrument)).calendar


def check(datasets: Sequence[Dataset], calendar_of: CalendarOf) -> Iterator[DatasetReport]:
    """Yield the report of each dataset, in order; an unreadable dataset is a fault, not an error."""
    for dataset in datasets:
        yield judge(dataset, calendar_of)


def judge(dataset: Dataset, calendar_of: CalendarOf) -> DatasetReport:
    """Return the report over all rows of one dataset; an unreadable dataset has a fault of kind schema."""
    try:
        return _judged(dataset, calendar_of)
    except InputError as error:
        message = "; ".join(
            f"{problem.field}: {problem.message}" if problem.field else problem.message for problem in error.problems
        )
        return schema_report(dataset.path, 0, (), message)


def _judged(dataset: Dataset, calendar_of: CalendarOf) -> DatasetReport:
    source = Source(dataset.files, dataset.path)
    problems = source.problems(required_columns(dataset, source.types))
    if problems or not source.rows:
        return schema_report(dataset.path, source.rows, problems)
    if is_table(dataset, source.types):
        return judge_table(dataset, source)
    if dataset.kind in ("bars", "trades", "quotes", "books") and dataset.instrument is None:
        message = f"the name {dataset.name} is not SYMBOL-market{'-timeframe' if dataset.kind == 'bars' else ''}"
        return schema_report(dataset.path, source.rows, (), message)
    if dataset.kind in ("trades", "quotes", "books"):
        return judge_ticks(dataset, source).report
    if dataset.kind != "bars":
        return judge_series(dataset, source).report
    if dataset.timeframe is None or dataset.instrument is None:
        known = ", ".join(TIMEFRAMES)
        return schema_report(dataset.path, source.rows, (), f"the name {dataset.name} does not end with one of {known}")
    step_ns = TIMEFRAMES[dataset.timeframe]
    bars, grid = read_bars(source, _BAR, step_ns, *_ALL)
    zoned = source.zone("ts") is not None
    return judge_bars(dataset.path, bars, step_ns, calendar_of(dataset.instrument), zoned=zoned, grid=grid).report


def as_json(reports: Sequence[DatasetReport]) -> str:
    """Return the reports as JSON text: two-space indentation, times in ISO 8601 UTC, null if unknown."""
    return json.dumps({"datasets": [_plain(report) for report in reports]}, indent=2, ensure_ascii=False) + "\n"


def _plain(report: DatasetReport) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "path": report.path,
        "rows": report.rows,
        "from": _iso(report.from_ns),
        "to": _iso(report.to_ns),
        "verdict": report.verdict.word,
        "faults": [
            {
                "kind": fault.kind,
                "count": fault.count,
                "first_ts": _iso(fault.first_ns),
                "detail": fault.detail,
                "verdict": fault.verdict.word,
            }
            for fault in report.faults
        ],
    }
    return {**plain, "notes": list(report.notes)} if report.notes else plain


def _iso(time_ns: int | None) -> str | None:
    return None if time_ns is None else iso(time_ns)


def written(file: Path, text: str) -> None:
    """Write a text file. Raises InputError if the path is not writable."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        raise InputError.one(file, None, "", message, "name another file") from None


def outline(dataset: Dataset) -> tuple[str, str, str, str]:
    """Return path, rows, number of files and instrument as text, from the Parquet footers alone."""
    try:
        rows = f"{Source(dataset.files, dataset.path).rows:,}"
    except InputError:
        rows = "?"
    return dataset.path, rows, str(len(dataset.files)), "" if dataset.instrument is None else str(dataset.instrument)
