"""Driver that steps one event at a time: ask the executor, call the step, hand its commands to the executor.

It calls the same compiled functions as the replay of bars, in the same order, but one by one from Python, as a live
session must. ``SimulatedExecutor`` is the executor of recorded bars.
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.domain.enums import EventKind, Phase, RowKind
from tightloop.core.domain.types import EQUITY, EVENT, Rows
from tightloop.core.market.history import remember
from tightloop.core.replay import bars as replay_bars
from tightloop.model.signal.plan import Plan
from tightloop.runtime.feeds.bars import Feed
from tightloop.runtime.python.strategies import ROWS_IN_CALL, Strategies
from tightloop.runtime.python.supervise import supervised
from tightloop.runtime.results.recorder import Recorder

Observer = Callable[[Plan], None]


class Executor(Protocol):
    """Where commands go and order events come from."""

    def before(self, event: Rows) -> Iterator[list[Rows]]:
        """Yield the order events a market event causes at the venue before the step, those of one moment together."""

    def command(self, log: Rows, row: int) -> list[Rows]:
        """Send the command in a row of the log; return the order events it is answered with."""


class SimulatedExecutor:
    """The simulated venue on bars (``core/venue/bars.py``), behind the interface of a real one."""

    def __init__(self, plan: Plan) -> None:
        self._venues = plan.venues

    def _answers(self) -> list[Rows]:
        venue = self._venues[0]
        count = int(venue["inbox_count"])
        answers = venue["inbox"][:count].copy()
        venue["inbox_count"] = 0
        return [answers[k : k + 1] for k in range(count)]

    def before(self, event: Rows) -> Iterator[list[Rows]]:
        stages = 3 if event[0]["kind"] == EventKind.BAR_CLOSED else 1
        for stage in range(stages):
            replay_bars.venue_stage(self._venues, event, stage)
            yield self._answers()

    def command(self, log: Rows, row: int) -> list[Rows]:
        replay_bars.venue_command(self._venues, log, row)
        return self._answers()


class Loop:
    """One session of one plan."""

    def __init__(self, plan: Plan, executor: Executor, recorder: Recorder, observer: Observer | None = None) -> None:
        self._plan = plan
        self._executor = executor
        self._recorder = recorder
        self._observer = observer
        self._timer = np.zeros(1, EVENT)
        self._reserve = plan.rows_per_step + (ROWS_IN_CALL if plan.has_code else 0)
        self._log = core_log.new_log(max(2 * self._reserve, 2_048))
        self.strategies = Strategies(plan, self._log) if plan.has_code else None
        if self.strategies is not None:
            self.strategies.deliver, self.strategies.make_room = self._deliver_wanted, self._make_room

    def _step(self, event: Rows) -> None:
        plan = self._plan
        replay_bars.step_one(plan.states, plan.arena, event, self._log, plan.table)
        if self._observer is not None:
            self._observer(plan)

    def _deliver(self, waiting: list[Rows]) -> None:
        """Send commands, then apply the venue's events in order, until both queues are empty."""
        while True:
            row = core_log.pop_row(self._log)
            if row >= 0:
                if self._log[row]["kind"] <= RowKind.AMEND:
                    waiting += self._executor.command(self._log, row)
            elif waiting:
                self._step(waiting.pop(0))
            else:
                return

    def take(self, event: Rows) -> None:
        """Take one market event: the venue first, then the step, then the step's commands."""
        self._make_room()
        if replay_bars.timer_first(self._plan.states, event, self._timer):
            self.take(self._timer)
        for answers in self._executor.before(event):
            self._deliver(answers)
        phase = int(event[0]["phase"])
        is_decided_later = replay_bars.timer_after(self._plan.states, event, self._timer)
        self._step(event)
        self._deliver([])
        if is_decided_later:
            event["phase"] = phase
            self._step(self._timer)
            self._deliver([])
        if self.strategies is not None:
            self._speak(self.strategies, event[0])
        if phase & Phase.RECORD:
            row = np.zeros(1, EQUITY)
            state = self._plan.states[0]
            row["ts_ns"], row["equity"] = state["ts_ns"], state["equity"]
            row["cash"] = state["equity"] - state["unrealized"]
            self._recorder.take_equity(row, 1)

    def _make_room(self) -> None:
        if core_log.room(self._log) < self._reserve:
            if self.strategies is not None:
                self.strategies.hear()
            self._recorder.take_log(self._log)
            if self.strategies is not None:
                self.strategies.log_emptied()

    def _speak(self, strategies: Strategies, event: Any) -> None:
        """Call strategies in Python at the points where the compiled replay stops for them."""
        kind, phase = int(event["kind"]), int(event["phase"])
        if kind == EventKind.BAR_CLOSED:
            remember(self._plan.states, strategies.desk.past, int(event["instrument"]))
        is_close = phase & Phase.DECIDE_ON_CLOSE
        if is_close or (phase & Phase.RECORD and kind == EventKind.BAR_OPENED):
            strategies.settle()
            if is_close:
                strategies.bars_closed()

    def _deliver_wanted(self) -> None:
        assert self.strategies is not None, "somebody wants something"
        self._deliver([])
        self.strategies.desk.count = 0
        self.strategies.hear()

    def close(self) -> None:
        """Pass the rest of the log to the recorder."""
        self._recorder.take_log(self._log)


def run(plan: Plan, feed: Feed, recorder: Recorder, observer: Observer | None = None) -> int:
    """Run a plan over a feed one event at a time; return the number of market events.

    ``observer`` is called after every step.
    """
    loop = Loop(plan, SimulatedExecutor(plan), recorder, observer)
    events = np.zeros(1, EVENT)

    def take_all() -> int:
        count = 0
        while replay_bars.feed_next(feed.streams, feed.heap, feed.bars, feed.rates, events):
            loop.take(events)
            count += 1
        return count

    try:
        return take_all() if loop.strategies is None else supervised(take_all, loop.strategies.failure)
    finally:
        loop.close()
