"""Recorded bars, one event at a time: their feed, the simulated venue behind an executor, equity after each RECORD."""

from collections.abc import Iterator

import numpy as np

from tightloop.core.domain.enums import EventKind, Phase
from tightloop.core.domain.types import EQUITY, EVENT, Rows
from tightloop.core.market.history import remember
from tightloop.core.replay import bars as replay_bars
from tightloop.model.signal.plan import Plan
from tightloop.runtime.backtest.one_by_one.loop import Loop, Observer, Taken, taken_from
from tightloop.runtime.feeds.bars import Feed
from tightloop.runtime.python.strategies import Strategies
from tightloop.runtime.results.recorder import Recorder


class BarEvents:
    """The events of a feed of bars, one by one."""

    def __init__(self, feed: Feed) -> None:
        self._feed, self.event = feed, np.zeros(1, EVENT)

    def next(self, due_ns: int) -> bool | None:  # noqa: ARG002  # of every feed; on bars timers act between bars
        """Write the next event; return None at the end."""
        feed = self._feed
        return replay_bars.feed_next(feed.streams, feed.heap, feed.bars, feed.rates, self.event) or None


class SimulatedExecutor:
    """The simulated venue on bars (``core/venue/bars.py``), behind the interface of a real one."""

    def __init__(self, plan: Plan) -> None:
        self._venues = plan.venues

    def before(self, event: Rows) -> Iterator[list[Rows]]:
        """Run the venue on the event, stage by stage; yield the answers of each."""
        stages = 3 if event[0]["kind"] == EventKind.BAR_CLOSED else 1
        for stage in range(stages):
            replay_bars.venue_stage(self._venues, event, stage)
            yield taken_from(self._venues)

    def after(self, event: Rows) -> None:
        """Skip: on bars the venue comes first."""

    def command(self, log: Rows, row: int) -> list[Rows]:
        """Pass a command to the venue; return its answers."""
        replay_bars.venue_command(self._venues, log, row)
        return taken_from(self._venues)


class BarMoments:
    """Strategies act after the last bar that closes at an instant, and after the last that opens."""

    delivers_at_once = True

    def __init__(self, plan: Plan, recorder: Recorder) -> None:
        self._plan, self._recorder = plan, recorder

    def before_step(self, event: Rows) -> None:
        """Skip: nothing is looked at before a step."""

    def speak(self, strategies: Strategies, taken: Taken) -> None:
        """Call strategies at the points where the compiled replay stops for them."""
        kind, phase = int(taken.event[0]["kind"]), taken.phase
        if kind == EventKind.BAR_CLOSED:
            remember(self._plan.states, strategies.session.past, int(taken.event[0]["instrument"]))
        is_close = phase & Phase.DECIDE_ON_CLOSE
        if is_close or (phase & Phase.RECORD and kind == EventKind.BAR_OPENED):
            strategies.settle()
            if is_close:
                strategies.bars_closed()

    def keep(self, taken: Taken) -> None:
        """Keep the equity after the last event of an instant."""
        if taken.phase & Phase.RECORD:
            row = np.zeros(1, EQUITY)
            state = self._plan.states[0]
            row["ts_ns"], row["equity"] = state["ts_ns"], state["equity"]
            row["cash"] = state["equity"] - state["unrealized"]
            self._recorder.take_equity(row, 1)

    def close(self) -> None:
        """Skip: equity is passed on row by row."""


def make_loop(plan: Plan, recorder: Recorder, observer: Observer | None = None) -> Loop:
    """Make the loop of a plan on bars."""
    return Loop(plan, SimulatedExecutor(plan), recorder, BarMoments(plan, recorder), observer)


def run(plan: Plan, feed: Feed, recorder: Recorder, observer: Observer | None = None) -> int:
    """Run a plan over a feed one event at a time; return the number of market events."""
    return make_loop(plan, recorder, observer).run(BarEvents(feed))
