"""Passwords: argon2id, off the event loop, at most two at once; a name that does not exist costs as much as any."""

import asyncio
from functools import cached_property
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tightloop.app.api.answers.problems import HttpProblem

LENGTH_MIN, LENGTH_MAX = 12, 200
DISTINCT_MIN = 5
LANES, AT_ONCE = 4, 2
_COMMON = Path(__file__).with_name("common_passwords.txt")


def check_strength(password: str, name: str) -> None:
    """Raise HttpProblem for a password that is guessed soon."""
    plain = password.casefold()
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        why = f"it has {len(password)} characters; write {LENGTH_MIN} to {LENGTH_MAX}"
    elif len(set(plain)) < DISTINCT_MIN:
        why = "it repeats few characters"
    elif plain in _common() or plain.strip("0123456789!?.") in _common():
        why = "it is among those that are tried first"
    elif len(name) > 2 and name.casefold() in plain:
        why = "it has the name in it"
    else:
        return
    raise HttpProblem("weak_password", why)


def _common() -> frozenset[str]:
    return frozenset(_COMMON.read_text(encoding="ascii").split())


class Passwords:
    """Hashes and verifies. ``memory_kib``, ``rounds``: cost of one."""

    def __init__(self, memory_kib: int, rounds: int) -> None:
        self._hasher = PasswordHasher(time_cost=rounds, memory_cost=memory_kib, parallelism=LANES)
        self._room = asyncio.Semaphore(AT_ONCE)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("of nobody")

    def hashed(self, password: str) -> str:
        """Return the hash of a password, for the setup of a home without an event loop."""
        return self._hasher.hash(password)

    async def hash(self, password: str) -> str:
        """Return the hash of a password."""
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, found: str | None, password: str) -> bool:
        """Return whether a password is that of a hash; None, of a name that does not exist, takes as long."""
        async with self._room:
            return await asyncio.to_thread(self._verified, found, password)

    def _verified(self, found: str | None, password: str) -> bool:
        try:
            self._hasher.verify(found or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return False
        return found is not None
