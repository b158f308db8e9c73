"""Label files: Parquet with one row per labelled event."""

from pathlib import Path

from tightloop.adapters.data._shared import Source
from tightloop.model.errors import InputError, Problem
from tightloop.model.instruments import InstrumentId
from tightloop.model.labels import KINDS, Label
from tightloop.model.times import counted_ns

TEXTS = ("instrument", "kind")
TIMES = ("start_ns", "end_ns")


def read_labels(file: Path) -> tuple[Label, ...]:
    """Read labels, sorted by instrument and start.

    Required columns: ``instrument``, ``kind``, ``start_ns``, ``end_ns``. Defaults of the others: scenario '', peak at
    the end, sizes 0. Raises InputError with every problem: a missing column, an unknown kind or instrument, an end
    before its start.
    """
    if not file.is_file():
        remedy = "name it with --labels, or make some with `tightloop data sample --scenario all`"
        raise InputError.one(file, None, "", "there is no such file", remedy)
    source = Source((file,), str(file))
    missing = [name for name in (*TEXTS, *TIMES) if name not in source.types]
    if missing:
        remedy = f"write the columns {', '.join((*TEXTS, *TIMES))}"
        raise InputError.one(file, None, missing[0], "there is no such column", remedy)
    columns = {name: source.values(name) for name in source.types}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    problems = [problem for index, row in enumerate(rows) for problem in _problems(file, index, row)]
    if problems or not rows:
        raise InputError(*problems or [Problem(str(file), None, "", "holds no labels", "write a row for each event")])
    return tuple(sorted((_label(row) for row in rows), key=lambda label: (label.instrument, label.start_ns)))


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
    return Label(
        str(row["instrument"]), str(row.get("scenario") or ""), str(row["kind"]), start,
        peak if isinstance(peak, int) else end, end, number("magnitude_pct"), number("retracement_pct"),
    )  # fmt: skip
