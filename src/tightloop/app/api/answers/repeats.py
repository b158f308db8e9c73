"""Repeats of requests: the same Idempotency-Key gives the first answer, for a day."""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.store import GatewayStore

KEEP_NS = 86_400 * 10**9
_KEY = re.compile(r"[A-Za-z0-9_.:-]{8,80}")


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What a request was answered the first time."""

    status: int
    body: bytes


class Repeats:
    """Keeps answers in a gateway's store, by who asked and the key."""

    def __init__(self, store: GatewayStore, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._store, self._now_ns = store, now_ns
        store.write("DELETE FROM repeats WHERE status IS NULL")  # of a gateway that ended before it answered

    def begin(self, who: str, key: str, route: str, body: bytes) -> FirstAnswer | None:
        """Keep that a request has begun; return the answer if it was given before. Raises HttpProblem."""
        if not key:
            raise HttpProblem("idempotency_key_missing", "write a random one, and the same one when you ask again")
        if _KEY.fullmatch(key) is None:
            raise HttpProblem("malformed_request", "Idempotency-Key has 8 to 80 letters, digits or one of _.:-")
        now_ns, found = self._now_ns(), hashlib.sha256(body).hexdigest()
        with self._store.together():
            self._store.write("DELETE FROM repeats WHERE ts < ?", now_ns - KEEP_NS)
            row = self._store.one("SELECT * FROM repeats WHERE who = ? AND key = ?", who, key)
            if row is None:
                self._store.write(
                    "INSERT INTO repeats VALUES (?, ?, ?, ?, ?, NULL, NULL)", who, key, route, found, now_ns
                )
                return None
        if (row["route"], row["body"]) != (route, found):
            raise HttpProblem("idempotency_conflict", "take another one for another request")
        if row["status"] is None:
            raise HttpProblem("in_progress", "ask again in a second")
        return FirstAnswer(int(row["status"]), bytes(row["answer"]))

    def end(self, who: str, key: str, status: int, body: bytes) -> None:
        """Keep an answer. What was never done, or may be done later, is forgotten: the next request is the first."""
        if status in (401, 403, 429) or status >= 500:
            self._store.write("DELETE FROM repeats WHERE who = ? AND key = ?", who, key)
        else:
            statement = "UPDATE repeats SET status = ?, answer = ? WHERE who = ? AND key = ?"
            self._store.write(statement, status, body, who, key)
