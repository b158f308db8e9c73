"""Reads the legs of a carry strategy: keys by kind of leg, names resolved, loan terms attached."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from tightloop.model.carry.schema import (
    ALL,
    EXAMPLES,
    LEG_NAME,
    LEGS,
    SIZE_KINDS,
    LendKeys,
    LoopKeys,
    PerpKeys,
    SignalKeys,
    SizeKeys,
    SpotKeys,
    StakeKeys,
    read_instrument,
)
from tightloop.model.carry.strategy import STABLE, Leg, Signal, Size
from tightloop.model.carry.venues import Pool, packaged, unwrapped
from tightloop.model.errors import Problem
from tightloop.model.files import diagnostics
from tightloop.model.files.diagnostics import near, value_at
from tightloop.model.files.fields import Strict, plain, shown
from tightloop.model.instruments import SETTLE_SUFFIXES, InstrumentId

Refuse = Callable[[diagnostics.Path, str, str], None]
PER_BPS = 10_000.0
WEIGHTS_TOLERANCE = 1e-9


def assets_of(instrument: InstrumentId) -> tuple[str, str]:
    """Split a symbol into base and quote, both unwrapped; the quote is "" if unknown."""
    for quote in SETTLE_SUFFIXES:
        if instrument.symbol.endswith(quote) and len(instrument.symbol) > len(quote):
            return unwrapped(instrument.symbol.removesuffix(quote)), unwrapped(quote)
    return unwrapped(instrument.symbol), ""


def gives(leg: Leg) -> str | None:
    """Return the asset that a later leg can take from this one; None if it keeps what it has."""
    if leg.kind == "spot":
        return leg.asset
    if leg.kind == "stake":
        return leg.lst
    return unwrapped(leg.borrow) if leg.kind == "lend" and leg.borrow is not None else None


def holds(leg: Leg) -> str | None:
    """Return the asset whose price a leg is exposed to by its holding; None for a perp."""
    if leg.kind == "perp":
        return None
    return followed(leg.asset or "")


def followed(asset: str) -> str:
    """Return the asset whose price a token follows: ETH for WETH and for staking tokens."""
    return "ETH" if asset in packaged().lsts else unwrapped(asset)


@dataclass(slots=True)
class Legs:
    """Legs that could be read, in file order, and the names of those that could not."""

    found: dict[str, Leg]
    broken: set[str]


def read_legs(written: Mapping[str, Any], place: diagnostics.Place, problems: list[Problem]) -> Legs:
    """Read every leg on its own; faults go to ``problems``."""
    legs = Legs({}, set())
    for name, keys in written.items():
        count = len(problems)
        reader = LegReader(name, place, problems, tuple(written))
        leg = reader.leg(keys)
        if leg is None or len(problems) > count:
            legs.broken.add(name)
        else:
            legs.found[name] = leg
    return legs


@dataclass(slots=True)
class LegReader:
    """Reads one leg. ``names``: all legs of the file."""

    name: str
    place: diagnostics.Place
    problems: list[Problem]
    names: tuple[str, ...]

    def refuse(self, path: diagnostics.Path, message: str, remedy: str) -> None:
        """Report a fault at a path inside the leg."""
        full = ("legs", self.name, *path)
        file, line = self.place(full)
        self.problems.append(Problem(file, line, diagnostics.dotted(full), message, remedy))

    def leg(self, written: Any) -> Leg | None:
        """Return the leg, incomplete if problems were reported; None if it is unreadable."""
        if not LEG_NAME.match(self.name):
            self.refuse((), f"{self.name!r} is not the name of a leg", "write letters, digits and _, 40 at most")
            return None
        if not isinstance(written, dict):
            remedy = "write for example {kind: lend, pool: aave_v3, asset: USDT}"
            self.refuse((), f"{shown(written)} is not a leg", remedy)
            return None
        kind = value_at(written, "kind")
        if not isinstance(kind, str) or kind not in LEGS:
            message = "is missing" if "kind" not in written else f"{shown(kind)} is not a kind of leg"
            self.refuse(("kind",), message, near(kind, list(LEGS), f"write one of {', '.join(LEGS)}"))
            return None
        model: type[Strict] = LEGS[kind]
        try:
            keys = model.model_validate(written)
        except ValidationError as error:
            under = ("legs", self.name)
            self.problems += diagnostics.problems_of(error, model, written, self.place, under=under, examples=EXAMPLES)
            return None
        return self._resolved(keys)

    def _resolved(self, keys: Strict) -> Leg:
        if isinstance(keys, SpotKeys):
            return self._spot(keys)
        if isinstance(keys, LendKeys):
            return self._lend(keys)
        if isinstance(keys, StakeKeys):
            return self._stake(keys)
        assert isinstance(keys, PerpKeys), "every kind of leg is read"
        return self._perp(keys)

    def _spot(self, keys: SpotKeys) -> Leg:
        base, quote = assets_of(keys.instrument)
        if quote != STABLE:
            self.refuse(("instrument",), f"{keys.instrument} is not paid in {STABLE}", f"name a pair with {STABLE}")
        return Leg(self.name, "spot", self._size(keys.size), source=keys.source, asset=base, instrument=keys.instrument)

    def _pool(self, name: str) -> Pool | None:
        pools = packaged().pools
        if name not in pools:
            there = f"write one of {', '.join(pools)}"
            self.refuse(("pool",), f"{shown(name)} is not a pool", near(name, list(pools), there))
            return None
        return pools[name]

    def _asset(self, key: str, name: str, pool: Pool | None) -> str:
        """Return the asset as the pool spells it."""
        if pool is None:
            return name
        spelled = {asset.lower(): asset for asset in pool.assets}
        if name.lower() not in spelled:
            meant = "WETH" if name == "ETH" else name
            there = near(meant, pool.assets, f"write one of {', '.join(pool.assets)}")
            self.refuse((key,), f"{shown(name)} is not an asset of the pool", there)
            return name
        return spelled[name.lower()]

    def _lend(self, keys: LendKeys) -> Leg:
        pool = self._pool(keys.pool)
        asset = self._asset("asset", keys.asset, pool)
        if asset in packaged().lsts:
            message = f"no leg provides {asset} to lend"
            self.refuse(("asset",), message, f"write kind: loop with lst: {asset}, or kind: stake")
        leg = Leg(self.name, "lend", self._size(keys.size), source=keys.source, asset=asset, pool=keys.pool)
        if keys.borrow is None and keys.ltv is None:
            return leg
        if keys.borrow is None or keys.ltv is None:
            key = "borrow" if keys.borrow is None else "ltv"
            self.refuse((key,), "is missing", f"write {key}: {'USDT' if key == 'borrow' else '0.5'}, or neither")
            return leg
        borrow = self._asset("borrow", keys.borrow, pool)
        if borrow == asset:
            self.refuse(("borrow",), f"{borrow} is what is lent", "borrow another asset, or nothing")
        if pool is None or asset not in pool.standard:
            return leg
        loan = pool.standard[asset]
        self._check_ltv(keys.ltv, loan.max_ltv, f"{asset} in {keys.pool}")
        return replace(
            leg, borrow=borrow, ltv=keys.ltv, max_ltv=loan.max_ltv, liquidation_threshold=loan.threshold,
            liquidation_bonus=loan.bonus,
        )  # fmt: skip

    def _check_ltv(self, ltv: float, max_ltv: float, whose: str, more: str = "") -> None:
        if ltv > max_ltv * (1.0 + 1e-9):
            message = f"an LTV of {plain(ltv)} is above {plain(max_ltv)}, the maximum for {whose}"
            self.refuse(("ltv",), message, f"write at most {plain(max_ltv)}{more}")

    def _stake(self, keys: StakeKeys) -> Leg:
        lsts = packaged().lsts
        spelled = {name.lower(): name for name in lsts}
        lst = spelled.get(keys.lst.lower())
        if lst is None:
            there = near(keys.lst, list(lsts), f"write one of {', '.join(lsts)}")
            self.refuse(("lst",), f"{shown(keys.lst)} is not a liquid staking token", there)
        known = lsts[lst] if lst is not None else None
        leg = Leg(
            self.name, "stake", self._size(keys.size), source=keys.source, asset="ETH", lst=lst,
            staking_venue=known.venue if known else None, exit=keys.exit, queue_h=known.queue_h if known else 0.0,
            rewards=self._rewards(keys.rewards, lst), dust=keys.dust,
        )  # fmt: skip
        return self._loop(keys, leg) if isinstance(keys, LoopKeys) else leg

    def _rewards(self, names: list[str], lst: str | None) -> tuple[str, ...]:
        if lst is None:
            return ()
        known = packaged().lsts[lst].rewards
        for name in names:
            if name.lower() not in known:
                there = near(name, known, f"write some of {', '.join(known)}") if known else "write rewards: []"
                self.refuse(("rewards",), f"{lst} pays no {shown(name)}", there)
        return tuple(dict.fromkeys(name.lower() for name in names))

    def _loop(self, keys: LoopKeys, leg: Leg) -> Leg:
        pool = self._pool(keys.pool)
        debt = self._asset("debt", keys.debt, pool)
        leg = replace(
            leg, kind="loop", pool=keys.pool, debt=debt, is_emode=keys.emode, ltv=keys.ltv,
            flash_bps=keys.flash.bps, entry_hf_min=keys.entry_hf_min,
        )  # fmt: skip
        if pool is None or leg.lst is None:
            return leg
        if unwrapped(debt) != "ETH":
            remedy = "write WETH; a lend leg borrows other assets"
            self.refuse(("debt",), f"a loop stakes what it borrows, and {debt} cannot be staked", remedy)
            return leg
        if keys.emode and (leg.lst not in pool.emode.assets or debt not in pool.emode.debts):
            self.refuse(("emode",), f"{leg.lst} against {debt} is not in eMode", "write emode: false")
            return leg
        loan = pool.emode if keys.emode else pool.standard[leg.lst]
        whose = f"{leg.lst} in {keys.pool} {'with' if keys.emode else 'without'} eMode"
        can_emode = not keys.emode and leg.lst in pool.emode.assets and debt in pool.emode.debts
        self._check_ltv(keys.ltv, loan.max_ltv, whose, ", or emode: true" if can_emode else "")
        return replace(leg, max_ltv=loan.max_ltv, liquidation_threshold=loan.threshold, liquidation_bonus=loan.bonus)

    def _perp(self, keys: PerpKeys) -> Leg:
        venues = self._venues(keys.venues)
        bases = {assets_of(instrument)[0] for instrument, _ in venues}
        if len(bases) > 1:
            self.refuse(("venues",), f"holds {' and '.join(sorted(bases))}", "write a leg for each asset")
        size, margin = self._size(keys.size), self._size(keys.margin, "margin")
        if size.kind == "all":
            self.refuse(("size",), "all is not a size of a perp", "write for example {weight: 1.0}")
        if margin.kind in ("match", "units"):
            remedy = "write {weight: 0.5}, {notional: 10_000} or all"
            self.refuse(("margin",), f"a margin cannot be sized by {margin.kind}", remedy)
        return Leg(
            self.name, "perp", size, source=keys.source, asset=next(iter(bases), None), side=keys.side, venues=venues,
            margin=margin, signal=self._signal(keys),
        )  # fmt: skip

    def _venues(self, written: Mapping[str, float]) -> tuple[tuple[InstrumentId, float], ...]:
        venues: list[tuple[InstrumentId, float]] = []
        for name, weight in written.items():
            try:
                instrument = read_instrument(name, "perp")
            except PydanticCustomError as error:
                context = error.context or {}
                self.refuse(("venues", name), str(context["message"]), str(context["remedy"]))
                continue
            if assets_of(instrument)[1] != STABLE:
                message = f"{instrument} does not settle in {STABLE}"
                self.refuse(("venues", name), message, f"name a perp that settles in {STABLE}")
            venues.append((instrument, weight))
        total = sum(written.values())
        if abs(total - 1.0) > WEIGHTS_TOLERANCE:
            message = (
                f"weights {' + '.join(plain(weight) for weight in written.values())} add up to {plain(total)}, not to 1"
            )
            self.refuse(("venues",), message, "write weights that add up to 1")
        return tuple((instrument, weight) for instrument, weight in venues if weight > 0.0)

    def _signal(self, keys: PerpKeys) -> Signal | None:
        signal: SignalKeys | None = keys.signal
        if (keys.side == "signal") != (signal is not None):
            if signal is None:
                self.refuse(("signal",), "is missing", "write signal: {source: baseline}, or side: short")
            else:
                self.refuse(("signal",), f"side {keys.side} takes no signal", "write side: signal, or remove the key")
        if signal is None:
            return None
        where = signal.url
        if signal.path is not None:
            file, _ = self.place(("legs", self.name, "signal", "path"))
            where = str((Path(file).parent / signal.path).absolute())
        return Signal(
            signal.source,
            where,
            signal.confidence,
            signal.stop_sd,
            signal.target_sd,
            signal.sd_floor_bps / PER_BPS,
            signal.sd_cap_bps / PER_BPS,
        )

    def _size(self, keys: SizeKeys, key: str = "size") -> Size:
        for kind in SIZE_KINDS[:3]:
            value = getattr(keys, kind)
            if value is not None:
                return Size(kind, value=value)
        if keys.match is None:
            return Size(ALL)
        if keys.match not in self.names and key == "size":
            known = [name for name in self.names if name != self.name]
            there = near(keys.match, known, f"write one of {', '.join(known)}" if known else "write another size")
            self.refuse((key, "match"), f"{shown(keys.match)} is not a leg of this file", there)
        return Size("match", leg=keys.match)
