"""Venues by their names on the command line: which dialect, and where; and what is traded there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from tightloop.adapters.venues._shared.calls import Hosts
from tightloop.adapters.venues._shared.http import check_url
from tightloop.adapters.venues.binance_usdm import HOSTS, BinanceUsdm
from tightloop.model.errors import TightloopError
from tightloop.ports.market_data import ListedInstrument, ListInstruments
from tightloop.ports.transport import NoAnswer, NotSent, SocketClosed, Transport
from tightloop.ports.venue import VenueDialect
from tightloop.runtime.session.market.feed import MarketFeed, VenueRefused
from tightloop.runtime.session.market.intake import Intake

T = TypeVar("T")
VENUE_TRIES, VENUE_WAIT_S = 8, 1.0
REFUSED = 4
"""Exit code: the venue refuses, or is not there."""
TROUBLE = (SocketClosed, NotSent, NoAnswer, OSError, TimeoutError)
"""What is wrong outside: a task that ends of it begins again, anything else is a bug and ends the session."""


class VenueUnreachable(TightloopError):
    """The venue does not answer, or not as it should."""

    exit_code = REFUSED


@dataclass(frozen=True, slots=True)
class ChosenVenue:
    """A venue to be spoken to. ``where``: for people."""

    name: str
    where: str
    dialect: VenueDialect


def _binance_usdm(url: str | None) -> ChosenVenue:
    hosts = HOSTS if url is None else Hosts.at(_checked(url))
    return ChosenVenue("binance-usdm", hosts.main, BinanceUsdm(hosts))


def _checked(url: str) -> str:
    """Return the base of a URL; plain http goes to this machine alone. Raises InputError."""
    check_url(url)
    return url.rstrip("/")


VENUES: Mapping[str, Callable[[str | None], ChosenVenue]] = MappingProxyType({"binance-usdm": _binance_usdm})


async def listed(venue: ChosenVenue, transport: Transport, now_ns: Callable[[], int]) -> list[ListedInstrument]:
    """Ask a venue what may be traded there; raises VenueUnreachable."""
    feed = MarketFeed(venue.dialect, transport, now_ns, Intake(now_ns, 0, 1), {})
    found = await patiently(lambda: feed.ask(ListInstruments()), f"{venue.where} does not say what is traded there")
    return [row for row in found if isinstance(row, ListedInstrument)]


async def patiently(ask: Callable[[], Awaitable[T]], otherwise: str) -> T:
    """Ask until there is an answer: a session that starts again may have positions. Raises VenueUnreachable."""
    for at in range(VENUE_TRIES):
        try:
            return await ask()
        except TROUBLE as error:
            if at == VENUE_TRIES - 1 or (isinstance(error, VenueRefused) and error.is_final):
                raise VenueUnreachable(f"{otherwise}: {error}") from error
            await asyncio.sleep(VENUE_WAIT_S)
    raise AssertionError("the last try returned or raised")
