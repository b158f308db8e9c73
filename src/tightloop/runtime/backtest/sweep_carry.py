"""Sweeps of a carry strategy: many settings over the same feed, each a separate run on shared columns."""

from collections.abc import Mapping

import numpy as np

from tightloop.core.domain.enums import RowKind, WarningCode
from tightloop.model.carry.plan import CarryPlan, make_carry_plan
from tightloop.model.carry.strategy import CarryStrategy
from tightloop.runtime.backtest import carry as carry_backtest
from tightloop.runtime.backtest.sweep import DENIED, Figures
from tightloop.runtime.feeds import carry_tape
from tightloop.runtime.feeds.carry import CarryFeed, Settlement
from tightloop.runtime.results.carry import figures as carry_figures
from tightloop.runtime.results.carry.record import CarryRecord
from tightloop.runtime.results.carry.trades import TradeBook
from tightloop.runtime.results.recorder import Recorder

KINDS = (RowKind.INSTRUCTION_EXECUTED, RowKind.INSTRUCT, RowKind.WARNING)


class Tapes:
    """Tapes made from one feed; plans that read the same series in the same places share one."""

    def __init__(self, feed: CarryFeed) -> None:
        self.feed = feed
        self._made: dict[object, carry_tape.CarryTape] = {}

    def tape(self, plan: CarryPlan) -> carry_tape.CarryTape:
        """Return the tape of a plan, made once; runs only read it."""
        strategy = plan.strategy
        legs = tuple(leg.name for leg in strategy.legs)
        key = (plan.series, plan.holdings, tuple(plan.rewards.items()), legs, strategy.capital, strategy.flows)
        if key not in self._made:
            self._made[key] = carry_tape.make_tape(plan, self.feed)
        return self._made[key]


def run_figures(strategy: CarryStrategy, tapes: Tapes) -> Figures:
    """Run a strategy and return metrics and figures, the same as those of its ``result.json``."""
    feed = tapes.feed
    plan = make_carry_plan(strategy, [(key.kind, key.name) for key in feed.series])
    recorder = Recorder(kinds=KINDS)
    record = CarryRecord(plan, feed, carry_backtest.run(plan, tapes.tape(plan), recorder), recorder)
    denied = int(np.count_nonzero(recorder.columns(RowKind.WARNING)["code"] == int(WarningCode.BUNDLE_DENIED)))
    return {**carry_figures.swept(record, TradeBook(record).closed()), DENIED: denied}


def parts_of(feed: CarryFeed, share: float) -> tuple[CarryFeed, CarryFeed]:
    """Split a feed after ``share`` of its instants; the second part begins at the instant the first ends with."""
    cut = min(max(1, int(len(feed.instants) * share)), len(feed.instants) - 1)
    return _part(feed, 0, cut), _part(feed, cut, len(feed.instants) - 1)


def _part(feed: CarryFeed, first: int, last: int) -> CarryFeed:
    begin, end = int(feed.instants[first]), int(feed.instants[last])
    settlements: Mapping[str, Settlement] = {
        name: _within(settlement, begin, end) for name, settlement in feed.settlements.items()
    }
    return CarryFeed(
        feed.instants[first : last + 1],
        feed.series,
        feed.values[first : last + 1],
        settlements,
        {leg: tuple(each for each in paid if begin < each.ts_ns <= end) for leg, paid in feed.payouts.items()},
        {leg: tuple(each for each in said if begin <= each.ts_ns <= end) for leg, said in feed.predictions.items()},
        feed.interpolated,
        feed.data_hash,
        feed.reports,
        feed.warnings,
    )


def _within(settlement: Settlement, begin: int, end: int) -> Settlement:
    inside = np.flatnonzero((settlement.ts_ns > begin) & (settlement.ts_ns <= end))
    return Settlement(settlement.ts_ns[inside], settlement.rate[inside], settlement.mark[inside])
