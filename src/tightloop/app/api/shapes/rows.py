"""Rows of the read model as the API gives them: a model for each table, made of the table's columns.

REAL is a decimal text, ``ts`` and ``.._ts`` are texts of nanoseconds, columns of JSON are objects. ``id`` is
``<session_id>.<key>``.
"""

import json
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, create_model

from tightloop.app.api.shapes.common import Decimal, Ns
from tightloop.app.api.shapes.numbers import decimal_text, ns_text
from tightloop.ports.read_model import SESSION, TABLES, Value

JSON_COLUMNS = frozenset({"details", "args", "evidence", "plan", "start"})
FLAGS = frozenset({"reduce_only"})
T = TypeVar("T")


class RowPage(BaseModel, Generic[T]):
    """A page of a list. ``next``: the cursor of the next page; null at the end."""

    items: list[T]
    next: str | None


def is_time(column: str) -> bool:
    """Return whether a column is a time."""
    return column == "ts" or column.endswith("_ts")


def _kind(column: str, kind: str) -> Any:
    if column in JSON_COLUMNS:
        return Any
    if kind == "REAL":
        return Decimal | None
    if kind == "INTEGER":
        return Ns | None if is_time(column) else bool | None if column in FLAGS else int | None
    return str | None


def _model(name: str, table: str, **more: Any) -> type[BaseModel]:
    fields: dict[str, Any] = {"id": (str, ...), SESSION: (str, ...)}
    fields |= {column: (_kind(column, kind), ...) for column, kind in TABLES[table].columns.items()}
    return create_model(name, __doc__=f"A row of `{table}`.", **fields, **more)


Instance = _model("Instance", "instances")
Order = _model("Order", "orders")
Fill = _model("Fill", "fills")
Position = _model("Position", "positions")
Signal = _model("Signal", "signals")
Condition = _model("Condition", "conditions")
Transition = _model("Transition", "transitions")
Denial = _model("Denial", "denials")
RiskEvent = _model("RiskEvent", "risk_events", acknowledged_by=(str | None, ...), acknowledged_ts=(Ns | None, ...))
Control = _model("Control", "controls")
NearMiss = _model("NearMiss", "closest")
Instrument = _model("Instrument", "instruments")
MODELS: dict[str, type[BaseModel]] = {
    "instances": Instance, "orders": Order, "fills": Fill, "positions": Position, "signals": Signal,
    "conditions": Condition, "transitions": Transition, "denials": Denial, "risk_events": RiskEvent,
    "controls": Control, "closest": NearMiss, "instruments": Instrument,
}  # fmt: skip
"""Those that are given out, by table."""


def given(table: str, row: dict[str, Value]) -> dict[str, Any]:
    """Return a row as the API gives it."""
    shape = TABLES[table]
    found: dict[str, Any] = {"id": row_id(table, row), SESSION: row[SESSION]}
    for column, kind in shape.columns.items():
        value = row.get(column)
        found[column] = _given(column, kind, value)
    return found


def row_id(table: str, row: dict[str, Value]) -> str:
    """Return the id of a row over all sessions."""
    return ".".join(str(row[name]) for name in (SESSION, *TABLES[table].keys))


def _given(column: str, kind: str, value: Value) -> Any:
    if value is None:
        return None
    if column in JSON_COLUMNS:
        try:
            return json.loads(str(value))
        except ValueError:
            return None
    if kind == "REAL":
        return decimal_text(float(value))
    if kind == "INTEGER":
        return ns_text(int(value)) if is_time(column) else bool(value) if column in FLAGS else int(value)
    return str(value)
