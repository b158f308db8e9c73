"""Array driver of bars with strategies in Python: the compiled replay, up to the next point where one may act.

One call of compiled code a bar, then one call of the strategy. Same results as ``session/loop.py``, which takes one
event at a time.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.compiled import entry_of
from tightloop.core.domain.enums import Phase
from tightloop.core.domain.types import EQUITY, EVENT, Ints, Rows
from tightloop.core.replay import bars as replay_bars
from tightloop.core.replay import bars_stopping
from tightloop.core.replay import status as replay_status
from tightloop.model.signal.plan import Plan
from tightloop.runtime.feeds.bars import Feed
from tightloop.runtime.python.strategies import ROWS_IN_CALL, Listener, Strategies
from tightloop.runtime.python.supervise import supervised
from tightloop.runtime.results.recorder import Recorder

EVENTS_AT_ONCE = 200_000
Progress = Callable[[int], None]


class Observer(Protocol):
    """Observes a run event by event and changes nothing."""

    @property
    def listener(self) -> Listener:
        """Records what strategies in Python request."""

    def over(self, step_on: Callable[..., int], control: Ints, events: Rows, log: Rows) -> Callable[..., int]:
        """Wrap the compiled replay so that State is read after each market event."""

    @property
    def has_seen_all(self) -> bool:
        """Whether the run may end here."""


def run(
    plan: Plan,
    feed: Feed,
    recorder: Recorder,
    on_progress: Progress | None = None,
    *,
    is_daily: bool = False,
    equity_rows: int = 1_048_576,
    eye: Observer | None = None,
) -> int:
    """Run a plan over a feed to its end; return the number of market events.

    ``is_daily`` keeps only the last equity of each day; an ``eye`` observes every event and may end the run. Raises
    StrategyError if user code fails; the recorder then has everything up to it.
    """
    reserve = plan.rows_per_step + ROWS_IN_CALL
    log = core_log.new_log(max(2 * reserve, core_log.ROWS))
    driver = _Bars(plan, feed, recorder, log, reserve, is_daily, equity_rows, eye)
    try:
        return supervised(lambda: driver.run(on_progress), driver.strategies.failure)
    finally:
        driver.close()


def _words(array: Any) -> memoryview:
    """Return a memoryview of an int64 array: its items are read faster than the array's."""
    return memoryview(array)


class _Bars:
    """Drives the compiled replay from stop to stop, and the strategies at each."""

    def __init__(
        self,
        plan: Plan,
        feed: Feed,
        recorder: Recorder,
        log: Rows,
        reserve: int,
        is_daily: bool,
        rows: int,
        eye: Observer | None,
    ) -> None:
        self._eye, self._at_once = eye, EVENTS_AT_ONCE if eye is None else 1
        self._plan, self._feed, self._recorder, self._log, self._reserve = plan, feed, recorder, log, reserve
        self._rows, self._begin = rows, int(feed.streams["at"].sum())
        self.strategies = Strategies(plan, log, None if eye is None else eye.listener)
        self.strategies.deliver, self.strategies.make_room = self._deliver, self._make_room
        self._control = np.zeros(bars_stopping.CONTROL_COUNT, np.int64)
        self._control[replay_status.RESERVE], self._control[replay_bars.IS_DAILY] = reserve, int(is_daily)
        self._control[bars_stopping.SCANNED] = core_log.FIRST
        self._control[bars_stopping.STOP_AT_BARS] = int(self.strategies.defines("on_bar"))
        self._control[bars_stopping.DUE_NS] = self.strategies.due_ns
        self._equity = np.empty(rows, EQUITY)
        self._events = np.zeros(1, EVENT)
        self._deliver_all = entry_of(bars_stopping.deliver_all)

    def _arguments(self) -> tuple[Any, ...]:
        plan, feed = self._plan, self._feed
        return (
            plan.states, plan.arena, plan.venues, feed.streams, feed.heap, feed.bars, feed.rates, self._events,
            self._log, self._equity, plan.table, self._control, self.strategies.session.past, self.strategies.outside,
        )  # fmt: skip

    def run(self, on_progress: Progress | None) -> int:
        """Run to the end; return the number of market events."""
        step_on, control, arguments = entry_of(bars_stopping.replay_outside), self._control, self._arguments()
        if self._eye is not None:
            step_on = self._eye.over(step_on, control, self._events, self._log)
        words, phase = _words(control), _words(self._events.view(np.int64))[1:2]
        strategies, stopped, closes = self.strategies, replay_status.STOPPED, int(Phase.DECIDE_ON_CLOSE)
        bars_closed, session = strategies.bars_closed, strategies.session
        has_news, due = bars_stopping.HAS_NEWS, bars_stopping.DUE_NS
        control[replay_status.LEFT] = self._at_once
        while True:
            status = step_on(*arguments)
            if status == stopped:
                if words[has_news] or words[due] == 0 or session.timers:
                    strategies.settle()
                if phase[0] & closes:
                    bars_closed()
                if words[has_news] or session.timers or words[due] == 0:
                    words[has_news], words[due] = 0, strategies.due_ns
            elif status == replay_status.FINISHED:
                return self._feed.event_count
            elif status == replay_status.LOG_FULL:
                self._empty_log()
            elif status == replay_status.EQUITY_FULL:
                self._recorder.take_equity(self._equity, int(control[replay_status.EQUITY_COUNT]))
                self._equity, control[replay_status.EQUITY_COUNT] = np.empty(self._rows, EQUITY), 0
                arguments = self._arguments()
            elif self._eye is not None and self._eye.has_seen_all:
                return int(self._feed.streams["at"].sum()) - self._begin
            else:
                control[replay_status.LEFT] = self._at_once
                if on_progress is not None:
                    on_progress(2 * (int(self._feed.streams["at"].sum()) - self._begin))

    def _deliver(self) -> None:
        plan = self._plan
        self._deliver_all(plan.states, plan.arena, plan.venues, self._log, plan.table)
        self.strategies.session.count = 0
        self.strategies.collect_fills()

    def _make_room(self) -> None:
        if core_log.count(self._log) > len(self._log) - self._reserve:
            self._empty_log()

    def _empty_log(self) -> None:
        self.strategies.collect_fills()
        self._recorder.take_log(self._log)
        self.strategies.log_emptied()
        self._control[bars_stopping.SCANNED] = core_log.FIRST

    def close(self) -> None:
        """Write the equity still owed, and hand the rest of log and equity to the recorder."""
        if self._control[bars_stopping.IS_OWED] and self._control[replay_status.EQUITY_COUNT] < len(self._equity):
            self._control[replay_status.LEFT] = 0
            bars_stopping.replay_outside(*self._arguments())
        self._recorder.take_log(self._log)
        self._recorder.take_equity(self._equity, int(self._control[replay_status.EQUITY_COUNT]))
