"""The audit: who did what, when, from where, and what came of it. Each row has the hash of the one before."""

import hashlib
import json
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from tightloop.app.api.security.redaction import Redaction
from tightloop.app.api.store import GatewayStore

BEGIN = "0" * 64
TARGET_CHARACTERS_MAX, ATTEMPTS_MAX = 200, 60
COUNTED_NS = 60 * 10**9
"""How often what is only counted becomes a row, at most."""


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
        self._counted: Counter[tuple[str, str]] = Counter()
        self._last_counted: AuditRow | None = None
        self._told_ns: int | None = None
        self._attempts_ns: deque[int] = deque(maxlen=ATTEMPTS_MAX)

    def count(self, row: AuditRow) -> None:
        """Count what anybody may have refused as often as they like: the disk is that of the journals, too."""
        self._counted[row.what, row.problem] += 1
        self._last_counted = row
        self._tell_counted()

    def attempt(self, row: AuditRow) -> None:
        """Append an attempt at a password or a code; of more than ATTEMPTS_MAX a minute the rest is counted."""
        now_ns, seen = self._now_ns(), self._attempts_ns
        if len(seen) == ATTEMPTS_MAX and 0 <= now_ns - seen[0] < COUNTED_NS:
            self.count(row)
            return
        seen.append(now_ns)
        self.write(row)

    def _tell_counted(self) -> None:
        """Append one row for all that was counted since the last such row, if that is long enough ago."""
        last, now_ns = self._last_counted, self._now_ns()
        if last is None or (self._told_ns is not None and 0 <= now_ns - self._told_ns < COUNTED_NS):
            return
        if (count := self._counted.total()) > 1:
            counts = [
                {"what": what, "problem": problem, "count": number}
                for (what, problem), number in sorted(self._counted.items())
            ]
            last = replace(last, what=f"{count} refused requests, the last: {last.what}", after={"refused": counts})
        self._told_ns, self._last_counted = now_ns, None
        self._counted.clear()
        self._append(last)

    def write(self, row: AuditRow) -> None:
        """Append a row."""
        self._tell_counted()
        self._append(row)

    def _append(self, row: AuditRow) -> None:
        row = replace(row, target=row.target[:TARGET_CHARACTERS_MAX])
        text = json.dumps(self._redaction.tree(asdict(row)), sort_keys=True)
        with self._store.together():
            last = self._store.one("SELECT hash FROM audit ORDER BY n DESC LIMIT 1")
            ts = self._now_ns()
            found = chained(BEGIN if last is None else str(last["hash"]), ts, text)
            self._store.write("INSERT INTO audit (ts, row, hash) VALUES (?, ?, ?)", ts, text, found)

    def rows(self, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Return rows, the newest first, from before the row of a number."""
        self._tell_counted()
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
