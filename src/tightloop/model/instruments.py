"""Instrument names, timeframes and the trading rules of ``instruments.yaml``.

A rule that the file does not state takes its default, and every default used is listed in ``defaults_used``.
Increments are never guessed: 0 means no rounding.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tightloop.core.limits import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from tightloop.model.errors import InputError, Problem
from tightloop.model.files import yaml_lines

TIMEFRAMES: Mapping[str, int] = MappingProxyType(
    {
        "1s": SECOND_NS,
        "1m": MINUTE_NS,
        "5m": 5 * MINUTE_NS,
        "15m": 15 * MINUTE_NS,
        "1h": HOUR_NS,
        "4h": 4 * HOUR_NS,
        "1d": DAY_NS,
    }
)
"""Length of each timeframe in nanoseconds."""

MARKETS = ("spot", "perp")
CALENDARS = ("always", "forex")
SETTLE_SUFFIXES = (
    "FDUSD", "TUSD", "BUSD", "USDT", "USDC", "USD", "DAI", "WBTC", "BTC", "WETH", "ETH", "EUR", "GBP", "JPY",
)  # fmt: skip
"""Known quote assets at the end of a symbol. Longer names come before their own suffixes (FDUSD before USD)."""

_VENUE = re.compile(r"[a-z0-9_]+\Z")
_SYMBOL = re.compile(r"[A-Za-z0-9_.]+\Z")


@dataclass(frozen=True, slots=True, order=True)
class InstrumentId:
    """An instrument of one venue, written ``binance:BTCUSDT-perp``. ``market`` is spot or perp."""

    venue: str
    symbol: str
    market: str

    def __str__(self) -> str:
        return f"{self.venue}:{self.symbol}-{self.market}"

    @property
    def stem(self) -> str:
        """File name of the instrument inside a venue's folder of a catalog: ``BTCUSDT-perp``."""
        return f"{self.symbol}-{self.market}"

    @classmethod
    def parse(cls, text: str) -> "InstrumentId":
        """Parse ``venue:SYMBOL-market``. Raises ValueError whose text is "fault; remedy"."""
        venue, colon, rest = text.partition(":")
        symbol, dash, market = rest.rpartition("-")
        if not colon or not dash:
            raise ValueError(f"{text!r} is not venue:SYMBOL-market; write for example binance:BTCUSDT-perp")
        if not _VENUE.match(venue):
            raise ValueError(f"{venue!r} is not a venue; use lower case letters, digits and _, for example binance")
        if not _SYMBOL.match(symbol):
            raise ValueError(f"{symbol!r} is not a symbol; use letters, digits, _ and a dot, for example BTCUSDT")
        if market not in MARKETS:
            raise ValueError(f"{market!r} is not a market; write {venue}:{symbol}-spot or {venue}:{symbol}-perp")
        return cls(venue, symbol, market)


def base_and_quote(instrument: InstrumentId) -> tuple[str, str]:
    """Split a symbol into base and quote (BTCUSDT: BTC, USDT); unknown quotes give USDT.

    A wrapped base counts as the coin itself (WETH as ETH), because both have one price.
    """
    for suffix in SETTLE_SUFFIXES:
        if instrument.symbol.endswith(suffix) and len(instrument.symbol) > len(suffix):
            base = instrument.symbol[: -len(suffix)]
            return {"WETH": "ETH", "WBTC": "BTC"}.get(base, base), suffix
    return instrument.symbol, "USDT"


@dataclass(frozen=True, slots=True)
class MarginTier:
    """Margin rules of positions up to ``notional_max`` (settle asset; infinite in the last tier).

    ``maintenance_pct``: maintenance margin in percent of the notional.
    """

    notional_max: float
    maintenance_pct: float
    leverage_max: float


@dataclass(frozen=True, slots=True)
class InstrumentRules:
    """Trading rules and fees of one instrument.

    ``price_increment``: in the settle asset, 0 for no rounding. ``lot_size``: contracts, 0 for no rounding.
    ``contract_size``: base units per contract. ``settle_asset``: None if neither the file nor the symbol tells it.
    ``taker_bps``, ``maker_bps``: of the notional, negative for a rebate. ``min_notional``: in the settle asset.
    ``qty_max``, ``market_qty_max``: contracts of the largest order, and of the largest at market; 0: none is known.
    ``margin``: whether a spot instrument can be borrowed and sold short. ``margin_tiers``: ascending, empty if unknown.
    ``defaults_used``: names of the rules that were not stated.
    """

    instrument: InstrumentId
    price_increment: float = 0.0
    lot_size: float = 0.0
    contract_size: float = 1.0
    settle_asset: str | None = None
    taker_bps: float = 10.0
    maker_bps: float = 10.0
    min_notional: float = 0.0
    qty_max: float = 0.0
    market_qty_max: float = 0.0
    calendar: str = "always"
    margin: bool = False
    margin_tiers: tuple[MarginTier, ...] = ()
    defaults_used: tuple[str, ...] = ()


