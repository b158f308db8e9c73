"""The driver that runs one event at a time: journal the event, step, hand the commands to the executor.

It calls the same compiled functions as the replay, in the same order, but from outside and one by one, as a session
does that speaks to a real venue. ``SimulatedExecutor`` is the executor of recorded and streamed bars.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from tightloop.core import log as core_log
from tightloop.core import replay
from tightloop.core.types import EQUITY, EVENT, EventKind, Phase, RowKind, Rows
from tightloop.model.plan import Plan
from tightloop.runtime.feeds import Feed
from tightloop.runtime.recorder import Recorder

Observer = Callable[[Plan], None]


class Executor(Protocol):
    """Where commands go and order events come from."""

    def before(self, event: Rows) -> Iterator[list[Rows]]:
        """Order events a market event causes at the venue before the step hears of it, those of one moment together."""

    def command(self, log: Rows, row: int) -> list[Rows]:
        """Give the venue the command in a row of the log; the order events it answers with."""


class SimulatedExecutor:
    """The venue of ``core.matching``, spoken to as one speaks to a real one."""

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
            replay.venue_stage(self._venues, event, stage)
            yield self._answers()

    def command(self, log: Rows, row: int) -> list[Rows]:
        replay.venue_command(self._venues, log, row)
        return self._answers()


class Loop:
    """One session of one plan."""

    def __init__(self, plan: Plan, executor: Executor, recorder: Recorder, observer: Observer | None = None) -> None:
        self._plan = plan
        self._executor = executor
        self._recorder = recorder
        self._observer = observer
        self._log = core_log.new_log(max(2 * plan.rows_per_step, 2_048))

    def _step(self, event: Rows) -> None:
        plan = self._plan
        replay.step_one(plan.states, plan.arena, event, self._log, plan.table)
        if self._observer is not None:
            self._observer(plan)

    def _deliver(self, waiting: list[Rows]) -> None:
        """Commands first, then what the venue said, in the order it was said, until neither has anything to say."""
        header = self._log[core_log.HEADER]
        while True:
            if header["oco"] < header["slot"]:
                row = int(header["oco"])
                header["oco"] = row + 1
                if self._log[row]["kind"] <= RowKind.AMEND:
                    waiting += self._executor.command(self._log, row)
            elif waiting:
                self._step(waiting.pop(0))
            else:
                return

    def take(self, event: Rows) -> None:
        """One market event: what the venue makes of it, the step, and what the step commands."""
        if len(self._log) - int(self._log[core_log.HEADER]["slot"]) < self._plan.rows_per_step:
            self._recorder.take_log(self._log)
        for answers in self._executor.before(event):
            self._deliver(answers)
        self._step(event)
        self._deliver([])
        if int(event[0]["phase"]) & Phase.RECORD:
            row = np.zeros(1, EQUITY)
            state = self._plan.states[0]
            row["ts_ns"], row["equity"] = state["ts_ns"], state["equity"]
            row["cash"] = state["equity"] - state["unrealized"]
            self._recorder.take_equity(row, 1)

    def close(self) -> None:
        """Hand over what is left."""
        self._recorder.take_log(self._log)


def run(plan: Plan, feed: Feed, recorder: Recorder, observer: Observer | None = None) -> int:
    """Run a plan over a feed one event at a time; returns the number of market events. ``observer`` sees every step."""
    loop = Loop(plan, SimulatedExecutor(plan), recorder, observer)
    events = np.zeros(1, EVENT)
    count = 0
    while replay.feed_next(feed.streams, feed.heap, feed.bars, feed.rates, events):
        loop.take(events)
        count += 1
    loop.close()
    return count
