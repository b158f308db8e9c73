"""Runs on bars and ticks: a finished run, and the phases that lead to it.

The composition root of these runs: it names the concrete catalog, feeds and drivers. Carry has its own in
``app/runs/carry.py``.
"""

from dataclasses import dataclass, field
from typing import Any

from tightloop.app import report as run_report
from tightloop.app.markets import notes as markets_notes
from tightloop.app.markets.bars import Market
from tightloop.app.markets.opening import open_market
from tightloop.app.markets.ticks import TickMarket
from tightloop.app.runs.driving import Driven, drive
from tightloop.app.runs.job import Job
from tightloop.app.runs.run import Run
from tightloop.app.runs.strategies import strategy_names, texts_of
from tightloop.model.errors import StrategyError
from tightloop.model.signal.plan import Plan, make_plan
from tightloop.model.signal.read import Strategy
from tightloop.runtime.backtest import bars as array_driver
from tightloop.runtime.backtest import one_by_one
from tightloop.runtime.backtest import ticks as tick_driver
from tightloop.runtime.feeds.ticks import TickFeed
from tightloop.runtime.results import build as results_build
from tightloop.runtime.results.result import Result

TABLES = ("trades", "orders", "fills", "equity", "signals", "transitions")


@dataclass(slots=True, kw_only=True)
class SignalRun(Run):
    """A finished run on bars or ticks."""

    strategies: tuple[Strategy, ...]
    market: Market | TickMarket

    def page(self, made_at: str) -> str:
        """Build the report."""
        bars = self._bars()
        text = "\n---\n".join(strategy.text for strategy in self.strategies)
        plan = make_plan(self.strategies, self.market.rules, seed=self.summary["seed"])
        return run_report.page.build_report(
            self.summary, bars, self.result.quality, text, self.command, made_at,
            run_report.why.blocked(plan, self.market.feed(plan), self.summary["state_hash"], self.orders, self.fills),
            trades=self.trades, orders=self.orders, fills=self.fills, equity=self.equity, signals=self.signals,
        )  # fmt: skip

    def _bars(self) -> dict[str, Any]:
        """Return bars (dtype BAR) by instrument that the report draws prices from; on ticks, made of the ticks."""
        if isinstance(self.market, TickMarket):
            return self.market.shown()
        return {str(instrument): rows for instrument, rows in self.market.bars.items()}

    def texts(self) -> dict[str, bytes]:
        """Return the strategy files with the run's options written into them, and the code of strategies in Python."""
        return texts_of(self.strategies)


@dataclass(slots=True)
class SignalJob(Job):
    """A backtest of strategies on bars or ticks."""

    strategies: tuple[Strategy, ...]
    _market: Market | TickMarket = field(init=False)
    _plan: Plan = field(init=False)
    _feed: Any = field(init=False)

    def load(self) -> None:
        """Load bars, or open readers of ticks."""
        self._market = open_market(self.strategies, self.options.data, **self.options.window())
        self.reports, self.warnings = self._market.reports, self._market.warnings

    def plan(self) -> None:
        """Lay out State and arena, and make the feed; compiles the loop of strategies in Python if there are any."""
        self._plan = make_plan(self.strategies, self._market.rules, seed=self.options.seed)
        self._feed = self._market.feed(self._plan)
        (tick_driver if self._is_ticks else array_driver).compile_for(self._plan)

    def drive(self) -> Driven:
        """Drive the plan over its feed; a failure of a strategy in Python ends it as a part."""
        plan, feed, recorder = self._plan, self._feed, self.recorder
        try:
            if self.options.one_by_one:
                driver = one_by_one.ticks if self._is_ticks else one_by_one.bars
                return Driven(driver.run(plan, feed, recorder))
            if isinstance(feed, TickFeed):  # how many events there will be is not known before they are read
                return drive(lambda look: tick_driver.run(plan, feed, recorder, look))
            total, on_progress = feed.event_count, self.options.on_progress
            return drive(lambda look: array_driver.run(plan, feed, recorder, look), total, on_progress)
        except StrategyError as error:
            return Driven(int(plan.states[0]["seq"]), is_part=True, failure=error)

    def last_ns(self) -> int | None:
        """Return the time of the last record of equity."""
        times = self.recorder.equity()["ts_ns"]
        return int(times[-1]) if len(times) else None

    def result(self, warnings: list[str], quality: list[dict[str, Any]]) -> Result:
        """Build tables and summary, with a warning for each variant that was never known."""
        market = self._market
        digest = market.digest() if isinstance(market, TickMarket) else market.digest(self._feed)
        result = results_build.build(
            self._plan, self.recorder, data_digest=digest, seed=self.options.seed, warnings=warnings, quality=quality
        )
        times = result.tables["equity"]["ts"]
        span_s = (int(times[-1]) - int(times[0])) * 1e-9 if len(times) else 0.0
        bars = {} if isinstance(market, TickMarket) else {name: len(rows) for name, rows in market.bars.items()}
        result.summary["warnings"] += markets_notes.never_known(self.strategies, bars, span_s)
        return result

    def names(self) -> list[str]:
        """Return the names of the strategy files, in the order of the run."""
        return strategy_names(self.strategies)

    def progress(self) -> dict[str, Any]:
        """Return the steps of the machine, and the failure of a strategy in Python."""
        failure = None if self.driven.failure is None else str(self.driven.failure)
        return {"steps": int(self._plan.states[0]["seq"]), "failure": failure}

    def counts(self) -> tuple[int, int]:
        """Return market events and bars (0 on ticks)."""
        return self.driven.done, 0 if self._is_ticks else len(self._feed.bars)

    def run(self, **common: Any) -> Run:
        """Make the finished run."""
        return SignalRun(strategies=self.strategies, market=self._market, **common)

    @property
    def _is_ticks(self) -> bool:
        return isinstance(self._market, TickMarket)
