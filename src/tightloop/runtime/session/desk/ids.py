"""Names of orders at a venue, and keys of fills.

A client id is 25 characters of [0-9a-z], which fits the limits of all venues (32 at the strictest):

    tl | 6 of the session (base32 of a hash) | 3 epoch (base36) | 13 number (base36) | 1 attempt (base36)

``number`` is the id of the core's order plus 2**63 for every 36 attempts: 13 digits of base 36 hold 18 times 2**63, so
an order has up to 648 attempts, each with an id of its own. An epoch is one life of a process: what it sends is never
named as anything that an earlier life sent. An id tells whose it is: ours is one of our prefix and session.
"""

import base64
import hashlib
from dataclasses import dataclass

PREFIX = "tl"
SESSION_CHARS = 6
EPOCH_CHARS = 3
NUMBER_CHARS = 13
CLIENT_ID_CHARS = 25
EPOCH_MAX = 36**EPOCH_CHARS - 1  # 46,655
ATTEMPTS_PER_NUMBER = 36
_NUMBERS = 2**63
ATTEMPTS_MAX = ATTEMPTS_PER_NUMBER * (36**NUMBER_CHARS // _NUMBERS)  # 648
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _base36(number: int, width: int) -> str:
    """Write a number in base 36 with leading zeros."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    assert len(digits) <= width, "a number fits its field"
    return digits.rjust(width, "0")


def session_code(session_id: str) -> str:
    """Return the 6 characters that stand for a session in its client ids."""
    digest = hashlib.blake2b(session_id.encode(), digest_size=5).digest()
    return base64.b32encode(digest).decode().lower()[:SESSION_CHARS]


@dataclass(frozen=True, slots=True)
class ClientId:
    """What a client id says. ``attempt`` counts from 0."""

    session: str
    epoch: int
    order_id: int
    attempt: int

    @property
    def text(self) -> str:
        """The 25 characters."""
        assert len(self.session) == SESSION_CHARS, "a session code has 6 characters"
        assert 0 <= self.epoch <= EPOCH_MAX, "EPOCH_MAX: then a session is ended and a new one begun"
        assert 0 < self.order_id < _NUMBERS, "an order has an id"
        assert 0 <= self.attempt < ATTEMPTS_MAX, "ATTEMPTS_MAX: more attempts of an order than ids"
        hundreds, last = divmod(self.attempt, ATTEMPTS_PER_NUMBER)
        number = _base36(self.order_id + hundreds * _NUMBERS, NUMBER_CHARS)
        return PREFIX + self.session + _base36(self.epoch, EPOCH_CHARS) + number + _DIGITS[last]


def decode(client_id: str) -> ClientId | None:
    """Return what a client id says; None if it is not of this format, so not of this product."""
    if len(client_id) != CLIENT_ID_CHARS or not client_id.startswith(PREFIX):
        return None
    if any(char not in _DIGITS for char in client_id):
        return None
    session, rest = client_id[2 : 2 + SESSION_CHARS], client_id[2 + SESSION_CHARS :]
    hundreds, order_id = divmod(int(rest[EPOCH_CHARS:-1], 36), _NUMBERS)
    if order_id == 0 or hundreds * ATTEMPTS_PER_NUMBER >= ATTEMPTS_MAX:
        return None
    attempt = hundreds * ATTEMPTS_PER_NUMBER + int(rest[-1], 36)
    return ClientId(session, int(rest[:EPOCH_CHARS], 36), order_id, attempt)


def is_ours(client_id: str, session: str) -> bool:
    """Return whether an id is one of our prefix and of the session with this code."""
    decoded = decode(client_id)
    return decoded is not None and decoded.session == session


def fill_key(venue: str, account: str, symbol: str, trade_id: str) -> int:
    """Return 63 bits that name a fill, above 0: of blake2b over venue, account, symbol and trade id; 0: no id.

    A venue counts trades by symbol, so two symbols may have trades of one id. ``symbol`` "": of what is of no symbol.
    """
    if not trade_id:
        return 0
    digest = hashlib.blake2b(f"{venue}\x1f{account}\x1f{symbol}\x1f{trade_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 1) or 1
