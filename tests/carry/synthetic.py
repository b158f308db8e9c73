"""Carry strategies and feeds made by hand: small walks of prices, indices and rates, no data read."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.domain.carry import BalanceKind, Instruction
from tightloop.core.domain.enums import EventKind, RowKind
from tightloop.core.domain.types import EVENT
from tightloop.core.replay import carry as replay_carry
from tightloop.core.replay import status as replay_status
from tightloop.model.carry.plan import CarryPlan, make_carry_plan
from tightloop.model.carry.strategy import (
    Bands,
    CarryStrategy,
    Costs,
    Flow,
    Gas,
    Leg,
    Legacy,
    Marks,
    ShareClass,
    Signal,
    Size,
    Stops,
)
from tightloop.model.instruments import InstrumentId
from tightloop.runtime.feeds import carry_tape
from tightloop.runtime.feeds.carry import CarryFeed, Payout, Prediction, SeriesKey, Settlement
from tightloop.runtime.feeds.carry_tape import CarryTape

HOUR_NS = 3_600_000_000_000
START_NS = 1_700_000_000 // 3600 * 3600 * 1_000_000_000
ALL = Size("all")
UNITS = MappingProxyType(
    {
        "transfer": 100_000, "supply": 250_000, "withdraw": 220_000, "wrap": 45_000, "borrow": 300_000,
        "stake": 150_000, "unstake": 200_000, "swap": 180_000, "atomic_entry": 1_250_000,
        "atomic_deleverage": 850_000,
    }
)  # fmt: skip
Key = tuple[str, str]
Floats = np.ndarray[Any, np.dtype[np.float64]]


def weight(share: float) -> Size:
    return Size("weight", share)


def instrument(name: str) -> InstrumentId:
    return InstrumentId.parse(name)


def gas(owed_in: str | None = None) -> Gas:
    return Gas(owed_in=owed_in, units=UNITS)


def strategy(legs: Sequence[Leg], *, share: str = "USDT", capital: float = 100_000.0, **fields: Any) -> CarryStrategy:
    usd = {"ETH": instrument("binance:ETHUSDT-spot"), "BTC": instrument("binance:BTCUSDT-spot")}
    values: dict[str, Any] = {
        "bands": Bands(), "costs": Costs(), "flows": (), "reserve": 0.0, "legacy": Legacy(),
        "stops": Stops(),
    } | fields  # fmt: skip
    return CarryStrategy(
        "strategy.yaml", "", "made", share, capital, "1h", tuple(legs), values["bands"], values["costs"],
        Marks(usd=MappingProxyType(usd)), tuple(values["flows"]), values["reserve"], values["legacy"],
        MappingProxyType({}), (), "hash", ShareClass(share, 6, share == "USDT", 20.0, 3.0), MappingProxyType({}),
        stops=values["stops"],
    )  # fmt: skip


def lend(asset: str = "USDT", size: Size = ALL, name: str = "lend", **fields: Any) -> Leg:
    return Leg(name, "lend", size, asset=asset, pool="aave_v3", **fields)


def spot(base: str = "ETH", venue: str = "binance", share: float = 0.5, name: str = "spot", **fields: Any) -> Leg:
    return Leg(
        name, "spot", fields.pop("size", weight(share)), asset=base,
        instrument=instrument(f"{venue}:{base}USDT-spot"), **fields,
    )  # fmt: skip


def short(
    base: str = "ETH", venues: Mapping[str, float] | None = None, margin: float = 0.5, of: str = "spot", **fields: Any
) -> Leg:
    given = tuple((instrument(f"{at}:{base}USDT-perp"), part) for at, part in (venues or {"binance": 1.0}).items())
    return Leg(
        fields.pop("name", "short"), "perp", fields.pop("size", Size("match", None, of)), asset=base, side="short",
        venues=given, margin=weight(margin), **fields,
    )  # fmt: skip


def stake(name: str = "stake", *, way_out: str = "market", **fields: Any) -> Leg:
    return Leg(name, "stake", fields.pop("size", ALL), asset="ETH", lst="weETH", exit=way_out, **fields)


def loop(name: str = "loop", ltv: float = 0.8, **fields: Any) -> Leg:
    return Leg(
        name, "loop", fields.pop("size", ALL), asset="ETH", lst="weETH", pool="aave_v3", debt="WETH", ltv=ltv,
        max_ltv=0.93, liquidation_threshold=0.95, liquidation_bonus=0.01, **fields,
    )  # fmt: skip


def borrowing(asset: str = "WETH", borrow: str = "USDT", ltv: float = 0.35, share: float = 0.95, **fields: Any) -> Leg:
    return lend(
        asset, weight(share), fields.pop("name", "base"), borrow=borrow, ltv=ltv, max_ltv=0.8,
        liquidation_threshold=0.83, liquidation_bonus=0.05, **fields,
    )  # fmt: skip


def directional(base: str = "BTC", size: float = 1.0, margin: float = 1.0, **fields: Any) -> Leg:
    own = Signal("file", "signals", 0.5, fields.pop("stop_sd", 2.0), fields.pop("target_sd", 2.0))
    return Leg(
        "signal", "perp", fields.pop("own_size", weight(size)), asset=base, side="signal",
        venues=((instrument(f"binance:{base}USDT-perp"), 1.0),), margin=weight(margin), signal=own,
    )  # fmt: skip


# Feeds ----------------------------------------------------------------------------------------------------------------

KEYS: tuple[Key, ...] = (
    *((kind, f"aave_v3/{asset}") for kind in ("liquidity_index", "borrow_index") for asset in ("USDT", "WETH")),
    ("liquidity_index", "aave_v3/weETH"),
    ("rate", "weETH"), ("market_rate", "weETH"),
    ("supplied", "aave_v3/WETH"), ("borrowed", "aave_v3/WETH"),
    ("supplied", "aave_v3/USDT"), ("borrowed", "aave_v3/USDT"),
    ("gas", "ethereum"),
    *(("price", f"{venue}:{base}USDT-spot") for base in ("ETH", "BTC") for venue in ("binance", "bybit")),
    *((kind, f"{venue}:{base}USDT-perp") for kind in ("mark", "high", "low") for base in ("ETH", "BTC")
      for venue in ("binance", "bybit")),
    ("price", "EIGEN"),
)  # fmt: skip
LEVELS = {"ETH": 3000.0, "BTC": 60_000.0, "EIGEN": 3.0}


def _base_of(name: str) -> str:
    return next(base for base in LEVELS if base in name)


def flat(hours: int) -> dict[Key, Floats]:
    """Values at which nothing happens: indices 1, the LST at 1.04 and sold at that, prices that stand still."""
    values: dict[Key, Floats] = {}
    for kind, name in KEYS:
        if kind in ("price", "mark", "high", "low"):
            level = LEVELS[_base_of(name)]
        else:
            level = {"rate": 1.04, "market_rate": 1.04, "supplied": 1e9, "borrowed": 5e8, "gas": 10.0}.get(kind, 1.0)
        values[kind, name] = np.full(hours, level)
    return values


def walk(seed: int, hours: int, volatility: float = 0.01) -> dict[Key, Floats]:
    """A small random market: prices walk, marks and venues differ a little, indices grow."""
    random = np.random.default_rng(seed)
    values = flat(hours)
    paths = {base: level * np.exp(np.cumsum(random.normal(0.0, volatility, hours))) for base, level in LEVELS.items()}
    for kind, name in KEYS:
        if kind == "price":
            values[kind, name] = paths[_base_of(name)] * np.exp(random.normal(0.0, 1e-4, hours))
        elif kind == "mark":
            values[kind, name] = paths[_base_of(name)] * np.exp(random.normal(0.0, 1e-3, hours))
            opened = np.concatenate((values[kind, name][:1], values[kind, name][:-1]))
            both = np.stack((opened, values[kind, name]))
            values["high", name] = both.max(0) * (1.0 + random.uniform(0.0, volatility, hours))
            values["low", name] = both.min(0) * (1.0 - random.uniform(0.0, volatility, hours))
        elif kind.endswith("_index") or kind == "rate":
            growth = np.cumprod(1.0 + random.uniform(0.0, 4e-5, hours))
            values[kind, name] = (1.04 if kind == "rate" else 1.0 + random.uniform(0.0, 0.2)) * growth
        elif kind == "gas":
            values[kind, name] = random.uniform(1.0, 60.0, hours)
    values["market_rate", "weETH"] = values["rate", "weETH"] * (1.0 - random.uniform(0.0, 0.004, hours))
    return values


def feed(
    values: Mapping[Key, Floats], *, settlements: Mapping[str, Settlement] | None = None,
    payouts: Mapping[str, tuple[Payout, ...]] | None = None,
    predictions: Mapping[str, tuple[Prediction, ...]] | None = None,
) -> CarryFeed:  # fmt: skip
    hours = len(next(iter(values.values())))
    return CarryFeed(
        at(np.arange(hours)), tuple(SeriesKey(*key) for key in values), np.column_stack(list(values.values())),
        settlements or {}, payouts or {}, predictions or {}, (), "hash", [], [],
    )  # fmt: skip


def at(hour: Any) -> Any:
    """The time stamp of an hour of a feed."""
    return START_NS + hour * HOUR_NS


def funding(values: Mapping[Key, Floats], rate: Callable[[int], float]) -> dict[str, Settlement]:
    """Settlements of every perp each 8 hours of the clock, in (first, last]."""
    found: dict[str, Settlement] = {}
    for kind, name in values:
        if kind != "mark":
            continue
        hours = [k for k in range(1, len(values[kind, name])) if (at(k) // HOUR_NS) % 8 == 0]
        stamps = np.array([at(k) for k in hours], np.int64)
        rates, marks = np.array([rate(k) for k in hours]), values[kind, name][hours]
        found[name] = Settlement(stamps, rates, marks)
    return found


# Runs -----------------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """A run that goes on event by event; ``rows`` are what it wrote, (kind, copy of the row)."""

    plan: CarryPlan
    tape: CarryTape
    forced: Mapping[int, int] = field(default_factory=dict)
    rows: list[Any] = field(default_factory=list)
    snapshots: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def of(cls, own: CarryStrategy, fed: CarryFeed, forced: Mapping[int, int] | None = None) -> "Run":
        plan = make_carry_plan(own, [(key.kind, key.name) for key in fed.series])
        return cls(plan, carry_tape.make_tape(plan, fed), forced or {})

    def instants(self) -> Iterator[int]:
        """Number of each instant that has ended. ``forced``: the instruction that fails while an instant runs."""
        plan, tape = self.plan, self.tape
        log = core_log.new_log(max(2 * plan.rows_per_step, core_log.ROWS))
        events = np.zeros(1, EVENT)
        width = replay_carry.snapshot_width(len(plan.balances), len(plan.holdings))
        self.snapshots = np.full((len(tape.instants), width), math.nan)
        last, place = tape.fresh()
        while True:
            plan.venues["forced_op"] = self.forced.get(int(place[replay_carry.INSTANT]), -1)
            control = np.zeros(replay_carry.CONTROL_COUNT, np.int64)
            control[replay_status.RESERVE], control[replay_status.LEFT] = plan.rows_per_step, 1
            status = replay_carry.carry_replay(
                plan.states, plan.arena, plan.venues, tape.instants, tape.values, tape.extras, last, place, events,
                log, self.snapshots, plan.table, control,
            )  # fmt: skip
            self.rows += [log[k].copy() for k in range(core_log.FIRST, core_log.stop(log))]
            core_log.empty(log)
            if status == replay_status.FINISHED:
                return
            if control[replay_carry.DONE] > 0 and events[0]["kind"] == EventKind.SNAPSHOT_CLOSED:
                yield int(place[replay_carry.INSTANT]) - 1

    def to_end(self) -> "Run":
        for _ in self.instants():
            pass
        return self

    @property
    def carry(self) -> Any:
        return self.plan.states[0]["carry"]

    def amount(self, kind: str, token: str, venue: str | None = None) -> float:
        found = [
            k for k, name in enumerate(self.plan.balances)
            if name.kind == kind and name.asset == token and venue in (None, name.venue)
        ]  # fmt: skip
        assert len(found) == 1, f"one balance is {kind} {token}: {self.plan.balances}"
        return float(self.carry["books"]["balances"][found[0]]["amount"])

    def qty(self, holding: int = 0) -> float:
        return float(self.carry["books"]["holdings"][holding]["qty"])

    def warnings(self, code: int | None = None) -> list[tuple[int, int, float, int]]:
        return [
            (int((row["ts_ns"] - START_NS) // HOUR_NS), int(row["code"]), float(row["value"]), int(row["order_id"]))
            for row in self.rows
            if row["kind"] == RowKind.WARNING and code in (None, int(row["code"]))
        ]  # fmt: skip

    def executed(self, op: int | None = None) -> list[Any]:
        return [
            row for row in self.rows if row["kind"] == RowKind.INSTRUCTION_EXECUTED and op in (None, int(row["code"]))
        ]

    def bundles(self) -> list[tuple[int, int, int]]:
        """(hour, bundle, reason) of each that ended."""
        return [
            (int((row["ts_ns"] - START_NS) // HOUR_NS), int(row["order_id"]), int(row["reason"]))
            for row in self.rows
            if row["kind"] == RowKind.BUNDLE
        ]


def done(own: CarryStrategy, fed: CarryFeed) -> Run:
    return Run.of(own, fed).to_end()


__all__ = [
    "ALL",
    "BalanceKind",
    "Bands",
    "Costs",
    "Flow",
    "Gas",
    "Instruction",
    "Leg",
    "Legacy",
    "Run",
    "Size",
    "at",
    "borrowing",
    "directional",
    "done",
    "feed",
    "flat",
    "funding",
    "gas",
    "instrument",
    "lend",
    "loop",
    "short",
    "spot",
    "stake",
    "strategy",
    "walk",
    "weight",
]  # fmt: skip
