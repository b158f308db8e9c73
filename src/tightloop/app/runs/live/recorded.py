"""Runs of strategies on bars over the recording of a session (``--fills ticks``): as the session ran."""

from dataclasses import dataclass
from typing import Any

from tightloop.app import report as run_report
from tightloop.app.markets.recorded import RecordedMarket, load_recorded_market
from tightloop.app.runs.driving import Driven, drive
from tightloop.app.runs.run import Run
from tightloop.app.runs.signal import SignalJob, SignalRun
from tightloop.model.errors import StrategyError
from tightloop.model.signal.plan import make_plan
from tightloop.model.signal.plan_numbers import write_venue
from tightloop.runtime.results import build as results_build
from tightloop.runtime.results.result import Result
from tightloop.runtime.session import recorded as recorded_driver


@dataclass(slots=True, kw_only=True)
class RecordedRun(SignalRun):
    """A finished run over a recording; why nothing was done is not in its report, because it is not made again."""

    market: RecordedMarket  # type: ignore[assignment]  # of another kind than those of plain runs

    def page(self, made_at: str) -> str:
        """Build the report."""
        text = "\n---\n".join(strategy.text for strategy in self.strategies)
        return run_report.page.build_report(
            self.summary, self.market.shown(), self.result.quality, text, self.command, made_at, None,
            trades=self.trades, orders=self.orders, fills=self.fills, equity=self.equity, signals=self.signals,
        )  # fmt: skip


@dataclass(slots=True)
class RecordedJob(SignalJob):
    """A backtest of strategies on bars over what a session received."""

    def load(self) -> None:
        """Open the recording."""
        self._market: Any = load_recorded_market(self.strategies, self.options.data, **self.options.window())
        self.reports, self.warnings = self._market.reports, self._market.warnings

    def plan(self) -> None:
        """Lay out State and arena; orders meet the venue on ticks."""
        self._plan = make_plan(self.strategies, self._market.rules, seed=self.options.seed)
        write_venue(self._plan.venues[0], self.strategies[0])

    def drive(self) -> Driven:
        """Drive the plan over the facts; a failure of a strategy in Python ends it as a part."""
        plan = self._plan
        try:
            return drive(
                lambda look: recorded_driver.run(plan, self._market.pieces(plan.instruments), self.recorder, look)
            )
        except StrategyError as error:
            return Driven(int(plan.states[0]["seq"]), is_part=True, failure=error)

    def result(self, warnings: list[str], quality: list[dict[str, Any]]) -> Result:
        """Build tables and summary."""
        return results_build.build(
            self._plan, self.recorder, data_digest=self._market.digest(), seed=self.options.seed, warnings=warnings,
            quality=quality,
        )  # fmt: skip

    def progress(self) -> dict[str, Any]:
        """Return the steps of the machine, the failure of a strategy in Python, and where orders were filled."""
        failure = None if self.driven.failure is None else str(self.driven.failure)
        return {"steps": int(self._plan.states[0]["seq"]), "failure": failure, "fills": "ticks"}

    def counts(self) -> tuple[int, int]:
        """Return facts and bars."""
        return self.driven.done, sum(int(row["bar_count"]) for row in self._plan.states[0]["instruments"])

    def run(self, **common: Any) -> Run:
        """Make the finished run."""
        return RecordedRun(strategies=self.strategies, market=self._market, **common)
