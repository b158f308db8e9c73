"""Users, and the first of them: there are no default credentials."""

import secrets
import time
from collections.abc import Callable

from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.security.logins import SETUP_KEY, SETUP_NS, digest, made_id
from tightloop.app.api.security.roles import UserRole
from tightloop.app.api.store import GatewayStore, Row


class Users:
    """Users in a gateway's store. ``now_ns``: the time."""

    def __init__(self, store: GatewayStore, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._store, self._now_ns = store, now_ns

    def are_set_up(self) -> bool:
        """Return whether there is an administrator."""
        found = self._store.one("SELECT 1 FROM users WHERE role = ? AND NOT is_disabled", int(UserRole.ADMIN))
        return found is not None

    def offer_setup(self) -> str:
        """Return a code that makes the first administrator, once, within SETUP_NS; an earlier one is void."""
        code = secrets.token_urlsafe(24)
        self._store.set_meta(SETUP_KEY, f"{self._now_ns() + SETUP_NS} {digest(code)}")
        return code

    def set_up(self, code: str, name: str, hashed: str) -> str:
        """Make the first administrator; return the id. Raises HttpProblem."""
        with self._store.together():
            self.check_setup(code)
            self._store.set_meta(SETUP_KEY, None)
            return self.add(name, UserRole.ADMIN, hashed)

    def check_setup(self, code: str) -> None:
        """Raise HttpProblem for a code that sets nothing up."""
        ends, _, kept = (self._store.meta(SETUP_KEY) or "0 ").partition(" ")
        is_right = secrets.compare_digest(kept, digest(code))
        if self.are_set_up() or not is_right or int(ends) <= self._now_ns():
            raise HttpProblem("setup_refused", "`tightloop up` prints a link when it starts without an administrator")

    def add(self, name: str, role: UserRole, hashed: str) -> str:
        """Add a user; return the id. Raises HttpProblem if the name is taken."""
        if self.named(name) is not None:
            raise HttpProblem("conflict", f"there is a user {name!r} already")
        user_id = made_id()
        self._store.write(
            "INSERT INTO users VALUES (?, ?, ?, ?, 0, ?, 1)",
            user_id,
            name.casefold(),
            int(role),
            hashed,
            self._now_ns(),
        )
        return user_id

    def named(self, name: str) -> Row | None:
        """Return the user of a name."""
        return self._store.one("SELECT * FROM users WHERE name = ?", name.casefold())

    def user(self, user_id: str) -> Row:
        """Return the user of an id. Raises HttpProblem."""
        found = self._store.one("SELECT * FROM users WHERE id = ?", user_id)
        if found is None:
            raise HttpProblem("not_found", "there is no such user")
        return found

    def all(self) -> list[Row]:
        """Return all users by name."""
        return list(self._store.rows("SELECT * FROM users ORDER BY name"))

    def change(self, user_id: str, role: UserRole, *, is_disabled: bool, revision: int) -> None:
        """Change a user whose revision is known. Raises HttpProblem, also if no administrator would be left."""
        with self._store.together():
            statement = (
                "UPDATE users SET role = ?, is_disabled = ?, revision = revision + 1 WHERE id = ? AND revision = ?"
            )
            if not self._store.write(statement, int(role), int(is_disabled), user_id, revision):
                raise HttpProblem("changed", "the user was changed meanwhile; read it again")
            self._check_left()

    def set_password(self, user_id: str, hashed: str) -> None:
        """Keep the hash of another password."""
        self._store.write("UPDATE users SET hash = ?, revision = revision + 1 WHERE id = ?", hashed, user_id)

    def remove(self, user_id: str) -> None:
        """Remove a user with keys. Raises HttpProblem if no administrator would be left."""
        with self._store.together():
            self._store.write("DELETE FROM keys WHERE user_id = ?", user_id)
            self._store.write("DELETE FROM settings WHERE user_id = ?", user_id)
            self._store.write("DELETE FROM users WHERE id = ?", user_id)
            self._check_left()

    def _check_left(self) -> None:
        if not self.are_set_up():
            raise HttpProblem("conflict", "no administrator would be left")
