"""The audit: who did what, when, from where, and what came of it. Each row has the hash of the one before."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tightloop.app.api.security.redaction import Redaction
from tightloop.app.api.store import GatewayStore

BEGIN = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One act. ``what``: method and route; ``before``, ``after``: what it changed, as far as the route says."""

    who: str
    address: str
    what: str
    target: str
    status: int
    problem: str
    request_id: str
    before: Any = None
    after: Any = None


class Audit:
    """The audit in a gateway's store."""

    def __init__(self, store: GatewayStore, redaction: Redaction, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._store, self._redaction, self._now_ns = store, redaction, now_ns

    def write(self, row: AuditRow) -> None:
        """Append a row."""
        text = json.dumps(self._redaction.tree(asdict(row)), sort_keys=True)
        with self._store.together():
            last = self._store.one("SELECT hash FROM audit ORDER BY n DESC LIMIT 1")
            ts = self._now_ns()
            found = chained(BEGIN if last is None else str(last["hash"]), ts, text)
            self._store.write("INSERT INTO audit (ts, row, hash) VALUES (?, ?, ?)", ts, text, found)

    def rows(self, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Return rows, the newest first, from before the row of a number."""
        found = self._store.rows(
            "SELECT n, ts, row FROM audit WHERE n < ? ORDER BY n DESC LIMIT ?", before or 1 << 62, limit
        )
        return [{"n": row["n"], "ts": str(row["ts"]), **json.loads(row["row"])} for row in found]

    def first_broken(self) -> int | None:
        """Return the number of the first row that is not what was written; None if all are."""
        before = BEGIN
        for row in self._store.rows("SELECT n, ts, row, hash FROM audit ORDER BY n"):
            before = chained(before, row["ts"], row["row"])
            if before != row["hash"]:
                return int(row["n"])
        return None


def chained(before: str, ts: int, text: str) -> str:
    """Return the hash of a row after another."""
    return hashlib.sha256(f"{before} {ts} {text}".encode()).hexdigest()
