"""Venues by their names on the command line: which dialect, and where; and what is traded there."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tightloop.adapters import venues
from tightloop.adapters.venues import generic_ccxt
from tightloop.adapters.venues._shared.urls import check_url
from tightloop.model.errors import InputError, TightloopError
from tightloop.ports.market_data import ListedInstrument, ListInstruments
from tightloop.ports.transport import NoAnswer, NotSent, SocketClosed, Transport
from tightloop.ports.venue import VenueDialect
from tightloop.runtime.session.market.feed import MarketFeed, VenueRefused
from tightloop.runtime.session.market.intake import Intake

T = TypeVar("T")
VENUE_TRIES, VENUE_WAIT_S = 8, 1.0
KEY_TRIES = 3
"""How often in a row a key has to be refused: venues refuse a good one now and then, and there may be positions."""
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
    carrier: Callable[[], AbstractAsyncContextManager[Transport]] | None = None
    """What carries its calls, where it is not the machine's network. Such a venue has market data alone."""


def chosen(name: str, url: str | None) -> ChosenVenue:
    """Return the venue of a name; plain http goes to this machine alone. Raises InputError."""
    if url is not None:
        check_url(url)
    if name.startswith(generic_ccxt.PREFIX):
        exchange = name.removeprefix(generic_ccxt.PREFIX)
        opened = partial(generic_ccxt.opened, exchange, url)
        return ChosenVenue(name, url or f"{exchange} by ccxt", generic_ccxt.GenericCcxt(exchange), opened)
    names = venues.venue_names()
    if name not in names:
        remedy = f"write one of {', '.join(names)}; for paper also {generic_ccxt.PREFIX}EXCHANGE, any that ccxt has"
        raise InputError.one("command line", None, "--venue", f"{name!r} is not a venue", remedy)
    dialect, where = venues.load(name, url)
    return ChosenVenue(name, where, dialect)


async def listed(venue: ChosenVenue, transport: Transport, now_ns: Callable[[], int]) -> list[ListedInstrument]:
    """Ask a venue what may be traded there; raises VenueUnreachable."""
    feed = MarketFeed(venue.dialect, transport, now_ns, Intake(now_ns, 0, 1), {})
    found = await patiently(lambda: feed.ask(ListInstruments()), f"{venue.where} does not say what is traded there")
    return [row for row in found if isinstance(row, ListedInstrument)]


async def patiently(ask: Callable[[], Awaitable[T]], otherwise: str) -> T:
    """Ask until there is an answer: a session that starts again may have positions. Raises VenueUnreachable."""
    refused = 0
    for at in range(VENUE_TRIES):
        try:
            return await ask()
        except TROUBLE as error:
            refused = refused + 1 if isinstance(error, VenueRefused) and error.is_final else 0
            if at == VENUE_TRIES - 1 or refused == KEY_TRIES:
                raise VenueUnreachable(f"{otherwise}: {error}") from error
            await asyncio.sleep(VENUE_WAIT_S)
    raise AssertionError("the last try returned or raised")
