"""Logins: opaque tokens of 256 bits whose hashes are kept, so revoking one is deleting a row; keys of scripts.

A browser holds an access token (15 min) and a refresh token (7 d). Renewing replaces both. A refresh token that was
replaced before comes from a thief or from another tab: within GRACE_NS it is the tab, whose cookies are new already;
later it ends the login.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.security.roles import UserRole
from tightloop.app.api.store import GatewayStore, Row

SECOND = 10**9
ACCESS_NS, REFRESH_NS, GRACE_NS = 900 * SECOND, 7 * 86_400 * SECOND, 20 * SECOND
PROVED_NS, CSRF_NS, SETUP_NS = 300 * SECOND, 3_600 * SECOND, 900 * SECOND
LOGINS_MAX = 5
ACCESS, REFRESH, KEY = "tla_", "tlr_", "tlk_"
"""How tokens begin, so that whoever finds one knows what it is, and the redaction finds it in a text."""
SETUP_KEY, SECRET_KEY = "setup", "secret"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``login``: of a browser, "" for a key; ``proved_ns``: when the password was said last."""

    user: str
    name: str
    role: UserRole
    login: str
    key: str
    proved_ns: int

    @property
    def is_browser(self) -> bool:
        """Whether it came with cookies."""
        return bool(self.login)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a browser is given."""

    access: str
    refresh: str
    login: str


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def made_id() -> str:
    """Return a random id."""
    return secrets.token_hex(8)


class Logins:
    """Logins and keys in a gateway's store. ``now_ns``: the time."""

    def __init__(self, store: GatewayStore, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._store, self._now_ns = store, now_ns
        if store.meta(SECRET_KEY) is None:
            store.set_meta(SECRET_KEY, secrets.token_hex(32))
        self._secret = bytes.fromhex(str(store.meta(SECRET_KEY)))

    # Browsers

    def begin(self, user_id: str, address: str, agent: str) -> Tokens:
        """Begin a login; of a user's LOGINS_MAX the one that was used longest ago ends."""
        now_ns, login = self._now_ns(), made_id()
        with self._store.together():
            old = self._store.rows("SELECT id FROM logins WHERE user_id = ? ORDER BY used_ts DESC", user_id)
            for row in old[LOGINS_MAX - 1 :]:
                self._end(str(row["id"]))
            self._store.write(
                "INSERT INTO logins VALUES (?, ?, ?, ?, ?, ?, ?)", login, user_id, now_ns, now_ns, now_ns, address,
                agent[:200],
            )  # fmt: skip
            return self._issue(login)

    def _issue(self, login: str) -> Tokens:
        now_ns = self._now_ns()
        tokens = Tokens(ACCESS + secrets.token_urlsafe(32), REFRESH + secrets.token_urlsafe(32), login)
        for kind, token, lasts in (("access", tokens.access, ACCESS_NS), ("refresh", tokens.refresh, REFRESH_NS)):
            self._store.write(
                "INSERT INTO tokens VALUES (?, ?, ?, ?, NULL)", digest(token), login, kind, now_ns + lasts
            )
        return tokens

    def caller(self, access: str) -> Caller | None:
        """Return who holds an access token; None if it is none, too old, or its login has ended."""
        now_ns = self._now_ns()
        found = self._store.one(
            """SELECT t.replaced_ts, l.id AS login, l.proved_ts, u.id AS user, u.name, u.role FROM tokens t
               JOIN logins l ON l.id = t.login_id JOIN users u ON u.id = l.user_id
               WHERE t.hash = ? AND t.kind = 'access' AND t.expires_ts > ? AND NOT u.is_disabled""",
            digest(access), now_ns,
        )  # fmt: skip
        if found is None or (found["replaced_ts"] is not None and now_ns - found["replaced_ts"] > GRACE_NS):
            return None
        return Caller(
            found["user"], found["name"], UserRole(found["role"]), found["login"], "", int(found["proved_ts"])
        )  # fmt: skip

    def of_login(self, login: str) -> Caller | None:
        """Return who a login is of, whichever token it has; None if it has ended."""
        found = self._store.one(
            """SELECT l.proved_ts, u.id AS user, u.name, u.role FROM logins l JOIN users u ON u.id = l.user_id
               WHERE l.id = ? AND NOT u.is_disabled
               AND EXISTS (SELECT 1 FROM tokens t WHERE t.login_id = l.id AND t.expires_ts > ?)""",
            login, self._now_ns(),
        )  # fmt: skip
        if found is None:
            return None
        return Caller(found["user"], found["name"], UserRole(found["role"]), login, "", int(found["proved_ts"]))

    def renew(self, refresh: str) -> Tokens | None:
        """Replace the tokens of a login; None if another tab did so just now. Raises HttpProblem."""
        now_ns = self._now_ns()
        found = self._store.one(
            """SELECT t.* FROM tokens t JOIN logins l ON l.id = t.login_id JOIN users u ON u.id = l.user_id
               WHERE t.hash = ? AND t.kind = 'refresh' AND t.expires_ts > ? AND NOT u.is_disabled""",
            digest(refresh), now_ns,
        )  # fmt: skip
        if found is None:
            raise HttpProblem("not_signed_in", "sign in")
        login = str(found["login_id"])
        if found["replaced_ts"] is not None:
            if now_ns - found["replaced_ts"] <= GRACE_NS:
                return None
            self.end(login)
            raise HttpProblem("not_signed_in", "the login was used from two places and has ended; sign in")
        with self._store.together():
            self._store.write(
                "UPDATE tokens SET replaced_ts = ? WHERE login_id = ? AND replaced_ts IS NULL", now_ns, login
            )
            self._store.write("DELETE FROM tokens WHERE login_id = ? AND expires_ts <= ?", login, now_ns)
            self._store.write("UPDATE logins SET used_ts = ? WHERE id = ?", now_ns, login)
            return self._issue(login)

    def prove(self, login: str) -> None:
        """Keep that the password was said now."""
        self._store.write("UPDATE logins SET proved_ts = ? WHERE id = ?", self._now_ns(), login)

    def is_proved(self, caller: Caller) -> bool:
        """Return whether the password was said less than PROVED_NS ago."""
        return self._now_ns() - caller.proved_ns < PROVED_NS

    def of_user(self, user_id: str) -> list[Row]:
        """Return the logins of a user, the newest first."""
        return list(self._store.rows("SELECT * FROM logins WHERE user_id = ? ORDER BY made_ts DESC", user_id))

    def end(self, login: str, user_id: str | None = None) -> bool:
        """End a login, of a user alone if one is named; return whether there was one."""
        with self._store.together():
            found = self._store.one("SELECT user_id FROM logins WHERE id = ?", login)
            if found is None or user_id not in (None, found["user_id"]):
                return False
            self._end(login)
        return True

    def _end(self, login: str) -> None:
        self._store.write("DELETE FROM tokens WHERE login_id = ?", login)
        self._store.write("DELETE FROM logins WHERE id = ?", login)

    def end_all(self, user_id: str, *, but: str = "") -> None:
        """End all logins of a user, but one that is named."""
        with self._store.together():
            for row in self._store.rows("SELECT id FROM logins WHERE user_id = ?", user_id):
                if row["id"] != but:
                    self._end(str(row["id"]))

    # Tokens against forged requests

    def csrf(self, login: str) -> tuple[str, int]:
        """Return a token of a login for the header X-CSRF-Token, and when it ends in ns."""
        ends_ns = self._now_ns() + CSRF_NS
        return f"{ends_ns}.{self._signed(login, ends_ns)}", ends_ns

    def check_csrf(self, login: str, token: str) -> None:
        """Raise HttpProblem for a token that is missing, too old, or of another login."""
        if not token:
            raise HttpProblem("csrf_missing", f"GET /api/v1/auth/csrf gives it; it lasts {CSRF_NS // SECOND} s")
        ends, _, signed = token.partition(".")
        if not ends.isascii() or not ends.isdecimal() or len(ends) > 19:
            raise HttpProblem("csrf_invalid", "GET /api/v1/auth/csrf gives another")
        if not hmac.compare_digest(signed.encode(), self._signed(login, int(ends)).encode()):
            raise HttpProblem("csrf_invalid", "GET /api/v1/auth/csrf gives another")
        if int(ends) <= self._now_ns():
            raise HttpProblem("csrf_expired", "GET /api/v1/auth/csrf gives another")

    def _signed(self, login: str, ends_ns: int) -> str:
        return hmac.new(self._secret, f"{login}.{ends_ns}".encode(), hashlib.sha256).hexdigest()

    # Keys of scripts

    def make_key(self, user_id: str, name: str, role: UserRole) -> tuple[str, str]:
        """Make a key; return its id and the key itself, which is shown this once."""
        key_id, key = made_id(), KEY + secrets.token_urlsafe(32)
        self._store.write(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, NULL)", key_id, user_id, name, int(role), digest(key),
            self._now_ns(),
        )  # fmt: skip
        return key_id, key

    def keys(self, user_id: str) -> list[Row]:
        """Return the keys of a user, the newest first."""
        return list(self._store.rows("SELECT * FROM keys WHERE user_id = ? ORDER BY made_ts DESC", user_id))

    def end_key(self, key_id: str, user_id: str) -> bool:
        """End a key of a user; return whether there was one."""
        return self._store.write("DELETE FROM keys WHERE id = ? AND user_id = ?", key_id, user_id) > 0

    def key_caller(self, key: str) -> Caller | None:
        """Return who holds a key: its user, in the lower of both roles; None if it is none."""
        found = self._store.one(
            """SELECT k.id, k.role AS key_role, u.id AS user, u.name, u.role FROM keys k
               JOIN users u ON u.id = k.user_id WHERE k.hash = ? AND NOT u.is_disabled""",
            digest(key),
        )  # fmt: skip
        if found is None:
            return None
        self._store.write("UPDATE keys SET used_ts = ? WHERE id = ?", self._now_ns(), found["id"])
        role = UserRole(min(found["key_role"], found["role"]))
        return Caller(found["user"], found["name"], role, "", found["id"], 0)
