"""Reads a carry strategy file: merges layers, inserts parameters, resolves legs, or reports all faults at once."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from tightloop.model.carry import consistency as carry_consistency
from tightloop.model.carry.consistency import Book
from tightloop.model.carry.flows import read_flows
from tightloop.model.carry.layers import Layers, resolve_references
from tightloop.model.carry.legs import PER_BPS, Legs, read_legs
from tightloop.model.carry.schema import BY_SIZE, EXAMPLES, OF_VENUE, REMEDIES, CarryKeys, StopsKeys
from tightloop.model.carry.strategy import (
    Bands,
    CarryStrategy,
    Costs,
    Gas,
    Leg,
    Legacy,
    Marks,
    ShareClass,
    Stops,
    VenueRules,
)
from tightloop.model.carry.venues import VenueKeys, packaged
from tightloop.model.errors import InputError, Problem
from tightloop.model.files import diagnostics, yaml_lines
from tightloop.model.files.diagnostics import dotted, value_at
from tightloop.model.files.fields import plain
from tightloop.model.files.overrides import Setting, joined, write_settings
from tightloop.model.files.yaml_lines import LineOf
from tightloop.model.instruments import base_and_quote

FAMILY = "carry"
DEFAULT_STOPS = (StopsKeys().daily_loss_pct, StopsKeys().max_drawdown_pct)
STAND_INS: Mapping[str, Any] = {
    "name": "unnamed", "family": FAMILY, "share_class": "USDT", "capital": 100_000.0, "legs": {"none": {}},
}  # fmt: skip
"""Values that replace missing or refused ones, so that the rest of the file can be checked."""


def load(path: Path, *, settings: Sequence[Setting] = ()) -> CarryStrategy:
    """Read a strategy file with ``settings`` (``path=value``) written over it. Raises InputError with every problem."""
    written, line_of = yaml_lines.load(path)
    return read(written, line_of, str(path), path.read_text(encoding="utf-8-sig"), settings=settings)


def loads(yaml_text: str, name: str = "<strategy>", *, settings: Sequence[Setting] = ()) -> CarryStrategy:
    """Parse the text of a strategy file; other files are looked up relative to ``name``."""
    written, line_of = yaml_lines.load(yaml_text, name)
    return read(written, line_of, name, yaml_text, settings=settings)


def read(written: Any, line_of: LineOf, file: str, raw: str, *, settings: Sequence[Setting] = ()) -> CarryStrategy:
    """Validate parsed YAML and resolve its names. Raises InputError with every problem."""
    reader = CarryReader(Layers(written, line_of, file), settings)
    if reader.problems:
        raise InputError(*sorted(reader.problems, key=lambda problem: (problem.file, problem.line or 0)))
    return reader.strategy(file, raw)


class CarryReader:
    """Reads the whole file; ``problems`` is complete after construction."""

    def __init__(self, layers: Layers, settings: Sequence[Setting]) -> None:
        self.layers, self.place = layers, layers.origins.place
        self.problems: list[Problem] = []
        self.refused: set[str] = set()
        written = layers.written
        try:
            layers.settings += write_settings(written, settings, layers.origins)
        except InputError as error:
            self.problems += error.problems
        self._refuse_foreign(written)
        resolve_references(written, layers.origins, self.problems)
        self.keys = self._keys(written)
        is_judged = "legs" not in self.refused
        self.legs = self._legs() if is_judged else Legs({}, {""})
        self.flows = read_flows(self.keys.flows, self.place, self.problems, self._kept)
        self.share = self._share()
        self.venues = self._venues()
        self.book = Book(self.keys, self.legs, self.share, self.venues, self._refuse)
        if "share_class" not in self.refused:
            carry_consistency.check(self.book)
        self.marks = carry_consistency.prices(self.book) if not self.refused & {"share_class", "marks"} else Marks()
        self.costs = self._costs()
        self.legacy = self._legacy()
        self._warn_of_flows()

    def _kept(self, name: str, text: str) -> None:
        self.layers.beside.append((name, text))

    def _refuse(self, path: diagnostics.Path, message: str, remedy: str) -> None:
        file, line = self.place(path)
        field = dotted(path)
        if not any(f"{field}.".startswith(f"{told.field}.") for told in self.problems if told.field):
            self.problems.append(Problem(file, line, field, message, remedy))

    def _refuse_foreign(self, written: dict[str, Any]) -> None:
        """Refuse keys of other strategy families, and keys that an option cannot set."""
        for key in [key for key in written if key in REMEDIES]:
            self._refuse((key,), "is not a key of a carry strategy", REMEDIES[key])
            del written[key]
        if "extends" in written:
            self._refuse(("extends",), "cannot be set by an option", "write it into the file")
            del written["extends"]

    def _keys(self, written: dict[str, Any]) -> CarryKeys:
        """Validate the shape of the file, with stand-ins for refused values."""
        try:
            return CarryKeys.model_validate(written)
        except ValidationError as error:
            told = {problem.field for problem in self.problems}
            problems = diagnostics.problems_of(error, CarryKeys, written, self.place, examples=EXAMPLES)
            self.problems += [problem for problem in problems if problem.field not in told]
            self.refused = {str(item["loc"][0]) for item in error.errors(include_url=False)}
        known = {model_field.alias or name for name, model_field in CarryKeys.model_fields.items()}
        rest = {key: value for key, value in written.items() if key in known and key not in self.refused}
        rest |= {key: value for key, value in STAND_INS.items() if key not in rest}
        return CarryKeys.model_validate(rest)

    def _legs(self) -> Legs:
        """Read the legs; drop problems of fields that were reported already."""
        told = {problem.field for problem in self.problems}
        problems: list[Problem] = []
        legs = read_legs(self.keys.legs, self.place, problems)
        self.problems += [problem for problem in problems if problem.field not in told]
        return legs

    def _share(self) -> ShareClass:
        asset = self.keys.share_class
        rules = packaged().share_classes[asset]
        return ShareClass(
            asset, rules.decimals, rules.is_market_neutral, rules.loop_leverage_max, rules.perp_leverage_max
        )

    def _venues(self) -> dict[str, VenueRules]:
        """Return the packaged venues overlaid with those of the strategy."""
        merged = dict(packaged().venues)
        for name, keys in self.keys.venues.items():
            base = merged.get(name, VenueKeys()).model_dump()
            merged[name] = VenueKeys.model_validate(base | keys.model_dump(exclude_unset=True))
        rules = {name: _rules_of(keys) for name, keys in merged.items()}
        for name in self.keys.venues:
            initial, maintenance = rules[name].initial_margin, rules[name].maintenance_margin
            if initial is not None and maintenance is not None and maintenance > initial:
                message = f"{plain(maintenance)} is above initial_margin, {plain(initial)}"
                self._refuse(("venues", name, "maintenance_margin"), message, "write at most the initial margin")
        return rules

    def _costs(self) -> Costs:
        keys = self.keys.costs
        if "costs" not in self.refused and not keys.model_fields_set:
            self.book.warnings.append("costs are not written: trades, transfers and gas are free")
        spot = [leg.instrument.venue for leg in self.legs.found.values() if leg.instrument is not None]
        perp = [instrument.venue for leg in self.legs.found.values() for instrument, _ in leg.venues]
        spot_rate, spot_by = self._rates("spot_bps", keys.spot_bps, spot)
        perp_rate, perp_by = self._rates("perp_bps", keys.perp_bps, perp)
        swap = keys.swap_bps
        if swap == OF_VENUE:
            lsts = [packaged().lsts[leg.lst] for leg in self.legs.found.values() if leg.lst is not None]
            swap = max((lst.swap_bps for lst in lsts), default=0.0)
        gas = None
        if keys.gas is not None:
            units = MappingProxyType(dict(packaged().gas_units))
            gas = Gas(keys.gas.multiplier, keys.gas.chain, keys.gas.owed_in, units)
        if keys.market_impact and not any(leg.pool is not None for leg in self.legs.found.values()):
            self.book.warnings.append("costs.market_impact moves the rates of pools, and no leg lends or borrows")
        return Costs(
            spot_rate, perp_rate, spot_by, perp_by, swap / PER_BPS, keys.transfer.delay_h, keys.transfer.fee, gas,
            keys.market_impact, self._spot_sizes(), _sized("perp") if keys.perp_bps == BY_SIZE else None,
        )  # fmt: skip

    def _spot_sizes(self) -> Mapping[str, tuple[float, float, float]]:
        """Return spot rates by trade size for each traded pair, if the file asks for them."""
        rates: dict[str, tuple[float, float, float]] = {}
        if self.keys.costs.spot_bps == BY_SIZE:
            for leg in self.legs.found.values():
                if leg.instrument is None:
                    continue
                pair = "/".join(base_and_quote(leg.instrument))
                if pair in packaged().trade_bps:
                    rates[pair] = _sized(pair)
                else:
                    available = ", ".join(name for name in packaged().trade_bps if "/" in name)
                    message = f"has no fee for {pair}; there are {available}"
                    self._refuse(("costs", "spot_bps"), message, "write a number, or venue")
        return MappingProxyType(rates)

    def _rates(self, key: str, written: Any, used: Sequence[str]) -> tuple[float, Mapping[str, float]]:
        """Return the default rate and the rates by venue of ``spot_bps`` or ``perp_bps``."""
        if isinstance(written, dict):
            rates = {venue: bps / PER_BPS for venue, bps in written.items() if venue != "default"}
            missing = sorted({venue for venue in used if venue not in written and "default" not in written})
            if missing:
                message = f"has no fee for {', '.join(missing)}"
                self._refuse(("costs", key), message, "write default: and a number beside the venues")
            return (value_at(written, "default") or 0.0) / PER_BPS, MappingProxyType(rates)
        if written == BY_SIZE:
            return 0.0, MappingProxyType({})
        if written != OF_VENUE:
            return written / PER_BPS, MappingProxyType({})
        by_venue: dict[str, float] = {}
        for venue in dict.fromkeys(used):
            rules = self.venues.get(venue)
            rate = None if rules is None else rules.spot_rate if key == "spot_bps" else rules.perp_rate
            if rate is None:
                remedy = f"write a number, or venues: {{{venue}: {{{key}: 10}}}}"
                self._refuse(("costs", key), f"the fee of {venue} is not known", remedy)
            else:
                by_venue[venue] = rate
        return 0.0, MappingProxyType(by_venue)

    def _legacy(self) -> Legacy:
        keys = self.keys.legacy
        if self.keys.convention == "exact":
            if keys is not None and "convention" not in self.refused:
                remedy = "write convention: legacy, or remove it"
                self._refuse(("legacy",), "applies to convention: legacy only", remedy)
            return Legacy(False, False, False, False, False)
        if keys is None:
            return Legacy(is_on=True)
        return Legacy(True, keys.funding_on_entry, keys.stale_funding, keys.gas_twice, keys.first_rows)

    def _warn_of_flows(self) -> None:
        """Warn if flows withdraw more than was ever paid in."""
        total = self.keys.capital
        for flow in self.flows:
            total += flow.amount
            if total < 0.0 and "capital" not in self.refused:
                self.book.warnings.append("flows take out more than was ever paid in, and gains may not cover it")
                return

    def strategy(self, file: str, raw: str) -> CarryStrategy:
        """Build the strategy; only without problems."""
        assert not self.problems, "what is refused is no strategy"
        keys, bands = self.keys, self.keys.bands
        bands_of = Bands(
            bands.equity, bands.delta, bands.ltv, bands.hf_floor, bands.margin.warn, bands.margin.resize,
            bands.margin.liquidate,
        )  # fmt: skip
        used = {instrument.venue for leg in self.legs.found.values() for instrument, _ in leg.venues}
        used |= {leg.instrument.venue for leg in self.legs.found.values() if leg.instrument is not None}
        venues = {name: self.venues[name] for name in sorted(used & set(self.venues))}
        strategy = CarryStrategy(
            file=file, text=raw, name=keys.name, share_class=keys.share_class, capital=keys.capital,
            timeframe=keys.timeframe, legs=tuple(self.legs.found.values()), bands=bands_of, costs=self.costs,
            marks=self.marks, flows=self.flows, reserve=keys.reserve, legacy=self.legacy,
            parameters=MappingProxyType(dict(keys.params)), warnings=tuple(self.book.warnings), config_hash="",
            share=self.share, venues=MappingProxyType(venues),
            stops=Stops(keys.account.daily_loss_pct, keys.account.max_drawdown_pct),
            description=keys.description, beside=tuple(self.layers.beside), place=self.place,
            settings=joined(self.layers.settings),
        )  # fmt: skip
        return dataclasses.replace(strategy, config_hash=config_hash(strategy))


NOT_HASHED = (
    "file", "text", "warnings", "config_hash", "description", "beside", "place", "parameters", "stops", "settings",
)  # fmt: skip
"""Fields that do not affect decisions. ``stops`` are hashed only where they differ from the defaults."""


def config_hash(strategy: CarryStrategy) -> str:
    """Return 16 hex digits over everything that affects decisions, independent of spelling and of layers."""
    parts = {
        item.name: _plain(getattr(strategy, item.name))
        for item in dataclasses.fields(strategy)
        if item.name not in NOT_HASHED
    }
    parts["legs"] = _plain([_placeless(leg) for leg in strategy.legs])
    if strategy.stops != Stops(*DEFAULT_STOPS):
        parts["stops"] = _plain(strategy.stops)
    canonical = json.dumps(parts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _placeless(leg: Leg) -> Leg:
    """Return a leg without the path of its prediction file; the data hash covers its content."""
    if leg.signal is None or leg.signal.source != "file":
        return leg
    return dataclasses.replace(leg, signal=dataclasses.replace(leg.signal, where=None))


def _plain(value: Any) -> Any:
    """Convert records to mappings and numbers to float, so that 1, 1.0 and 1e0 hash alike."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        mapping = {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
        return str(value) if hasattr(value, "stem") else mapping
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    assert math.isfinite(value), "a number of a strategy is finite"
    return float(value) + 0.0  # turns -0.0 into 0.0, which hashes alike


def _rules_of(keys: VenueKeys) -> VenueRules:
    def rate(bps: float | None) -> float | None:
        return None if bps is None else bps / PER_BPS

    return VenueRules(
        keys.kind, rate(keys.spot_bps), rate(keys.perp_bps), keys.min_notional, keys.initial_margin,
        keys.maintenance_margin, keys.leverage_max,
    )  # fmt: skip


def _sized(name: str) -> tuple[float, float, float]:
    """Return the packaged rates of a pair, or of perps, by trade size, as fractions."""
    small, medium, large = packaged().trade_bps[name]
    return small / PER_BPS, medium / PER_BPS, large / PER_BPS
