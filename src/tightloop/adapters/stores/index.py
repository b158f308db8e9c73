"""The read model of a home folder as one SQLite file, ``index.db``: a cache of the journals, never their master.

A file that is missing, of another format or damaged is made anew, empty; whoever follows a session notices by the mark
that is gone, and writes the session's rows again. Several processes write, each the rows of its session, in short
transactions; readers never wait for them (WAL).

    meta      format, index_id (random at creation: cursors over ``changes`` are of one file), "mark <session>"
    changes   one row for each row written: c counts up for ever, so a reader asks for what came after the last it saw
"""

import json
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from tightloop.ports.read_model import FORMAT, SESSION, TABLES, Mark, ReadModelMoved, RecordRows, TableRow, Value

INDEX_FILE = "index.db"
BUSY_S = 30.0
_BESIDE = ("", "-wal", "-shm")
_OWN = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    """CREATE TABLE changes (c INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, seq INTEGER NOT NULL,
       tbl TEXT NOT NULL, key TEXT NOT NULL) STRICT""",
)


class SessionIndex:
    """The open file of one home folder; of one thread."""

    def __init__(self, root: Path) -> None:
        """Open it, or make it anew. Raises OSError."""
        self._file = root / INDEX_FILE
        with FileLock(root / f"{INDEX_FILE}.lock", thread_local=False):
            if not _is_of_this_format(self._file):
                for end in _BESIDE:
                    self._file.with_name(INDEX_FILE + end).unlink(missing_ok=True)
                _make(self._file)
            self._inode = self._file.stat().st_ino
        self._link = _connected(self._file)

    def close(self) -> None:
        """Close it."""
        self._link.close()

    def mark(self, session: str) -> Mark | None:
        """Return how far a session was written; None for one that was not."""
        with _as_os_errors():
            found = self._link.execute("SELECT value FROM meta WHERE key = ?", (_mark_key(session),)).fetchone()
        return None if found is None else Mark(*json.loads(found[0]))

    def write(self, session: str, batch: Sequence[RecordRows], before: Mark | None, after: Mark) -> None:
        """Write the rows of records in one transaction. Raises ReadModelMoved, OSError."""
        if not self._file.exists() or self._file.stat().st_ino != self._inode:
            raise ReadModelMoved(f"{self._file} was removed")
        with _as_os_errors(), self._transaction():
            if self.mark(session) != before:
                raise ReadModelMoved(f"another process writes {session}")
            for seq, rows in batch:
                for row in rows:
                    self._put(session, seq, row)
            value = json.dumps([after.seq, after.crc])
            self._link.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_mark_key(session), value))

    def _put(self, session: str, seq: int, row: TableRow) -> None:
        names = (SESSION, *row.values)
        places = ", ".join("?" * len(names))
        statement = f"INSERT OR REPLACE INTO {row.table} ({', '.join(names)}) VALUES ({places})"
        self._link.execute(statement, (session, *row.values.values()))
        key = json.dumps([row.values[name] for name in TABLES[row.table].keys])
        self._link.execute(
            "INSERT INTO changes (session_id, seq, tbl, key) VALUES (?, ?, ?, ?)", (session, seq, row.table, key)
        )

    def forget(self, session: str) -> None:
        """Remove all rows of a session; what was told of them stays in ``changes``."""
        with _as_os_errors(), self._transaction():
            for table in TABLES:
                self._link.execute(f"DELETE FROM {table} WHERE {SESSION} = ?", (session,))
            self._link.execute("DELETE FROM meta WHERE key = ?", (_mark_key(session),))

    def cut(self, session: str, seq: int, bars_from_ns: int) -> None:
        """Remove what a journal that was reduced before a record does not tell: values, and bars that open before."""
        with _as_os_errors(), self._transaction():
            self._link.execute(f"DELETE FROM value_rows WHERE {SESSION} = ? AND seq < ?", (session, seq))
            self._link.execute(f"DELETE FROM bars WHERE {SESSION} = ? AND open_ts < ?", (session, bars_from_ns))

    def prune(self, session: str, before_ns: int) -> None:
        """Remove bars and values that are older, and what ``changes`` says of them."""
        with _as_os_errors(), self._transaction():
            for table, column in (("value_rows", "ts"), ("bars", "open_ts")):
                where = f"FROM {table} WHERE {SESSION} = ?"
                self._link.execute(f"DELETE {where} AND {column} < ?", (session, before_ns))
                (least,) = self._link.execute(f"SELECT min(seq) {where}", (session,)).fetchone()
                if least is not None:
                    gone = f"DELETE FROM changes WHERE {SESSION} = ? AND tbl = ? AND seq < ?"
                    self._link.execute(gone, (session, table, least))

    def newest_values(self, session: str, before_seq: int) -> list[dict[str, Value]]:
        """Return the last value of each variant of each instance before a record."""
        text = f"""SELECT *, max(ts) FROM value_rows WHERE {SESSION} = ? AND seq < ? GROUP BY instance, key"""
        with _as_os_errors(), closing(self._link.execute(text, (session, before_seq))) as found:
            names = [column[0] for column in found.description]
            return [dict(zip(names[:-1], row[:-1], strict=True)) for row in found]

    def rows(self, table: str, session: str) -> list[dict[str, Value]]:
        """Return the rows of a table that are of a session, in the order of their keys."""
        order = ", ".join(TABLES[table].keys) if table in TABLES else "c"
        text = f"SELECT * FROM {table} WHERE {SESSION} = ? ORDER BY {order or SESSION}"
        with _as_os_errors(), closing(self._link.execute(text, (session,))) as found:
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._link.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._link.execute("COMMIT")
        finally:
            if self._link.in_transaction:
                self._link.execute("ROLLBACK")


def _mark_key(session: str) -> str:
    return f"mark {session}"


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Turn errors of SQLite, which are of the file or the disk, into OSError."""
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(f"{INDEX_FILE}: {error}") from error


def _connected(file: Path) -> sqlite3.Connection:
    with _as_os_errors():
        link = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)
        link.execute("PRAGMA journal_mode = WAL")
        link.execute("PRAGMA synchronous = NORMAL")
        return link


def _is_of_this_format(file: Path) -> bool:
    if not file.exists():
        return False
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_S)) as link:
            found: Any = link.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    except sqlite3.DatabaseError:
        return False
    return found is not None and found[0] == FORMAT


def _make(file: Path) -> None:
    link = _connected(file)
    file.chmod(0o600)
    with _as_os_errors(), closing(link):
        link.execute("BEGIN")
        for statement in _OWN:
            link.execute(statement)
        for table, shape in TABLES.items():
            columns = [f"{SESSION} TEXT NOT NULL", *(f"{name} {kind}" for name, kind in shape.columns.items())]
            link.execute(f"CREATE TABLE {table} ({', '.join(columns)}, PRIMARY KEY ({_keys(shape.keys)})) STRICT")
        link.execute("INSERT INTO meta VALUES ('format', ?), ('index_id', ?)", (FORMAT, secrets.token_hex(8)))
        link.execute("COMMIT")


def _keys(keys: tuple[str, ...]) -> str:
    return ", ".join((SESSION, *keys))
