"""Parameter sweeps: many parameter sets over the same data on all cores, each a separate run over shared rows.

Threads suffice because the compiled replay releases the GIL. A set keeps its trades and one equity a day (a minute on
ticks); its metrics are the same as those of a single run.
"""

import itertools
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.types import EQUITY, EVENT, Rows
from tightloop.core.limits import DAY_NS
from tightloop.core.replay import bars as replay_bars
from tightloop.core.replay import status as replay_status
from tightloop.model.signal.plan import Plan
from tightloop.runtime.backtest import ticks as ticks_backtest
from tightloop.runtime.backtest.bars import run_code
from tightloop.runtime.feeds.bars import Feed
from tightloop.runtime.feeds.ticks import TickFeed
from tightloop.runtime.results import build as results_build
from tightloop.runtime.results.denials import count_denied
from tightloop.runtime.results.recorder import Recorder

Figures = dict[str, float | int | None]
DENIED = "denied"
"""Figure of a sweep beside the metrics: number of entries that a check denied."""
Shared = Feed | Callable[[Plan], TickFeed]
"""A feed of bars that every set reads from its beginning, or what makes a feed of shared ticks for a plan."""


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter set: its values, in-sample figures, out-of-sample figures (None without a split).

    ``denied`` counts the entries that a check denied, in-sample and out-of-sample.
    """

    number: int
    values: Mapping[str, Any]
    in_sample: Figures
    out_of_sample: Figures | None
    denied: tuple[int, int | None] = (0, None)


def combinations(parameters: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of values, the last parameter varying fastest."""
    names = list(parameters)
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*parameters.values())]


def run_figures(plan: Plan, feed: Feed | TickFeed) -> Figures:
    """Run a plan and return its metrics, the same as those of its ``result.json``."""
    figures = _counted_figures(plan, feed)
    del figures[DENIED]
    return figures


def _counted_figures(plan: Plan, feed: Feed | TickFeed) -> Figures:
    """Run a plan and return its metrics and the number of denied entries, recording only what they need."""
    recorder = Recorder(kinds=(RowKind.TRADE, RowKind.ORDER))
    if isinstance(feed, TickFeed):
        ticks_backtest.run(plan, feed, recorder)
        return _figures(plan, recorder.equity(), recorder)
    span_ns = int(feed.bars["close_ns"].max() - feed.bars["open_ns"].min())
    if plan.has_code:
        run_code(plan, feed, recorder, equity_rows=span_ns // DAY_NS + 4, is_daily=True)
        return _figures(plan, recorder.equity(), recorder)
    log = core_log.new_log(max(2 * plan.rows_per_step, 2_048))
    equity = np.zeros(span_ns // DAY_NS + 4, EQUITY)
    events = np.zeros(1, EVENT)
    control = np.zeros(replay_bars.CONTROL_COUNT, np.int64)
    control[replay_status.RESERVE], control[replay_status.LEFT] = plan.rows_per_step, 2**62
    control[replay_bars.IS_DAILY], control[replay_bars.LAST_DAY] = 1, -1
    status = replay_status.LOG_FULL
    while status == replay_status.LOG_FULL:
        status = replay_bars.replay(
            plan.states, plan.arena, plan.venues, feed.streams, feed.heap, feed.bars, feed.rates, events, log, equity,
            plan.table, control,
        )  # fmt: skip
        recorder.take_log(log)
    assert status == replay_status.FINISHED, "a row a day is room enough"
    return _figures(plan, equity[: int(control[replay_status.EQUITY_COUNT])], recorder)


def _run(plan: Plan, shared: Shared) -> Figures:
    return _counted_figures(plan, shared.fresh() if isinstance(shared, Feed) else shared(plan))


def _figures(plan: Plan, kept: Rows, recorder: Recorder) -> Figures:
    figures = results_build.figures_of(
        plan, kept["ts_ns"].astype(np.int64), kept["equity"].astype(np.float64), recorder.columns(RowKind.TRADE)
    )
    return {**figures, DENIED: count_denied(recorder.columns(RowKind.ORDER))}


def sweep(
    sets: Sequence[Mapping[str, Any]],
    plan_of: Callable[[Mapping[str, Any]], Plan],
    feed: Shared,
    feed_after: Shared | None = None,
    *,
    threads: int | None = None,
    on_lost: Callable[[int], None] | None = None,
) -> Generator[Row, None, None]:
    """Run every set over a feed, and over ``feed_after`` if there is one; otherwise as ``sweep_sets``."""

    def figures_of(values: Mapping[str, Any]) -> tuple[Figures, Figures | None]:
        inside = _run(plan_of(values), feed)
        return inside, _run(plan_of(values), feed_after) if feed_after is not None else None

    return sweep_sets(sets, figures_of, threads=threads, on_lost=on_lost)


def sweep_sets(
    sets: Sequence[Mapping[str, Any]],
    figures_of: Callable[[Mapping[str, Any]], tuple[Figures, Figures | None]],
    *,
    threads: int | None = None,
    on_lost: Callable[[int], None] | None = None,
) -> Generator[Row, None, None]:
    """Run every set and yield rows as they finish, in any order. ``figures_of`` returns DENIED among its figures.

    Stopping the iteration stops the sweep. Sets begun by then and not yielded are lost; ``on_lost`` is called with
    their number if there are any.
    """
    count = threads or os.cpu_count() or 1

    def one(number: int) -> Row:
        inside, after = figures_of(sets[number])
        denied = int(inside.pop(DENIED) or 0), None if after is None else int(after.pop(DENIED) or 0)
        return Row(number, sets[number], inside, after, denied)

    with ThreadPoolExecutor(count) as pool:
        waiting: set[Future[Row]] = set()
        done: set[Future[Row]] = set()
        numbers = iter(range(len(sets)))
        try:
            while True:
                for number in itertools.islice(numbers, 2 * count - len(waiting)):
                    waiting.add(pool.submit(one, number))
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                while done:
                    yield done.pop().result()
        finally:
            lost = sum(not future.cancel() for future in done | waiting)
            if lost and on_lost is not None:
                on_lost(lost)
