"""A finished run on bars or ticks: its strategies, the market that it read, its report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tightloop.app import report as run_report
from tightloop.app.markets.bars import Market
from tightloop.app.markets.ticks import TickMarket
from tightloop.app.runs.files import RunFiles
from tightloop.model.files.gathered import Gathering
from tightloop.model.files.overrides import with_settings
from tightloop.model.signal.plan import make_plan
from tightloop.model.signal.read import Strategy

TABLES = ("trades", "orders", "fills", "equity", "signals", "transitions")


@dataclass(slots=True, kw_only=True)
class Run(RunFiles):
    """A finished run on bars or ticks."""

    strategies: tuple[Strategy, ...]
    market: Market | TickMarket

    def report(self) -> str:
        """Build the report: one self-contained HTML page."""
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
        """Return bars (dtype BAR) by instrument that the report draws prices from; on ticks, made of the ticks."""
        if isinstance(self.market, TickMarket):
            return self.market.shown()
        return {str(instrument): rows for instrument, rows in self.market.bars.items()}

    def texts(self) -> dict[str, bytes]:
        """Return the strategy files with the run's options written into them, and the code of strategies in Python."""
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
    """Return the names of the strategy files in a run's folder, in the order of the run."""
    if len(strategies) == 1:
        return ["strategy.yaml"]
    return [f"strategy-{strategy.config_hash}.yaml" for strategy in strategies]
