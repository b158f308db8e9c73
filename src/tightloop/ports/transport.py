"""The network, as adapters of venues describe what they want of it: HTTP calls and web sockets as plain records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol


class Lane(IntEnum):
    """Which queue a call waits in, by urgency; a venue's budget keeps a part for the first alone."""

    EXIT = 0  # exits, and look-ups of orders whose outcome is unknown
    CANCEL = 1
    ENTRY = 2
    QUERY = 3


@dataclass(frozen=True, slots=True, repr=False)
class HttpCall:
    """One request, ready to be sent. ``weight``: what it takes of the venue's budget.

    Its repr has neither query, headers nor body: keys and signatures are in them.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    lane: Lane = Lane.QUERY
    weight: int = 1
    order_count: int = 0  # orders it counts as, where a venue limits these apart

    def __repr__(self) -> str:
        return f"HttpCall({self.method} {self.url.partition('?')[0]}, {self.lane.name}, weight {self.weight})"


@dataclass(frozen=True, slots=True, repr=False)
class HttpAnswer:
    """A whole answer. Names of headers are in lower case. Its repr has no body: keys may be in it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"HttpAnswer(status {self.status}, {len(self.body)} bytes)"


class NotSent(Exception):
    """Nothing of the call left this machine: the venue cannot have seen it."""


class NoAnswer(Exception):
    """The call left, or may have, and no whole answer came: whether it was executed is unknown."""


class SocketClosed(Exception):
    """The connection is gone; the text says what is known of why."""


class Socket(Protocol):
    """One web socket. Pings of the venue are answered below this."""

    async def send(self, text: str) -> None:
        """Send a frame. Raises SocketClosed."""

    async def receive(self) -> bytes:
        """Return the next frame. Raises SocketClosed."""

    async def close(self) -> None:
        """Close the connection; harmless when it is gone."""


class Transport(Protocol):
    """What carries calls and sockets."""

    async def call(self, call: HttpCall, timeout_s: float) -> HttpAnswer:
        """Send a call and return its answer, of any status. Raises NotSent or NoAnswer."""

    async def open_socket(self, url: str) -> Socket:
        """Open a web socket. Raises SocketClosed when it cannot be opened."""
