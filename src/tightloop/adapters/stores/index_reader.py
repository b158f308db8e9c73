"""Reads ``index.db`` of a home folder and never writes it: for screens, which hold no lock that a session waits for.

The file may be missing, may come, and may be replaced by another while it is read; then the other is read. A table
that a file of another format lacks has no rows.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tightloop.ports.read_model import SESSION, TABLES, Value

INDEX_FILE = "index.db"
BUSY_S = 2.0
Found = dict[str, Value]


class Change(NamedTuple):
    """One row was written. ``c``: counts up over all sessions of a file."""

    c: int
    session: str
    seq: int
    table: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexQuery:
    """Which rows: columns with values that they have (a tuple: one of them), in which order, from where, how many.

    ``order``: columns, the first counts most; unknown is 0. ``after``: values of those columns, of the last row that
    is known.
    """

    where: Mapping[str, Value | tuple[Value, ...]]
    order: tuple[str, ...]
    after: tuple[int | float | str, ...] | None = None
    limit: int = 200
    newest_first: bool = True


class IndexReader:
    """The file of one home folder, open for reading; of one thread."""

    def __init__(self, root: Path) -> None:
        self._file = root / INDEX_FILE
        self._link: sqlite3.Connection | None = None
        self._inode = 0

    def close(self) -> None:
        """Close it."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def rows(self, table: str, wanted: IndexQuery) -> list[Found]:
        """Return rows of a table."""
        assert table in TABLES, "tables are those of the read model"
        columns = {SESSION, *TABLES[table].columns}
        assert columns >= {*wanted.where, *wanted.order}, "columns are those of the table"
        said, values = _conditions(table, wanted)
        way = "DESC" if wanted.newest_first else "ASC"
        order = ", ".join(f"{_known(table, name)} {way}" for name in wanted.order)
        text = f"SELECT * FROM {table}{said} ORDER BY {order} LIMIT ?"
        return self._ask(text, (*values, wanted.limit))

    def index_id(self) -> str | None:
        """Return what tells this file from one that was made anew; None if there is none."""
        found = self._ask("SELECT value FROM meta WHERE key = 'index_id'", ())
        return str(found[0]["value"]) if found else None

    def changes(self, after: int, limit: int) -> list[Change]:
        """Return what was written after a change, in order."""
        found = self._ask(
            "SELECT c, session_id, seq, tbl, key FROM changes WHERE c > ? ORDER BY c LIMIT ?", (after, limit)
        )
        return [
            Change(int(row["c"] or 0), str(row["session_id"]), int(row["seq"] or 0), str(row["tbl"]), str(row["key"]))
            for row in found
        ]

    def last_change(self) -> int:
        """Return the number of the last change; 0 if there is none."""
        found = self._ask("SELECT max(c) AS c FROM changes", ())
        return int(found[0]["c"] or 0) if found else 0

    def _ask(self, text: str, values: Sequence[Value]) -> list[Found]:
        for _ in range(2):  # the file may have been replaced since it was opened
            link = self._opened()
            if link is None:
                return []
            try:
                with closing(link.execute(text, tuple(values))) as found:
                    names = [column[0] for column in found.description]
                    return [dict(zip(names, row, strict=True)) for row in found]
            except sqlite3.DatabaseError:
                self.close()
        return []

    def _opened(self) -> sqlite3.Connection | None:
        try:
            inode = self._file.stat().st_ino
        except OSError:
            self.close()
            return None
        if self._link is None or inode != self._inode:
            self.close()
            try:
                self._link = sqlite3.connect(f"{self._file.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
            except sqlite3.Error:
                return None
            self._inode = inode
        return self._link


def _known(table: str, name: str) -> str:
    """Return a column for an order; keys are always known, so that the primary key may serve it."""
    return name if name in (SESSION, *TABLES[table].keys) else f"COALESCE({name}, 0)"


def _conditions(table: str, wanted: IndexQuery) -> tuple[str, list[Value]]:
    said: list[str] = []
    values: list[Value] = []
    for name, value in wanted.where.items():
        among = value if isinstance(value, tuple) else (value,)
        said.append(f"{name} = ?" if len(among) == 1 else f"{name} IN ({', '.join('?' * len(among))})")
        values += among
    if wanted.after is not None:
        names = ", ".join(_known(table, name) for name in wanted.order)
        said.append(f"({names}) {'<' if wanted.newest_first else '>'} ({', '.join('?' * len(wanted.after))})")
        values += wanted.after
    return f" WHERE {' AND '.join(said)}" if said else "", values
