"""The one driver of a run that steps one event at a time, over a feed and an executor.

It calls the same compiled functions as the replays, in the same order, but one by one from Python; its results are
those of the array drivers, byte for byte. What differs between bars, ticks and carry stands behind three protocols: an
``EventFeed`` gives events, an ``Executor`` takes commands and gives answers, ``Moments`` say when strategies in Python
act and what is kept. One event goes this way (``take``):

    1. timers that must act before the event, as an event of their own
    2. the executor sees the event first (``before``): what it causes at a simulated venue, in stages; each answer is
       stepped, and what that commands is sent, before the next
    3. the step
    4. the executor sees it (``after``): a venue with a clock of its own, where the strategy receives first
    5. commands are sent and answers stepped, until both queues are empty
    6. strategies in Python act, and 5 again for what they request

An answer that takes time to travel comes from the feed, and skips 1, 2 and 4.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.types import EVENT, Rows
from tightloop.core.replay import bars as replay_bars
from tightloop.model.carry.plan import CarryPlan
from tightloop.model.signal.plan import Plan
from tightloop.runtime.python.strategies import ROWS_IN_CALL, Strategies
from tightloop.runtime.python.supervise import supervised
from tightloop.runtime.results.recorder import Recorder

Observer = Callable[[Any], None]
"""Called with the plan after each step."""
LOG_ROWS = 2_048
COMMANDS = (RowKind.SUBMIT, RowKind.CANCEL, RowKind.AMEND, RowKind.INSTRUCT)


class EventFeed(Protocol):
    """Where events come from."""

    event: Rows
    """One row (EVENT): the event of the last ``next``."""

    def next(self, due_ns: int) -> bool | None:
        """Write the next event: True for market data, a timer or the grid, False for an answer; None at the end.

        ``due_ns``: when a strategy in Python wants to be called whatever happens.
        """


class Executor(Protocol):
    """Where commands go and answers come from."""

    def before(self, event: Rows) -> Iterator[list[Rows]]:
        """Yield the answers a market event causes before the step receives it, those of one moment together."""

    def after(self, event: Rows) -> None:
        """Take a market event that the step has received."""

    def command(self, log: Rows, row: int) -> list[Rows]:
        """Send the command in a row of the log; return the answers that are there at once."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An event (one row of EVENT) that was taken, its phase as it came, and whether it is market data."""

    event: Rows
    phase: int
    is_market: bool


class Moments(Protocol):
    """When strategies in Python act, and what is kept beside the log."""

    delivers_at_once: bool
    """Whether what a strategy requests is delivered when its call returns; else when all of them have acted."""

    def before_step(self, event: Rows) -> None:
        """Look at State before a market event is stepped."""

    def speak(self, strategies: Strategies, taken: Taken) -> None:
        """Call strategies in Python, if this is a moment to."""

    def keep(self, taken: Taken) -> None:
        """Keep what is kept after an event: equity, a snapshot."""

    def close(self) -> None:
        """Pass what is left to the recorder."""


class Loop:
    """One run of one plan."""

    def __init__(
        self,
        plan: Plan | CarryPlan,
        executor: Executor,
        recorder: Recorder,
        moments: Moments,
        observer: Observer | None = None,
    ) -> None:
        self._plan, self._executor, self._recorder, self._moments = plan, executor, recorder, moments
        self._observer = observer
        self._timer = np.zeros(1, EVENT)
        has_code = isinstance(plan, Plan) and plan.has_code
        self._reserve = plan.rows_per_step + (ROWS_IN_CALL if has_code else 0)
        self._log = core_log.new_log(max(2 * self._reserve, LOG_ROWS))
        self.strategies = Strategies(plan, self._log) if isinstance(plan, Plan) and has_code else None
        if self.strategies is not None and moments.delivers_at_once:
            self.strategies.deliver, self.strategies.make_room = self._deliver_requests, self._make_room

    def run(self, feed: EventFeed) -> int:
        """Take every event of a feed; return the number of market events. Raises StrategyError if user code fails."""
        try:
            if self.strategies is None:
                return self._take_all(feed)
            return supervised(lambda: self._take_all(feed), self.strategies.failure)
        finally:
            self.close()

    def _take_all(self, feed: EventFeed) -> int:
        count, never_ns = 0, 2**63 - 1
        while True:
            due_ns = never_ns if self.strategies is None else self.strategies.due_ns or never_ns
            is_market = feed.next(due_ns)
            if is_market is None:
                return count
            self.take(feed.event, is_market=is_market)
            count += is_market

    def take(self, event: Rows, *, is_market: bool = True) -> None:
        """Take one event (one row of EVENT), in the order that the top of this file says."""
        self._make_room()
        phase = int(event[0]["phase"])
        is_decided_later = False
        if is_market:
            if replay_bars.timer_first(self._plan.states, event, self._timer):
                self.take(self._timer)
            for answers in self._executor.before(event):
                self._deliver(answers)
            is_decided_later = replay_bars.timer_after(self._plan.states, event, self._timer)
            self._moments.before_step(event)
        self._step(event)
        if is_market:
            self._executor.after(event)
        self._deliver([])
        if is_decided_later:
            event["phase"] = phase
            self._step(self._timer)
            self._deliver([])
        taken = Taken(event, phase, is_market)
        if self.strategies is not None:
            self._moments.speak(self.strategies, taken)
            self._deliver([])
        self._moments.keep(taken)

    def _step(self, event: Rows) -> None:
        plan = self._plan
        replay_bars.step_one(plan.states, plan.arena, event, self._log, plan.table)
        if self._observer is not None:
            self._observer(plan)

    def _deliver(self, waiting: list[Rows]) -> None:
        """Send commands, then step answers in order, until both queues are empty."""
        while True:
            row = core_log.pop_row(self._log)
            if row >= 0:
                if self._log[row]["kind"] in COMMANDS:
                    waiting += self._executor.command(self._log, row)
            elif waiting:
                self._step(waiting.pop(0))
            else:
                return

    def _deliver_requests(self) -> None:
        assert self.strategies is not None, "strategies in Python request"
        self._deliver([])
        self.strategies.session.count = 0
        self.strategies.collect_fills()

    def _make_room(self) -> None:
        if core_log.room(self._log) < self._reserve:
            if self.strategies is not None:
                self.strategies.collect_fills()
            self._recorder.take_log(self._log)
            if self.strategies is not None:
                self.strategies.log_emptied()

    def close(self) -> None:
        """Pass what is left to the recorder."""
        self._recorder.take_log(self._log)
        self._moments.close()


def taken_from(venues: Rows) -> list[Rows]:
    """Take all answers out of the inbox of a simulated venue."""
    venue = venues[0]
    answers = venue["inbox"][int(venue["inbox_taken"]) : int(venue["inbox_count"])].copy()
    venue["inbox_count"] = venue["inbox_taken"] = 0
    return [answers[k : k + 1] for k in range(len(answers))]
