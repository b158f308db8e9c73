"""Drivers of a run on ticks: the compiled replay, and one occurrence at a time from Python. Same results.

Equity is kept at the end of every minute and at the first event; drawdown is followed at every event.
"""

from collections.abc import Callable

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.domain.types import EQUITY, EVENT, Rows
from tightloop.core.limits import MINUTE_NS, NEVER_NS
from tightloop.core.replay import bars as replay_bars
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.signal.plan import Plan
from tightloop.runtime import backtest
from tightloop.runtime.feeds import tape_room
from tightloop.runtime.feeds.ticks import TickFeed
from tightloop.runtime.python.strategies import ROWS_IN_CALL, Strategies
from tightloop.runtime.python.supervise import supervised
from tightloop.runtime.results.recorder import Recorder

EQUITY_ROWS = 65_536
EVENTS_AT_ONCE = 1_000_000
Progress = Callable[[int], None]
Observer = Callable[[Plan], None]


def compile_for(plan: Plan) -> None:
    """Compile the replay for Python strategies before timing starts (about 30 s, once)."""
    if plan.has_code:
        _ = backtest.ticks_python  # importing it compiles it


def run(
    plan: Plan, feed: TickFeed, recorder: Recorder, on_progress: Progress | None = None, period_ns: int = MINUTE_NS
) -> int:
    """Run a plan over a feed to its end; return the number of market events, those of the grid included.

    ``on_progress`` is called with the events done. After a KeyboardInterrupt the recorder has everything up to it.
    """
    if plan.has_code:
        return backtest.ticks_python.run(plan, feed, recorder, on_progress, period_ns, EQUITY_ROWS)
    log = core_log.new_log(plan.rows_per_step + core_log.ROWS)
    events = np.zeros(1, EVENT)
    control = np.zeros(replay_ticks.CONTROL_COUNT, np.int64)
    control[replay_ticks.RESERVE], control[replay_ticks.PERIOD_NS] = plan.rows_per_step, period_ns
    control[replay_ticks.PERIOD_END] = control[replay_ticks.NUMBER] = -1
    equity = np.empty(EQUITY_ROWS, EQUITY)
    plan.states["is_on_demand"] = 1
    try:
        while True:
            control[replay_ticks.LEFT] = EVENTS_AT_ONCE
            try:
                status = replay_ticks.tick_replay(
                    plan.states, plan.arena, plan.venues, feed.streams, feed.heap, feed.ticks, feed.rates, events,
                    log, equity, plan.table, control,
                )  # fmt: skip
            finally:
                if core_log.room(log) < plan.rows_per_step:
                    recorder.take_log(log)
            if status == replay_ticks.FINISHED:
                return int(control[replay_ticks.DONE])
            if status == replay_ticks.STARVED:
                feed.refill()
            elif status == replay_ticks.CROWDED:
                tape_room.grow(plan, int(control[replay_ticks.NUMBER]))
            elif status == replay_ticks.EQUITY_FULL:
                # Keep two rows: the last may still be overwritten, and only a first row is never overwritten.
                recorder.take_equity(equity, int(control[replay_ticks.EQUITY_COUNT]) - 2)
                last = equity[-2:].copy()
                equity, control[replay_ticks.EQUITY_COUNT] = np.empty(EQUITY_ROWS, EQUITY), 2
                equity[:2] = last
            if on_progress is not None:
                on_progress(int(control[replay_ticks.DONE]))
    finally:
        replay_ticks.measure_put_off(plan.states, plan.arena, plan.table)
        plan.states["is_on_demand"] = 0
        recorder.take_log(log)
        recorder.take_equity(equity, int(control[replay_ticks.EQUITY_COUNT]))


def run_one_by_one(plan: Plan, feed: TickFeed, recorder: Recorder, observer: Observer | None = None) -> int:
    """Run one occurrence at a time, as a live session does. ``observer`` is called after each step."""
    driver = _OneByOne(plan, recorder, observer)

    def take_all() -> int:
        events, count = np.zeros(1, EVENT), 0
        while True:
            due_ns = NEVER_NS if driver.strategies is None else driver.strategies.due_ns or NEVER_NS
            what = replay_ticks.run_next_occurrence(
                plan.states, plan.venues, feed.streams, feed.heap, feed.ticks, feed.rates, events, due_ns
            )
            if what == replay_ticks.MISSING:
                feed.refill()
            elif what == replay_ticks.NOTHING:
                return count
            elif what == replay_ticks.ANSWERED:
                driver.step(events)
                driver.record(events, is_market=False)
            elif what >= 8:
                driver.market(events, what // 8)
                count += what // 8 & replay_ticks.STRATEGY

    try:
        return take_all() if driver.strategies is None else supervised(take_all, driver.strategies.failure)
    finally:
        driver.close()


class _OneByOne:
    """Calls the step for each event, and whoever else it concerns."""

    def __init__(self, plan: Plan, recorder: Recorder, observer: Observer | None) -> None:
        self._plan, self._recorder, self._observer = plan, recorder, observer
        self._reserve = plan.rows_per_step + (ROWS_IN_CALL if plan.has_code else 0)
        self._log = core_log.new_log(max(2 * self._reserve, 2_048))
        self.strategies = Strategies(plan, self._log) if plan.has_code else None
        self._equity: list[tuple[int, float, float]] = []
        self._period = -1

    def step(self, events: Rows) -> None:
        """Call the step on an event; drain the log first if it lacks room."""
        plan = self._plan
        if core_log.room(self._log) < self._reserve:
            if self.strategies is not None:
                self.strategies.hear()
            self._recorder.take_log(self._log)
            if self.strategies is not None:
                self.strategies.log_emptied()
        replay_bars.step_one(plan.states, plan.arena, events, self._log, plan.table)
        if self._observer is not None:
            self._observer(plan)

    def record(self, events: Rows, *, is_market: bool) -> None:
        """Call strategies in Python, send commands, and keep the last equity of each minute."""
        if self.strategies is not None:
            self.strategies.received(events[0], is_market=is_market)
        plan, state = self._plan, self._plan.states[0]
        replay_ticks.send_new(plan.venues, self._log)
        now_ns = int(state["ts_ns"])
        row = (now_ns, float(state["equity"]), float(state["equity"] - state["unrealized"]))
        if len(self._equity) > 1 and (now_ns - 1) // MINUTE_NS == self._period:
            self._equity.pop()
        self._period = (now_ns - 1) // MINUTE_NS
        self._equity.append(row)

    def market(self, events: Rows, sees: int) -> None:
        """Pass a market event to whom it concerns: the strategy, the venue or both."""
        plan = self._plan
        if sees & replay_ticks.STRATEGY:
            replay_ticks.strategy_received(plan.venues, events)
            self.step(events)
        if sees & replay_ticks.VENUE:
            replay_ticks.venue_sees(plan.venues, events)
        if sees & replay_ticks.STRATEGY:
            self.record(events, is_market=True)
            instrument = int(events[0]["instrument"])
            if instrument >= 0 and replay_ticks.is_crowded(plan.states, instrument):
                tape_room.grow(plan, instrument)
                if self.strategies is not None:
                    self.strategies.arena_moved()

    def close(self) -> None:
        """Pass the rest of log and equity to the recorder."""
        self._recorder.take_log(self._log)
        self._recorder.take_equity(np.array(self._equity, EQUITY), len(self._equity))
