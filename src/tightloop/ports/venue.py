"""What one file of ``adapters/venues`` is: a venue's language, spoken without any I/O, and what the venue can do.

A dialect turns requests into calls and bytes into reports. It keeps nothing, decides nothing, reads no clock, and never
raises for what a venue says: bytes become records of ``ports/execution.py`` and ``ports/market_data.py``, or a Failure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tightloop.ports.execution import Failure, Report, Request
from tightloop.ports.market_data import Market, PublicRequest, PublicStream, VenueLimit
from tightloop.ports.transport import HttpAnswer, HttpCall


@dataclass(frozen=True, slots=True)
class Credentials:
    """The key of an account at a venue. Its repr shows none of it."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue does for an order by itself. What it does not is the desk's.

    ``conditional_ids``: a stop is an order of its kind, asked for and canceled as such, and what its trigger sends is
    another order with an id that ``OrderReport.triggered_id`` names.
    """

    can_amend_limits: bool
    can_amend_stops: bool
    has_oco: bool
    conditional_ids: bool
    expiry_min_s: int  # a GTT order may not end sooner at the venue; 0: it has none
    client_id_max: int  # characters
    receive_window_ms: int  # after it a signed request is refused by the venue itself
    is_window_proven: bool  # False: only the venue's papers say so
    symbols_per_socket: int
    socket_age_max_s: int  # the venue closes sockets of this age
    reports_key_renewal_s: int  # how often the key of the private stream is renewed; 0: there is none
    limits: tuple[VenueLimit, ...]  # until ListInstruments says others


@dataclass(frozen=True, slots=True)
class SocketPlan:
    """A web socket to be opened, and the frames to send once it is, each with the id its answer will have.

    ``url`` of a private stream may hold its key.
    """

    name: str
    url: str = field(repr=False)
    subscriptions: tuple[tuple[int, str], ...]


class VenueDialect(Protocol):
    """One venue."""

    @property
    def name(self) -> str:
        """Name of the dialect, as ``--venue`` has it."""

    @property
    def venue(self) -> str:
        """Name of the venue in instruments."""

    @property
    def capabilities(self) -> Capabilities:
        """What the venue can do."""

    @property
    def account_parts(self) -> tuple[str, ...]:
        """What ReadAccountMode can be asked for, one call each."""

    def symbol_of(self, instrument: str) -> str:
        """Return the venue's symbol of ``venue:SYMBOL-market``. Raises InputError for what it does not trade."""

    def instrument_of(self, symbol: str) -> str:
        """Return ``venue:SYMBOL-market`` for a symbol of the venue."""

    def encode(self, request: Request | PublicRequest, now_ms: int, credentials: Credentials | None) -> HttpCall:
        """Return the call. ``now_ms``: the venue's time, which signatures carry. Public requests need no key."""

    def decode(self, request: Request | PublicRequest, answer: HttpAnswer) -> list[Report | Market] | Failure:
        """Read an answer. An empty list: it was done, and the answer says no more; reports or look-ups will."""

    def decode_frame(self, frame: bytes) -> list[Report | Market] | Failure:
        """Read a frame of any socket. An empty list: nothing in it is for us. The fill comes before its order."""

    def without_secrets(self, call: HttpCall) -> str:
        """Return the call as a line for a journal: without key and signature."""

    def market_sockets(self, kinds: Sequence[PublicStream], symbols: Sequence[str]) -> list[SocketPlan]:
        """Return the sockets that bring these streams of these symbols."""

    def reports_socket(self, key: str) -> SocketPlan:
        """Return the private socket; ``key`` is that of ReportsKey, "" where the venue has none."""

    def login_frame(self, now_ms: int, credentials: Credentials) -> tuple[int, str] | None:
        """Return the frame that signs in on the private socket and its id; None where its URL does that."""

    def probe_frame(self, frame_id: int) -> str:
        """Return a frame that the venue answers with a FrameAnswer, to see whether a socket is still there."""
