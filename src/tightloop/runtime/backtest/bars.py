"""Array driver of bars: the compiled replay, drained when a buffer is full."""

from collections.abc import Callable

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.domain.types import EQUITY, EVENT
from tightloop.core.replay import bars as replay_bars
from tightloop.core.replay import status as replay_status
from tightloop.model.signal.plan import Plan
from tightloop.runtime import backtest
from tightloop.runtime.feeds.bars import Feed
from tightloop.runtime.results.recorder import Recorder

EQUITY_ROWS = 1_048_576
"""Rows of one piece of the equity. The recorder keeps the piece itself; memory that no row reached is never touched."""
EVENTS_AT_ONCE = 4_000_000
"""Events between two returns to Python, where Ctrl-C and progress are handled."""

Progress = Callable[[int], None]


def compile_for(plan: Plan) -> None:
    """Compile the replay for Python strategies before timing starts (about 30 s, once)."""
    if plan.has_code:
        _ = backtest.bars_python  # importing it compiles it


def run_code(
    plan: Plan,
    feed: Feed,
    recorder: Recorder,
    on_progress: Progress | None = None,
    *,
    equity_rows: int,
    is_daily: bool = False,
) -> int:
    """Run a plan with strategies in Python; ``is_daily`` keeps only the last equity of each day."""
    return backtest.bars_python.run(plan, feed, recorder, on_progress, equity_rows=equity_rows, is_daily=is_daily)


def run(plan: Plan, feed: Feed, recorder: Recorder, on_progress: Progress | None = None) -> int:
    """Run a plan over a feed to its end; return the number of market events.

    ``on_progress`` is called with the events done. After a KeyboardInterrupt the recorder has everything up to it.
    """
    if plan.has_code:
        return run_code(plan, feed, recorder, on_progress, equity_rows=EQUITY_ROWS)
    log = core_log.new_log(max(2 * plan.rows_per_step, core_log.ROWS))
    events = np.zeros(1, EVENT)
    control = np.zeros(replay_bars.CONTROL_COUNT, np.int64)
    control[replay_status.RESERVE] = plan.rows_per_step
    equity = np.empty(EQUITY_ROWS, EQUITY)
    done = 0
    try:
        while True:
            control[replay_status.LEFT] = EVENTS_AT_ONCE
            before = int(feed.streams["at"].sum())
            try:
                status = replay_bars.replay(
                    plan.states, plan.arena, plan.venues, feed.streams, feed.heap, feed.bars, feed.rates, events,
                    log, equity,
                    plan.table, control,
                )  # fmt: skip
            finally:
                # Ctrl-C is raised as the compiled loop returns: keep the rows it wrote.
                recorder.take_log(log)
            done += int(feed.streams["at"].sum()) - before
            if status == replay_status.FINISHED:
                return feed.event_count
            if status == replay_status.EQUITY_FULL:
                recorder.take_equity(equity, int(control[replay_status.EQUITY_COUNT]))
                equity, control[replay_status.EQUITY_COUNT] = np.empty(EQUITY_ROWS, EQUITY), 0
            if on_progress is not None:
                on_progress(2 * done)
    finally:
        recorder.take_equity(equity, int(control[replay_status.EQUITY_COUNT]))
