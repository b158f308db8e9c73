"""Array driver of ticks with strategies in Python: the compiled replay, up to the next point where one may act."""

from typing import Any

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.compiled import entry_of
from tightloop.core.domain.types import EQUITY, EVENT
from tightloop.core.replay import bars_stopping, ticks_stopping
from tightloop.core.replay import status as replay_status
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.signal.plan import Plan
from tightloop.runtime.backtest.bars_python import EVENTS_AT_ONCE, Observer, Progress
from tightloop.runtime.feeds import tape_room
from tightloop.runtime.feeds.ticks import TickFeed
from tightloop.runtime.python.strategies import ROWS_IN_CALL, Strategies
from tightloop.runtime.python.supervise import supervised
from tightloop.runtime.results.recorder import Recorder


def run(
    plan: Plan,
    feed: TickFeed,
    recorder: Recorder,
    on_progress: Progress | None,
    period_ns: int,
    equity_rows: int,
    eye: Observer | None = None,
) -> int:
    """Run a plan over a feed to its end; return the number of market events, those of the grid included.

    An ``eye`` observes every event and may end the run.
    """
    driver = _Ticks(plan, feed, recorder, period_ns, equity_rows, eye)
    try:
        return supervised(lambda: driver.run(on_progress), driver.strategies.failure)
    finally:
        driver.close()


class _Ticks:
    """Drives the compiled replay from stop to stop, and the strategies at each."""

    def __init__(
        self, plan: Plan, feed: TickFeed, recorder: Recorder, period_ns: int, equity_rows: int, eye: Observer | None
    ) -> None:
        self._eye, self._at_once = eye, EVENTS_AT_ONCE if eye is None else 1
        self._plan, self._feed, self._recorder, self._rows = plan, feed, recorder, equity_rows
        reserve = plan.rows_per_step + ROWS_IN_CALL
        self._log = core_log.new_log(max(2 * reserve, core_log.ROWS))
        self.strategies = Strategies(plan, self._log, None if eye is None else eye.listener)
        self._control = control = np.zeros(ticks_stopping.CONTROL_COUNT, np.int64)
        control[replay_status.RESERVE], control[replay_ticks.PERIOD_NS] = reserve, period_ns
        control[replay_ticks.PERIOD_END], control[bars_stopping.SCANNED] = -1, core_log.FIRST
        control[ticks_stopping.STOP_AT_TRADES] = int(self.strategies.defines("on_trade"))
        control[ticks_stopping.STOP_AT_QUOTES] = int(self.strategies.defines("on_quote"))
        control[ticks_stopping.DUE_NS] = self.strategies.due_ns
        self._equity = np.empty(equity_rows, EQUITY)
        self._events = np.zeros(1, EVENT)

    def _arguments(self) -> tuple[Any, ...]:
        plan, feed = self._plan, self._feed
        return (
            plan.states, plan.arena, plan.venues, feed.streams, feed.heap, feed.ticks, feed.rates, self._events,
            self._log, self._equity, plan.table, self._control, self.strategies.outside,
        )  # fmt: skip

    def run(self, on_progress: Progress | None) -> int:
        """Run to the end; return the number of market events."""
        step_on, control, strategies = entry_of(ticks_stopping.tick_replay_outside), self._control, self.strategies
        arguments = self._arguments()
        if self._eye is not None:
            step_on = self._eye.over(step_on, control, self._events, self._log)
        control[replay_status.LEFT] = self._at_once
        while True:
            status = step_on(*arguments)
            if status == replay_status.STOPPED:
                strategies.received(self._events[0], is_market=bool(control[ticks_stopping.IS_MARKET]))
                control[bars_stopping.HAS_NEWS], control[ticks_stopping.DUE_NS] = 0, strategies.due_ns
            elif status == replay_status.FINISHED:
                return int(control[replay_ticks.DONE])
            elif status == replay_status.STARVED:
                self._feed.refill()
            elif self._eye is not None and status == replay_status.PAUSED and self._eye.has_seen_all:
                return int(control[replay_ticks.DONE])
            else:
                self._attend(status, on_progress)
                arguments = self._arguments()

    def _attend(self, status: int, on_progress: Progress | None) -> None:
        """Resolve what the replay returned for (a full log or equity, a crowded tape); then report progress."""
        control = self._control
        if status == replay_status.CROWDED:
            tape_room.grow(self._plan, int(control[replay_ticks.NUMBER]))
            self.strategies.arena_moved()
        elif status == replay_status.EQUITY_FULL:
            # Keep two rows: the last may still be overwritten, and only a first row is never overwritten.
            self._recorder.take_equity(self._equity, int(control[replay_status.EQUITY_COUNT]) - 2)
            last = self._equity[-2:].copy()
            self._equity, control[replay_status.EQUITY_COUNT] = np.empty(self._rows, EQUITY), 2
            self._equity[:2] = last
        elif status == replay_status.LOG_FULL:
            self.strategies.collect_fills()
            self._recorder.take_log(self._log)
            self.strategies.log_emptied()
            control[bars_stopping.SCANNED] = core_log.FIRST
        else:
            control[replay_status.LEFT] = self._at_once
        if on_progress is not None:
            on_progress(int(control[replay_ticks.DONE]))

    def close(self) -> None:
        """Pass the rest of log and equity to the recorder."""
        self._recorder.take_log(self._log)
        self._recorder.take_equity(self._equity, int(self._control[replay_status.EQUITY_COUNT]))
