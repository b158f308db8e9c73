"""What a server or a simulation needs of a twin, whatever wire it speaks."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tightloop.app.sandbox.engine import Exchange
from tightloop.app.sandbox.faults import Armed, Faults
from tightloop.ports.transport import HttpAnswer


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request that arrived; parameters without the signature."""

    ts_ns: int
    method: str
    path: str
    params: dict[str, str]
    status: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A text for a socket. ``feed``: what ``open`` returned for it."""

    feed: Hashable
    text: str


class Sockets(Protocol):
    """All sockets of a twin, without a network."""

    def open(self, path: str, query: str) -> Hashable | None:
        """Open a socket and return what names it; None if there is nothing at the path."""

    def close(self, feed: Hashable) -> None:
        """Forget a socket."""

    def receive(self, feed: Hashable, text: str) -> str:
        """Take a frame of the client and return the answer."""

    def frames(self) -> list[Frame]:
        """Return what happened since the last call as frames, in order."""


class Dialect(Protocol):
    """A venue's wire over an exchange."""

    exchange: Exchange
    faults: Faults
    request_count: int

    @property
    def requests(self) -> Sequence[Arrived]:
        """The last requests."""

    def respond(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, now_ns: int
    ) -> HttpAnswer:
        """Answer a request as it arrives at ``now_ns``."""

    def sockets(self) -> Sockets:
        """Return the sockets of the venue, none of them open."""

    def strikes(self, kind: str, *, call: str = "", symbol: str | None = None, is_usual: bool = True) -> Armed | None:
        """Return the fault of a kind that strikes now; None if none does."""
