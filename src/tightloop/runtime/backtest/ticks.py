"""Array driver of ticks: the compiled replay, drained, refilled and given room when it asks for it.

Equity is kept at the end of every minute and at the first event; drawdown is followed at every event.
"""

from collections.abc import Callable

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.domain.types import EQUITY, EVENT
from tightloop.core.limits import MINUTE_NS
from tightloop.core.replay import status as replay_status
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.signal.plan import Plan
from tightloop.runtime import backtest
from tightloop.runtime.feeds import tape_room
from tightloop.runtime.feeds.ticks import TickFeed
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
    control[replay_status.RESERVE], control[replay_ticks.PERIOD_NS] = plan.rows_per_step, period_ns
    control[replay_ticks.PERIOD_END] = control[replay_ticks.NUMBER] = -1
    equity = np.empty(EQUITY_ROWS, EQUITY)
    plan.states["is_on_demand"] = 1
    try:
        while True:
            control[replay_status.LEFT] = EVENTS_AT_ONCE
            try:
                status = replay_ticks.tick_replay(
                    plan.states, plan.arena, plan.venues, feed.streams, feed.heap, feed.ticks, feed.rates, events,
                    log, equity, plan.table, control,
                )  # fmt: skip
            finally:
                if core_log.room(log) < plan.rows_per_step:
                    recorder.take_log(log)
            if status == replay_status.FINISHED:
                return int(control[replay_ticks.DONE])
            if status == replay_status.STARVED:
                feed.refill()
            elif status == replay_status.CROWDED:
                tape_room.grow(plan, int(control[replay_ticks.NUMBER]))
            elif status == replay_status.EQUITY_FULL:
                # Keep two rows: the last may still be overwritten, and only a first row is never overwritten.
                recorder.take_equity(equity, int(control[replay_status.EQUITY_COUNT]) - 2)
                last = equity[-2:].copy()
                equity, control[replay_status.EQUITY_COUNT] = np.empty(EQUITY_ROWS, EQUITY), 2
                equity[:2] = last
            if on_progress is not None:
                on_progress(int(control[replay_ticks.DONE]))
    finally:
        replay_ticks.measure_put_off(plan.states, plan.arena, plan.table)
        plan.states["is_on_demand"] = 0
        recorder.take_log(log)
        recorder.take_equity(equity, int(control[replay_status.EQUITY_COUNT]))