RULE_NAMES = tuple(field.name for field in fields(InstrumentRules) if field.name not in ("instrument", "defaults_used"))
_BOUNDS: Mapping[str, tuple[float, float, str]] = MappingProxyType(
    {
        "price_increment": (0.0, 1e6, "write the smallest price step, or 0 for no rounding"),
        "lot_size": (0.0, 1e9, "write the smallest quantity step, or 0 for no rounding"),
        "contract_size": (1e-12, 1e12, "write the base units of one contract, 1 for most"),
        "taker_bps": (-100.0, 1_000.0, "write the fee in basis points, 10 for 0.1 %"),
        "maker_bps": (-100.0, 1_000.0, "write the fee in basis points, negative for a rebate"),
        "min_notional": (0.0, 1e12, "write an amount of the settle asset, 0 for none"),
        "qty_max": (0.0, 1e15, "write the contracts of the largest order, 0 if none is known"),
        "market_qty_max": (0.0, 1e15, "write the contracts of the largest order at market, 0 if none is known"),
    }
)
_TIER_BOUNDS: Mapping[str, tuple[float, float, str]] = MappingProxyType(
    {
        "notional_max": (1e-9, 1e18, "write the largest notional of the tier; leave it out in the last tier"),
        "maintenance_pct": (1e-6, 100.0, "write the maintenance margin in percent, for example 0.5"),
        "leverage_max": (1.0, 1_000.0, "write the largest leverage of the tier, for example 50"),
    }
)


def rules_stated_for(market: str) -> tuple[str, ...]:
    """Return the rules of a market that have a default: ``margin`` is of spot only, no largest size is assumed."""
    without = ("qty_max", "market_qty_max", *(() if market == "spot" else ("margin",)))
    return tuple(name for name in RULE_NAMES if name not in without)


def settle_asset_of(symbol: str) -> str | None:
    """Return the known quote asset that a symbol ends with (EURUSD: USD), or None."""
    upper = symbol.upper()
    return next((asset for asset in SETTLE_SUFFIXES if upper.endswith(asset) and upper != asset), None)


def default_rules(instrument: InstrumentId) -> InstrumentRules:
    """Return the rules of an instrument that no file describes; ``defaults_used`` lists all of them."""
    perp = instrument.market == "perp"
    return InstrumentRules(
        instrument,
        settle_asset=settle_asset_of(instrument.symbol),
        taker_bps=5.0 if perp else 10.0,
        maker_bps=2.0 if perp else 10.0,
        calendar="forex" if instrument.venue == "oanda" else "always",
        defaults_used=rules_stated_for(instrument.market),
    )


def read_rules(path: Path) -> Mapping[InstrumentId, InstrumentRules]:
    """Read ``instruments.yaml``. Raises InputError with every problem found."""
    data, line_of = yaml_lines.load(path)
    if data is None:
        return MappingProxyType({})
    if not isinstance(data, dict):
        remedy = "write one line per instrument, for example binance:BTCUSDT-perp: {price_increment: 0.1}"
        raise InputError.one(path, 1, "", "is not a mapping of instruments", remedy)
    problems: list[Problem] = []
    rules: dict[InstrumentId, InstrumentRules] = {}
    for name, entry in data.items():
        reader = _Entry(str(path), name, line_of, problems)
        try:
            instrument = InstrumentId.parse(name)
        except ValueError as error:
            message, _, remedy = str(error).partition("; ")
            problems.append(Problem(str(path), line_of((name,)), name, message, remedy))
            continue
        rules[instrument] = reader.rules(instrument, entry)
    if problems:
        raise InputError(*problems)
    return MappingProxyType(rules)


