"""What the files of a live session have to say before the venue is asked anything."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from tightloop.model.errors import InputError
from tightloop.model.instruments import settle_asset_of as asset_of_symbol
from tightloop.model.signal.read import Strategy
from tightloop.ports.venue import VenueDialect

CARRY_REASON = (
    "carry is not traded live: bundles over two exchanges are not atomic, and legs, transfers and bridges would need "
    "outcomes of their own"
)


def refuse_carry(names: Sequence[Path]) -> None:
    """Refuse files of the carry family. Raises InputError."""
    for name in names:
        try:
            read = yaml.safe_load(name.read_text(encoding="utf-8-sig"))
        except (OSError, yaml.YAMLError):
            continue  # who reads the file says what is wrong with it
        if isinstance(read, dict) and {"family": None, **read}["family"] == "carry":
            raise InputError.one(str(name), None, "family", CARRY_REASON, "backtest it")


def leverages_of(strategies: Sequence[Strategy], dialect: VenueDialect) -> dict[str, int]:
    """Return the leverage of each symbol: a whole number, one a symbol. Raises InputError."""
    found: dict[str, int] = {}
    for strategy in strategies:
        sections = strategy.read.sections
        leverage = float(sections.Z1.leverage) if sections is not None else 1.0
        file, line = strategy.place(("sections", "Z1", "leverage"))
        if leverage != int(leverage) or leverage < 1.0:
            message = f"{leverage:g} is not a whole number, and venues take no other"
            raise InputError.one(file, line, "sections.Z1.leverage", message, "write a whole number")
        for instrument in strategy.instruments:
            symbol = dialect.symbol_of(str(instrument))
            if found.setdefault(symbol, int(leverage)) != int(leverage):
                message = f"{symbol} is traded with leverage {found[symbol]} by another strategy"
                raise InputError.one(file, line, "sections.Z1.leverage", message, "write the same for each symbol")
    return found


def capital_of(strategies: Sequence[Strategy]) -> float:
    """Return what the session trades with in all."""
    return sum(float(strategy.read.capital) for strategy in strategies)


def settle_asset_of(strategies: Sequence[Strategy]) -> str:
    """Return the asset that a session's instruments settle in."""
    return asset_of_symbol(strategies[0].instruments[0].symbol) or ""
