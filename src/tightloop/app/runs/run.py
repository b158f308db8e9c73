"""A finished run on bars or ticks, and what it read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.app import report as run_report
from tightloop.app.markets.ticks import TickMarket
from tightloop.app.runs.files import RunFiles
from tightloop.model.files.gathered import Gathering
from tightloop.model.files.overrides import with_settings
from tightloop.model.instruments import InstrumentId, InstrumentRules
from tightloop.model.signal.plan import Plan, make_plan
from tightloop.model.signal.read import Strategy
from tightloop.runtime.feeds.bars import Feed, make_feed
from tightloop.runtime.results import build as results_build

TABLES = ("trades", "orders", "fills", "equity", "signals", "transitions")
Times = npt.NDArray[np.int64]


@dataclass(slots=True)
class Market:
    """What a run reads: bars by instrument, funding where there is some, what the gate found, what to say about it."""

    bars: dict[InstrumentId, npt.NDArray[np.void]]
    funding: dict[InstrumentId, tuple[Times, npt.NDArray[np.float64]]]
    rules: dict[InstrumentId, InstrumentRules]
    reports: list[Any]
    warnings: list[str]
    unfunded: list[InstrumentId] = field(default_factory=list)

    def feed(self, plan: Plan) -> Feed:
        """The bars of the plan's instruments in its order, and the funding it wants."""
        funding = {
            at: self.funding[instrument]
            for at, instrument in enumerate(plan.instruments)
            if instrument in self.funding and plan.funding[instrument]
        }
        return make_feed([self.bars[instrument] for instrument in plan.instruments], funding)

    def digest(self, feed: Feed) -> str:
        """The data hash of what a feed gives."""
        return results_build.data_hash([feed.bars, feed.rates])


@dataclass(slots=True, kw_only=True)
class Run(RunFiles):
    """A run on bars or ticks."""

    strategies: tuple[Strategy, ...]
    market: "Market | TickMarket"

    def report(self) -> str:
        """The report as one self-contained HTML page."""
        bars = self._bars()
        text = "\n---\n".join(strategy.text for strategy in self.strategies)
        made_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        plan = make_plan(self.strategies, self.market.rules, seed=self.summary["seed"])
        return run_report.page.build_report(
            self.summary, bars, self.result.quality, text, self.command, made_at,
            run_report.why.blocked(plan, self.market.feed(plan), self.summary["state_hash"], self.orders, self.fills),
            trades=self.trades, orders=self.orders, fills=self.fills, equity=self.equity, signals=self.signals,
        )  # fmt: skip

    def _bars(self) -> dict[str, Any]:
        """What the page draws prices from: the run's bars, or bars made of its ticks."""
        if isinstance(self.market, TickMarket):
            return self.market.shown()
        return {str(instrument): rows for instrument, rows in self.market.bars.items()}

    def texts(self) -> dict[str, bytes]:
        """The strategy files with the options of the run in them, and the code of strategies in Python."""
        contents: dict[str, bytes] = {}
        for strategy in self.strategies:
            if strategy.code is not None:
                contents[strategy.code.file] = strategy.code.source
        gathering = Gathering(contents)
        for name, strategy in zip(strategy_names(self.strategies), self.strategies, strict=True):
            gathering.add(name, strategy.file, with_settings(strategy.text, strategy.settings))
        for file in contents:
            gathering.add_code(file)
        return gathering.found


def strategy_names(strategies: Sequence[Strategy]) -> list[str]:
    """The names of the strategy files in the folder of a run, in the order of the run."""
    if len(strategies) == 1:
        return ["strategy.yaml"]
    return [f"strategy-{strategy.config_hash}.yaml" for strategy in strategies]
