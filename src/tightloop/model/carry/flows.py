"""Capital flows (deposits and withdrawals): a list in the strategy, or a CSV or YAML file."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tightloop.model.carry.schema import EXAMPLES, FLOWS_MAX, FlowKeys
from tightloop.model.carry.strategy import Flow
from tightloop.model.errors import InputError, Problem
from tightloop.model.files import diagnostics, yaml_lines
from tightloop.model.files.fields import shown
from tightloop.model.times import parse_ns

COLUMNS = ("ts", "amount", "speed")
TIME_REMEDY = "write for example 2024-07-01T00:00:00Z, or nanoseconds since 1970"
Kept = Callable[[str, str], None]


def read_flows(written: Any, place: diagnostics.Place, problems: list[Problem], kept: Kept) -> tuple[Flow, ...]:
    """Read ``flows:``. Faults go to ``problems``; ``kept`` receives path and text of a file that was read."""
    path: diagnostics.Path = ("flows",)
    if isinstance(written, str):
        file, line = place(path)
        try:
            written, place, path = _of_file(Path(file).parent / written, written, (file, line), kept)
        except InputError as error:
            problems += error.problems
            return ()
    if not isinstance(written, list):
        file, line = place(path)
        message = f"{shown(written)} is not a list of flows"
        problems.append(Problem(file, line, "flows", message, "write a list of {ts: ..., amount: ...}"))
        return ()
    if len(written) > FLOWS_MAX:
        file, line = place(path)
        problems.append(Problem(file, line, "flows", f"{len(written)} flows are more than {FLOWS_MAX}", "write fewer"))
        return ()
    flows: list[Flow] = []
    for index, row in enumerate(written):
        flow = _flow(row, (*path, index), place, problems)
        if flow is None:
            continue
        if flows and flow.ts_ns < flows[-1].ts_ns:
            file, line = place((*path, index))
            field = diagnostics.dotted((*path, index, "ts"))
            problems.append(Problem(file, line, field, "is earlier than the flow before it", "order flows by time"))
        flows.append(flow)
    return tuple(flows)


def _flow(written: Any, path: diagnostics.Path, place: diagnostics.Place, problems: list[Problem]) -> Flow | None:
    try:
        keys = FlowKeys.model_validate(written)
    except ValidationError as error:
        problems += diagnostics.problems_of(error, FlowKeys, written, place, under=path, examples=EXAMPLES)
        return None
    ts_ns = parse_ns(keys.ts)
    fault = None
    if ts_ns is None:
        fault = ("ts", f"{shown(keys.ts)} is not a time", TIME_REMEDY)
    elif keys.amount == 0.0:
        fault = ("amount", "0 is not a flow", "write an amount, negative for a withdrawal")
    if fault is not None:
        file, line = place((*path, fault[0]))
        problems.append(Problem(file, line, diagnostics.dotted((*path, fault[0])), *fault[1:]))
        return None
    assert ts_ns is not None, "a time that cannot be read is a fault"
    return Flow(ts_ns, keys.amount, keys.speed)


def _of_file(
    path: Path, name: str, origin: tuple[str, int | None], kept: Kept
) -> tuple[Any, diagnostics.Place, diagnostics.Path]:
    """Return the rows of a flow file, the location of each, and the path of their list in the file."""
    if not path.is_file():
        raise InputError.one(*origin, "flows", f"there is no file {name}", "write a path relative to this file")
    file = str(path)
    if path.suffix.lower() == ".csv":
        rows = _csv(path, file)
        text = path.read_text(encoding="utf-8-sig")
        place: diagnostics.Place = lambda at: (file, at[1] + 2 if len(at) > 1 and isinstance(at[1], int) else 1)  # noqa: E731  # one line, used here
        kept(file, text)
        return rows, place, ("flows",)
    written, line_of = yaml_lines.load(path)
    kept(file, path.read_text(encoding="utf-8-sig"))
    inside: diagnostics.Path = ("flows",) if isinstance(written, dict) and set(written) == {"flows"} else ()
    return (written["flows"] if inside else written), lambda at: (file, line_of(at)), inside


def _csv(path: Path, file: str) -> list[dict[str, Any]]:
    """Read the rows of a CSV with a header line; cells that look like numbers become numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError.one(file, None, "flows", "is not UTF-8 text", "save the file as UTF-8") from None
    rows = list(csv.reader(io.StringIO(text)))
    head = [name.strip() for name in rows[0]] if rows else []
    if not head or set(head) - set(COLUMNS) or not {"ts", "amount"} <= set(head) or len(set(head)) < len(head):
        message = f"has the columns {', '.join(head) or 'none'}"
        raise InputError.one(file, 1, "flows", message, f"write {','.join(COLUMNS)} in the first line")
    rows_by_name = []
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(head):
            message = f"has {len(row)} values for {len(head)} columns"
            raise InputError.one(file, line, "flows", message, "write one value for each column")
        rows_by_name.append({name: yaml_lines.scalar(cell.strip()) for name, cell in zip(head, row, strict=True)})
    return rows_by_name
