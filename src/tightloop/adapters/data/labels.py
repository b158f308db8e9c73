"""Label files: Parquet with one row per labelled event."""

from datetime import datetime
from pathlib import Path

from tightloop.adapters.data._shared import Source
from tightloop.model.errors import InputError, Problem
from tightloop.model.instruments import InstrumentId
from tightloop.model.labels import KINDS, Label
from tightloop.model.times import counted_ns

TEXTS = ("instrument", "kind")
TIMES = ("start_ns", "end_ns")
FILES = ("labels.parquet", "labels/pumps.parquet")
"""Where a catalog keeps its labels: the laboratory of ticks, and the sample market of bars."""


def labels_of(catalog: Path) -> Path:
    """Return the label file of a catalog; the first of FILES if it has none."""
    return next((catalog / name for name in FILES if (catalog / name).is_file()), catalog / FILES[0])


def read_labels(file: Path) -> tuple[Label, ...]:
    """Read labels, sorted by instrument and start.

    Required columns: ``instrument``, ``kind``, ``start_ns``, ``end_ns``. Defaults of the others: scenario '', peak at
    the end, sizes 0. A sample market writes times (``start``, ``peak``, ``end``) and ``magnitude`` as a fraction.
    Raises InputError with every problem: a missing column, an unknown kind or instrument, an end before its start.
    """
    if not file.is_file():
        remedy = "name it with --labels, or make some with `tightloop data sample --scenario all`"
        raise InputError.one(file, None, "", "there is no such file", remedy)
    source = Source((file,), str(file))
    columns = {name: source.values(name) for name in source.types}
    for name in ("start", "peak", "end"):
        if name in columns and f"{name}_ns" not in columns:
            columns[f"{name}_ns"] = tuple(_counted(value) for value in columns[name])
    missing = [name for name in (*TEXTS, *TIMES) if name not in columns]
    if missing:
        remedy = f"write the columns {', '.join((*TEXTS, *TIMES))}"
        raise InputError.one(file, None, missing[0], "there is no such column", remedy)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    problems = [problem for index, row in enumerate(rows) for problem in _problems(file, index, row)]
    if problems or not rows:
        raise InputError(*problems or [Problem(str(file), None, "", "holds no labels", "write a row for each event")])
    return tuple(sorted((_label(row) for row in rows), key=lambda label: (label.instrument, label.start_ns)))


def _counted(value: object) -> object:
    """Convert a time to ns UTC; anything else is left for the checks, which name its row."""
    return round(value.timestamp() * 1e6) * 1_000 if isinstance(value, datetime) else value


def _problems(file: Path, index: int, row: dict[str, object]) -> list[Problem]:
    problems = []
    if row["kind"] not in KINDS:
        message, remedy = f"{row['kind']!r} in row {index} is not a kind", f"write one of {', '.join(KINDS)}"
        problems.append(Problem(str(file), None, "kind", message, remedy))
    try:
        InstrumentId.parse(str(row["instrument"]))
    except ValueError as error:
        message, _, remedy = str(error).partition("; ")
        problems.append(Problem(str(file), None, "instrument", f"{message} (row {index})", remedy))
    start, end = row["start_ns"], row["end_ns"]
    if not (isinstance(start, int) and isinstance(end, int) and start <= end):
        message = f"row {index} does not begin before it ends"
        problems.append(Problem(str(file), None, "end_ns", message, "write nanoseconds since 1970, not below start_ns"))
    elif counted_ns(start) is None or counted_ns(end) is None:
        message = f"row {index} is not in the years 1990 to 2100"
        problems.append(Problem(str(file), None, "start_ns", message, "write nanoseconds since 1970"))
    return problems


def _label(row: dict[str, object]) -> Label:
    def number(name: str) -> float:
        value = row.get(name)
        return float(value) if isinstance(value, int | float) else 0.0

    start, end = (int(str(row[name])) for name in TIMES)
    peak = row.get("peak_ns")
    magnitude_pct = number("magnitude_pct") if "magnitude_pct" in row else 100.0 * number("magnitude")
    return Label(
        str(row["instrument"]), str(row.get("scenario") or ""), str(row["kind"]), start,
        peak if isinstance(peak, int) else end, end, magnitude_pct, number("retracement_pct"),
    )  # fmt: skip
