"""Venues, one per file: ``binance_usdm.py`` has class BinanceUsdm and HOSTS, and is ``--venue binance-usdm``.

Adding a file adds a venue. A dialect is loaded when it is first asked for.
"""

import importlib
from pathlib import Path

from tightloop.adapters.venues._shared.calls import Hosts
from tightloop.ports.venue import VenueDialect


def venue_names() -> list[str]:
    """Return the names of all venues with a dialect, in alphabetical order, without importing them."""
    files = (file for folder in __path__ for file in Path(folder).glob("*.py"))
    return sorted(file.stem.replace("_", "-") for file in files if file.stem[0] != "_" and file.stem != "generic_ccxt")


def load(name: str, url: str | None) -> tuple[VenueDialect, str]:
    """Import and return a dialect and where it speaks to; ``url``: of a stand-in that answers for all hosts."""
    stem = name.replace("-", "_")
    module = importlib.import_module(f"{__name__}.{stem}")
    hosts: Hosts = module.HOSTS if url is None else Hosts.at(url)
    dialect: VenueDialect = getattr(module, stem.title().replace("_", ""))(hosts)
    return dialect, hosts.main
