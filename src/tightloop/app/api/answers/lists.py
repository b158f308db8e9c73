"""Lists of rows of the read model: filters, pages, CSV."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tightloop.adapters.stores.index_reader import IndexQuery, IndexReader
from tightloop.app.api.answers import paging
from tightloop.app.api.answers.headers import header
from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.shapes.rows import given
from tightloop.ports.read_model import SESSION, TABLES, Value

CSV = "text/csv"
CSV_ROWS_MAX = 1_000_000
ORDERED_BY = {
    "orders": "submitted_ts", "fills": "ts", "positions": "opened_ts", "signals": "ts", "transitions": "ts",
    "denials": "ts", "risk_events": "ts", "controls": "ts", "closest": "since_ts",
}  # fmt: skip
"""The time that a list is ordered by, the newest first."""
Where = dict[str, Value | tuple[Value, ...]]


def page(reader: IndexReader, table: str, where: Where, cursor: str | None, limit: int) -> dict[str, Any]:
    """Return a page of a table's rows. Raises HttpProblem."""
    order = _order(table)
    place = paging.unpacked(cursor, len(order))
    found = reader.rows(
        table,
        IndexQuery(where=_said(where), order=order, after=None if place is None else place.values, limit=limit + 1),
    )
    more = len(found) > limit
    rows = found[:limit]
    last = paging.packed(tuple(rows[-1][name] or 0 for name in order)) if more else None
    return {"items": [given(table, row) for row in rows], "next": last}


def _order(table: str) -> tuple[str, ...]:
    return (ORDERED_BY[table], SESSION, *(name for name in TABLES[table].keys if name != ORDERED_BY[table]))


def _said(where: Where) -> Where:
    return {name: value for name, value in where.items() if value is not None}


def answer(request: Request, reader: IndexReader, table: str, where: Where, cursor: str | None, limit: int) -> Any:
    """Return a page, or all rows as CSV if that is what is accepted. Raises HttpProblem."""
    accepted = header(request.headers, "accept")
    if accepted.partition(";")[0].strip() != CSV:
        return page(reader, table, where, cursor, limit)
    names = [*TABLES[table].columns]
    headers = {"Content-Disposition": f'attachment; filename="{table}.csv"'}
    who, downloads = request.state.asked.who, request.app.state.parts.downloads
    if who in downloads:
        raise HttpProblem("too_many", "another CSV is being given; wait for its end", headers={"Retry-After": "5"})
    return _Download(_lines(reader, table, where, names), who, downloads, headers)


class _Download(StreamingResponse):
    """Gives a CSV, and knows while it does to whom."""

    def __init__(self, lines: AsyncIterator[str], who: str, downloads: set[str], headers: dict[str, str]) -> None:
        super().__init__(lines, media_type=CSV, headers=headers)
        self._who, self._downloads = who, downloads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        self._downloads.add(self._who)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._downloads.discard(self._who)


async def _lines(reader: IndexReader, table: str, where: Where, names: list[str]) -> AsyncIterator[str]:
    """Write rows as CSV; a cell that a table program would take for a formula begins with a quote."""
    yield _line(["id", SESSION, *names])
    cursor, count = None, 0
    while count < CSV_ROWS_MAX:
        found = page(reader, table, where, cursor, paging.LIMIT_MAX)
        for row in found["items"]:
            yield _line([row[name] for name in ("id", SESSION, *names)])
        await asyncio.sleep(0)  # others go first
        count += len(found["items"])
        cursor = found["next"]
        if cursor is None:
            return


def _line(values: list[Any]) -> str:
    cells = ["" if value is None else str(value) for value in values]
    stream = io.StringIO()
    csv.writer(stream).writerow([f"'{cell}" if cell[:1] in ("=", "+", "@", "\t", "\r") else cell for cell in cells])
    return stream.getvalue()


def one(reader: IndexReader, table: str, row_id: str) -> dict[str, Value]:
    """Return the row of an id. Raises HttpProblem."""
    keys = TABLES[table].keys
    session, *values = row_id.split(".", len(keys))
    if len(values) == len(keys):
        where: Where = {SESSION: session}
        for name, text in zip(keys, values, strict=True):
            is_number = TABLES[table].columns[name] == "INTEGER"
            if is_number and not (text.removeprefix("-").isascii() and text.removeprefix("-").isdecimal()):
                break
            value: Value = int(text) if is_number else text
            if isinstance(value, int) and abs(value) >= 1 << 63:
                break
            where[name] = value
        else:
            found = reader.rows(table, IndexQuery(where=where, order=(SESSION,), limit=1))
            if found:
                return found[0]
    raise HttpProblem("not_found", f"there is none of {table} with the id {row_id[:80]!r}")