@dataclass(frozen=True, slots=True)
class _Entry:
    """Reads the entry of one instrument; faults are appended to ``problems``."""

    file: str
    name: str
    line_of: yaml_lines.LineOf
    problems: list[Problem]

    def rules(self, instrument: InstrumentId, entry: Any) -> InstrumentRules:
        """Return the stated rules over the defaults."""
        base = default_rules(instrument)
        if entry is None:
            return base
        if not isinstance(entry, dict):
            self._refuse((), "is not a mapping of rules", "write {price_increment: 0.1, lot_size: 0.001}")
            return base
        stated: dict[str, Any] = {}
        for key, value in entry.items():
            if key not in RULE_NAMES:
                remedy = f"use one of {', '.join(RULE_NAMES)}"
                self._refuse((key,), "is not an instrument rule", remedy)
                continue
            read = self._value(instrument, key, value)
            if read is not None:
                stated[key] = read
        left = tuple(name for name in rules_stated_for(instrument.market) if name not in stated)
        return replace(base, **stated, defaults_used=left)

    def _value(self, instrument: InstrumentId, key: str, value: Any) -> Any:
        if key in _BOUNDS:
            return self._number((key,), value, _BOUNDS[key])
        if key == "margin_tiers":
            return self._tiers(value)
        if key == "calendar":
            if value in CALENDARS:
                return value
            return self._refuse((key,), f"{value!r} is not a calendar", f"write {' or '.join(CALENDARS)}")
        if key == "margin":
            if not isinstance(value, bool):
                return self._refuse((key,), f"{value!r} is neither true nor false", "write true or false")
            if instrument.market != "spot":
                return self._refuse((key,), "applies to spot only", "remove it: a perp can be sold short")
            return value
        if isinstance(value, str) and value.isalnum():
            return value
        return self._refuse((key,), f"{value!r} is not an asset", "write its ticker, for example USDT")

    def _number(self, path: tuple[str | int, ...], value: Any, bound: tuple[float, float, str]) -> float | None:
        low, high, remedy = bound
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(path, f"{value!r} is not a number", remedy)
            return None
        if not low <= value <= high:
            self._refuse(path, f"{value:g} is not between {low:g} and {high:g}", remedy)
            return None
        return float(value)

    def _tiers(self, value: Any) -> tuple[MarginTier, ...] | None:
        example = "write [{notional_max: 50000, maintenance_pct: 0.4, leverage_max: 125}, ...]"
        if not isinstance(value, list) or not value:
            self._refuse(("margin_tiers",), "is not a list of tiers", example)
            return None
        count = len(self.problems)
        tiers = [self._tier(index, item, index == len(value) - 1) for index, item in enumerate(value)]
        if len(self.problems) > count:
            return None
        for index in range(1, len(tiers)):
            if tiers[index].notional_max <= tiers[index - 1].notional_max:
                path = ("margin_tiers", index, "notional_max")
                self._refuse(path, "is not above the previous tier", "order the tiers by notional_max")
        return tuple(tiers)

    def _tier(self, index: int, item: Any, last: bool) -> MarginTier:
        path = ("margin_tiers", index)
        nothing = MarginTier(math.inf, 100.0, 1.0)
        if not isinstance(item, dict):
            self._refuse(
                path, "is not a mapping", "write {notional_max: 50000, maintenance_pct: 0.4, leverage_max: 125}"
            )
            return nothing
        for key in item:
            if key not in _TIER_BOUNDS:
                self._refuse((*path, key), "is not a rule of margin tiers", f"use one of {', '.join(_TIER_BOUNDS)}")
        read: dict[str, float] = {"notional_max": math.inf} if last and "notional_max" not in item else {}
        for key, bound in _TIER_BOUNDS.items():
            if key in item:
                number = self._number((*path, key), item[key], bound)
                read[key] = bound[1] if number is None else number
            elif key not in read:
                self._refuse(path, f"lacks {key}", bound[2])
                read[key] = bound[1]
        if read["maintenance_pct"] * read["leverage_max"] >= 100.0 and len(item) == len(_TIER_BOUNDS):
            message = f"with leverage {read['leverage_max']:g} a position would be liquidated at once"
            self._refuse((*path, "maintenance_pct"), message, "write less than 100 / leverage_max")
        return MarginTier(read["notional_max"], read["maintenance_pct"], read["leverage_max"])

    def _refuse(self, path: tuple[str | int, ...], message: str, remedy: str) -> None:
        full = (self.name, *path)
        field = ".".join(str(part) for part in full)
        self.problems.append(Problem(self.file, self.line_of(full), field, message, remedy))
