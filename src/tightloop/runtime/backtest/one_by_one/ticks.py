"""Recorded ticks, one event at a time: the merged occurrences of feed and simulated venue, equity by the minute.

In simulated time the next event is whatever is due first of the market, the venue's answers and timers, so the feed
runs the venue forward as well: an answer reaches the strategy as an event of the feed, when it has travelled.
"""

from collections.abc import Iterator

import numpy as np

from tightloop.core.domain.types import EQUITY, EVENT, Rows
from tightloop.core.limits import MINUTE_NS
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.signal.plan import Plan
from tightloop.runtime.backtest.one_by_one.loop import Loop, Observer, Taken
from tightloop.runtime.feeds import tape_room
from tightloop.runtime.feeds.ticks import TickFeed
from tightloop.runtime.python.strategies import Strategies
from tightloop.runtime.results.recorder import Recorder


class TickWorld:
    """Feed and executor of simulated ticks."""

    def __init__(self, plan: Plan, feed: TickFeed) -> None:
        self._plan, self._feed, self.event = plan, feed, np.zeros(1, EVENT)
        self._sees = 0

    def next(self, due_ns: int) -> bool | None:
        """Run occurrences until one is an event for the strategy; None at the end."""
        plan, feed = self._plan, self._feed
        while True:
            what = replay_ticks.run_next_occurrence(
                plan.states, plan.venues, feed.streams, feed.heap, feed.ticks, feed.rates, self.event, due_ns
            )
            if what == replay_ticks.MISSING:
                feed.refill()
            elif what == replay_ticks.NOTHING:
                return None
            elif what == replay_ticks.ANSWERED:
                return False
            elif what >= 8:
                self._sees = what // 8
                if self._sees & replay_ticks.STRATEGY:
                    return True
                self.after(self.event)

    def before(self, event: Rows) -> Iterator[list[Rows]]:
        """Note the latency of the feed; the strategy receives before the venue acts."""
        replay_ticks.strategy_received(self._plan.venues, event)
        return iter(())

    def after(self, event: Rows) -> None:
        """Pass an event on to the venue, if it sees it."""
        if self._sees & replay_ticks.VENUE:
            replay_ticks.venue_sees(self._plan.venues, event)

    def command(self, log: Rows, row: int) -> list[Rows]:
        """Send a command; its answer is an event of the feed, later."""
        replay_ticks.send_row(self._plan.venues, log, row)
        return []


class TickMoments:
    """Strategies act after every event they receive; the last equity of each minute is kept, and the first of all."""

    delivers_at_once = False

    def __init__(self, plan: Plan, recorder: Recorder) -> None:
        self._plan, self._recorder = plan, recorder
        self._strategies: Strategies | None = None
        self._equity: list[tuple[int, float, float]] = []
        self._minute = -1

    def before_step(self, event: Rows) -> None:
        """Skip: nothing is looked at before a step."""

    def speak(self, strategies: Strategies, taken: Taken) -> None:
        """Tell strategies what was received."""
        self._strategies = strategies
        strategies.received(taken.event[0], is_market=taken.is_market)

    def keep(self, taken: Taken) -> None:
        """Keep the last equity of each minute; give windows more room where a tape is full."""
        state = self._plan.states[0]
        now_ns = int(state["ts_ns"])
        row = (now_ns, float(state["equity"]), float(state["equity"] - state["unrealized"]))
        minute = (now_ns - 1) // MINUTE_NS
        if len(self._equity) > 1 and minute == self._minute:
            self._equity.pop()
        self._minute = minute
        self._equity.append(row)
        instrument = int(taken.event[0]["instrument"])
        if taken.is_market and instrument >= 0 and replay_ticks.is_crowded(self._plan.states, instrument):
            tape_room.grow(self._plan, instrument)
            if self._strategies is not None:
                self._strategies.arena_moved()

    def close(self) -> None:
        """Pass the equity to the recorder."""
        self._recorder.take_equity(np.array(self._equity, EQUITY), len(self._equity))


def run(plan: Plan, feed: TickFeed, recorder: Recorder, observer: Observer | None = None) -> int:
    """Run a plan over a feed one event at a time; return the number of market events, those of the grid included."""
    world = TickWorld(plan, feed)
    return Loop(plan, world, recorder, TickMoments(plan, recorder), observer).run(world)
