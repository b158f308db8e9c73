"""Many parameter sets over the same data, all cores: each set is a run of its own on shared rows.

Threads do the work while the compiled replay holds no lock. A set keeps its trades and one equity a day (a minute on
ticks), and its metrics are the same as those of a single run.
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
"""The figure of a sweep beside the metrics: entries that a check denied."""
Shared = Feed | Callable[[Plan], TickFeed]
"""Bars that every set reads from the beginning, or what makes a feed of shared ticks for the plan of a set."""


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
    """Every combination, the last parameter moving fastest."""
    names = list(parameters)
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*parameters.values())]


def run_figures(plan: Plan, feed: Feed | TickFeed) -> Figures:
    """The metrics of one run, the same as those of its ``result.json``."""
    figures = _counted_figures(plan, feed)
    del figures[DENIED]
    return figures


def _counted_figures(plan: Plan, feed: Feed | TickFeed) -> Figures:
    """The metrics of one run and how many entries were denied, with as little kept as they need."""
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
    control = np.array([plan.rows_per_step, 0, 2**62, 1, -1], np.int64)
    status = replay_bars.LOG_FULL
    while status == replay_bars.LOG_FULL:
        status = replay_bars.replay(
            plan.states, plan.arena, plan.venues, feed.streams, feed.heap, feed.bars, feed.rates, events, log, equity,
            plan.table, control,
        )  # fmt: skip
        recorder.take_log(log)
    assert status == replay_bars.FINISHED, "a row a day is room enough"
    return _figures(plan, equity[: int(control[1])], recorder)


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
    """Run every set over a feed, and over the one after it when there is one; else as of ``sweep_sets``."""

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
    """Run every set; yields rows as they are done, in any order. ``figures_of`` counts what was denied, as DENIED.

    Stopping the iteration stops the sweep. Sets that were begun by then and not yielded are lost, and ``on_lost`` is
    told how many, if any.
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
