"""The gate over a whole catalog: every dataset with its rows, span, faults and verdict."""

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
    iso,
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

CalendarOf = Callable[[InstrumentId], str]

_BAR = np.dtype([*((name, "f8") for name in PRICE_COLUMNS), ("open_ns", "i8"), ("close_ns", "i8")])
_ALL = (-(2**63), 2**63 - 1)


def select(root: Path, names: Sequence[str] = ()) -> tuple[Dataset, ...]:
    """The datasets of a catalog that ``names`` mean: paths, folders or instruments; all without names.

    InputError for a name that means none; it names the nearest there are.
    """
    there = discover(root)
    if not names:
        return there
    chosen: dict[str, Dataset] = {}
    for name in names:
        wanted = name.strip("/").removesuffix(".parquet")
        found = [dataset for dataset in there if _means(wanted, dataset)]
        if not found:
            known = nearest(wanted, (dataset.path.removesuffix(".parquet") for dataset in there))
            raise InputError.one(root, None, name, "there is no such dataset", f"there are {known}")
        chosen.update((dataset.path, dataset) for dataset in found)
    return tuple(chosen.values())


def only(root: Path, name: str) -> Dataset:
    """The one dataset that a name means; InputError when it means none or several."""
    found = select(root, [name])
    if len(found) > 1:
        there = nearest(name, (dataset.path.removesuffix(".parquet") for dataset in found))
        raise InputError.one(root, None, name, f"means {len(found)} datasets", f"name one of {there}")
    return found[0]


def _means(wanted: str, dataset: Dataset) -> bool:
    path = dataset.path.removesuffix(".parquet")
    return path == wanted or path.startswith(f"{wanted}/") or str(dataset.instrument) == wanted


def calendars(root: Path) -> CalendarOf:
    """The calendar of each instrument by ``instruments.yaml`` or the defaults; InputError when that file is wrong."""
    path = root / RULES_FILE
    rules = read_rules(path) if path.exists() else {}
    return lambda instrument: (rules.get(instrument) or default_rules(instrument)).calendar


def check(datasets: Sequence[Dataset], calendar_of: CalendarOf) -> Iterator[DatasetReport]:
    """A report per dataset, in their order, as each is done. What cannot be read is a fault, not an error."""
    for dataset in datasets:
        yield judge(dataset, calendar_of)


def judge(dataset: Dataset, calendar_of: CalendarOf) -> DatasetReport:
    """The report of one dataset, all rows of it."""
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
        return schema_report(dataset.path, source.rows, (), f"the name {dataset.name} ends with none of {known}")
    step_ns = TIMEFRAMES[dataset.timeframe]
    bars, grid = read_bars(source, _BAR, step_ns, *_ALL)
    zoned = source.zone("ts") is not None
    return judge_bars(dataset.path, bars, step_ns, calendar_of(dataset.instrument), zoned=zoned, grid=grid).report


def as_json(reports: Sequence[DatasetReport]) -> str:
    """The reports as the JSON of the contract: two spaces of indentation, times in ISO 8601 UTC, null when unknown."""
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
    """Write a text file; InputError when the place cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        raise InputError.one(file, None, "", message, "name another file") from None


def outline(dataset: Dataset) -> tuple[str, str, str, str]:
    """Path, rows, files and instrument of a dataset as text, from its footers alone."""
    try:
        rows = f"{Source(dataset.files, dataset.path).rows:,}"
    except InputError:
        rows = "?"
    return dataset.path, rows, str(len(dataset.files)), "" if dataset.instrument is None else str(dataset.instrument)
