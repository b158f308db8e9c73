"""``gateway.db``: what belongs to the gateway alone: users, logins, repeats of requests, audit, acknowledgements.

Nothing of a session is in it: who deletes it loses accounts of people, not orders.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

GATEWAY_FILE = "gateway.db"
BUSY_S = 10.0
Row = sqlite3.Row

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, role INTEGER NOT NULL,
    hash TEXT NOT NULL, is_disabled INTEGER NOT NULL DEFAULT 0, made_ts INTEGER NOT NULL,
    revision INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS logins (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, made_ts INTEGER NOT NULL,
    used_ts INTEGER NOT NULL, proved_ts INTEGER NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tokens (hash TEXT PRIMARY KEY, login_id TEXT NOT NULL, kind TEXT NOT NULL,
    expires_ts INTEGER NOT NULL, replaced_ts INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS tokens_of_login ON tokens (login_id);
CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, name TEXT NOT NULL, role INTEGER NOT NULL,
    hash TEXT NOT NULL UNIQUE, made_ts INTEGER NOT NULL, used_ts INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS repeats (who TEXT NOT NULL, key TEXT NOT NULL, route TEXT NOT NULL, body TEXT NOT NULL,
    ts INTEGER NOT NULL, status INTEGER, answer BLOB, PRIMARY KEY (who, key)) STRICT;
CREATE TABLE IF NOT EXISTS audit (n INTEGER PRIMARY KEY AUTOINCREMENT, ts INTEGER NOT NULL, row TEXT NOT NULL,
    hash TEXT NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_is_not_shortened BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TABLE IF NOT EXISTS acknowledged (session_id TEXT NOT NULL, seq INTEGER NOT NULL, n INTEGER NOT NULL,
    who TEXT NOT NULL, ts INTEGER NOT NULL, PRIMARY KEY (session_id, seq, n)) STRICT;
CREATE TABLE IF NOT EXISTS settings (user_id TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;
"""


class GatewayStore:
    """The open file of a home folder; of one thread."""

    def __init__(self, root: Path) -> None:
        """Open it, or make it, readable by its user alone. Raises OSError."""
        file = root / GATEWAY_FILE
        file.touch(mode=0o600)
        try:
            self._link = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)
            self._link.row_factory = sqlite3.Row
            self._link.execute("PRAGMA journal_mode = WAL")
            self._link.execute("PRAGMA synchronous = NORMAL")
            self._link.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise OSError(f"{file}: {error}") from error

    def close(self) -> None:
        """Close it."""
        self._link.close()

    def one(self, statement: str, *values: Any) -> Row | None:
        """Return the first row of a query."""
        found: Row | None = self._link.execute(statement, values).fetchone()
        return found

    def rows(self, statement: str, *values: Any) -> Sequence[Row]:
        """Return the rows of a query."""
        return self._link.execute(statement, values).fetchall()

    def write(self, statement: str, *values: Any) -> int:
        """Change rows; return how many."""
        return self._link.execute(statement, values).rowcount

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write all or nothing of what is written inside."""
        self._link.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._link.execute("ROLLBACK")
            raise
        self._link.execute("COMMIT")

    def meta(self, key: str) -> str | None:
        """Return a value kept under a name."""
        found = self.one("SELECT value FROM meta WHERE key = ?", key)
        return None if found is None else str(found["value"])

    def set_meta(self, key: str, value: str | None) -> None:
        """Keep a value under a name; None removes it."""
        if value is None:
            self.write("DELETE FROM meta WHERE key = ?", key)
        else:
            self.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)
