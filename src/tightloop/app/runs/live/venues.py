"""Venues by their names on the command line: which dialect, and where."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tightloop.adapters.venues._shared.calls import Hosts
from tightloop.adapters.venues._shared.http import HttpTransport, check_url
from tightloop.adapters.venues.binance_usdm import HOSTS, BinanceUsdm
from tightloop.ports.venue import VenueDialect


@dataclass(frozen=True, slots=True)
class ChosenVenue:
    """A venue to be spoken to. ``where``: for people."""

    name: str
    where: str
    dialect: VenueDialect

    def transport(self) -> HttpTransport:
        """Return connections of the running event loop."""
        return HttpTransport()

    async def close(self, transport: HttpTransport) -> None:
        """Close all connections."""
        await transport.close()


def _binance_usdm(url: str | None) -> ChosenVenue:
    hosts = HOSTS if url is None else Hosts.at(_checked(url))
    return ChosenVenue("binance-usdm", hosts.main, BinanceUsdm(hosts))


def _checked(url: str) -> str:
    """Return the base of a URL; plain http goes to this machine alone. Raises InputError."""
    check_url(url)
    return url.rstrip("/")


VENUES: Mapping[str, Callable[[str | None], ChosenVenue]] = MappingProxyType({"binance-usdm": _binance_usdm})
