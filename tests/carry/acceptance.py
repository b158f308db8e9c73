"""Running carry strategies as a user writes them, on the real rows, and looking at what they hold."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from app.carry_strategies import real
from tightloop.app.markets.carry.load import load_carry_feed
from tightloop.core.domain.carry import BUCKETS, PnlComponent
from tightloop.core.domain.enums import RowKind, WarningCode
from tightloop.core.replay.carry import FIXED
from tightloop.core.state import state_hash
from tightloop.model.carry import read as carry_read
from tightloop.model.carry.plan import CarryPlan, make_carry_plan
from tightloop.model.carry.strategy import CarryStrategy
from tightloop.runtime.backtest import carry as carry_backtest
from tightloop.runtime.backtest.one_by_one import carry as carry_one_by_one
from tightloop.runtime.feeds import carry_tape
from tightloop.runtime.feeds.carry import CarryFeed
from tightloop.runtime.results.recorder import Recorder

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "strategies" / "reference"
MODES = ROOT / "strategies" / "carry"


def ns(text: str) -> int:
    """Nanoseconds of a day or a time, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


@dataclass
class Ran:
    """A run that is over."""

    plan: CarryPlan
    feed: CarryFeed
    tape: carry_tape.CarryTape
    snapshots: Any
    recorder: Recorder

    @property
    def carry(self) -> Any:
        return self.plan.states[0]["carry"]

    @property
    def hash(self) -> str:
        return state_hash(self.plan.states, self.plan.arena)

    def column(self, name: str) -> Any:
        """One of the fixed columns of the snapshots."""
        return self.snapshots[:, FIXED.index(name)]

    def bucket(self, bucket: PnlComponent) -> float:
        return float(self.carry["buckets"][int(bucket)])

    def at(self, text: str) -> int:
        """The row of an instant."""
        return int(np.searchsorted(self.feed.instants, ns(text)))

    def held(self, name: str, row: int = -1) -> float:
        """The signed amount of a balance, as ``place:asset`` names it, after an instant."""
        places = [f"{own.venue}:{own.asset}" for own in self.plan.balances]
        return float(self.snapshots[row, len(FIXED) + BUCKETS + 2 * places.index(name)])

    def worth(self, name: str, row: int = -1) -> float:
        """What a balance is worth after an instant."""
        places = [f"{own.venue}:{own.asset}" for own in self.plan.balances]
        return float(self.snapshots[row, len(FIXED) + BUCKETS + 2 * places.index(name) + 1])

    def holding(self, at: int, row: int = -1) -> tuple[float, float]:
        """Quantity and unrealised result of a perpetual position after an instant."""
        first = len(FIXED) + BUCKETS + 2 * len(self.plan.balances) + 2 * at
        return float(self.snapshots[row, first]), float(self.snapshots[row, first + 1])

    def warnings(self, code: WarningCode) -> list[tuple[int, float]]:
        rows = self.recorder.columns(RowKind.WARNING)
        mine = rows["code"] == int(code)
        return list(zip(rows["ts_ns"][mine].tolist(), rows["value"][mine].tolist(), strict=True))

    def residuals(self) -> Any:
        """What equity changed by and no bucket explains, after every instant."""
        buckets = self.snapshots[:, len(FIXED) : len(FIXED) + BUCKETS].sum(axis=1)
        capital = self.plan.strategy.capital
        return self.column("equity") - self.column("flows") - capital - buckets


def run(strategy: CarryStrategy, start: str, end: str, data: Any = None, *, one_by_one: bool = False) -> Ran:
    """Run a strategy from one instant to another, both included."""
    feed = load_carry_feed(strategy, data or real("data"), start_ns=ns(start), end_ns=ns(end))
    return run_on(strategy, feed, one_by_one=one_by_one)


def run_on(strategy: CarryStrategy, feed: CarryFeed, *, one_by_one: bool = False, prepare: Any = None) -> Ran:
    """Run a strategy on a feed; ``prepare`` may change the plan before."""
    plan = make_carry_plan(strategy, [(key.kind, key.name) for key in feed.series])
    if prepare is not None:
        prepare(plan)
    tape = carry_tape.make_tape(plan, feed)
    recorder = Recorder()
    driver = carry_one_by_one.run if one_by_one else carry_backtest.run
    return Ran(plan, feed, tape, driver(plan, tape, recorder), recorder)


def written(text: str, *settings: str) -> CarryStrategy:
    """A strategy from its YAML."""
    return carry_read.loads(text, settings=settings)


@cache
def mode(name: str) -> CarryStrategy:
    return carry_read.load(MODES / f"{name}.yaml")


def reference(name: str, *settings: str) -> CarryStrategy:
    return carry_read.load(REFERENCE / f"{name}.yaml", settings=settings)


def near(value: float, expected: float, scale: float = 1.0) -> bool:
    """Equal within 1e-9 of the larger of what is expected and a scale."""
    return math.isfinite(value) and abs(value - expected) <= 1e-9 * max(abs(expected), scale)
