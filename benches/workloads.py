"""The workloads, each in a process of its own: `python workloads.py NAME OPTIONS` prints one JSON object.

run.py starts them. Apart, because a child's peak memory counts from the size of the process that started it.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import market
import numba
import numpy as np
import python_strategy

import tightloop
from tightloop.app.markets import bars as markets_bars
from tightloop.app.runs import strategies as runs_strategies
from tightloop.core import log
from tightloop.core.domain.types import EQUITY, EVENT
from tightloop.core.replay import bars as replay_bars
from tightloop.core.replay import status as replay_status
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.backtest.one_by_one import bars as bars_one_by_one
from tightloop.runtime.backtest.one_by_one.loop import Loop
from tightloop.runtime.results.recorder import Recorder

HERE = Path(__file__).resolve().parent
Options = argparse.Namespace


def catalog(options: Options) -> dict[str, Any]:
    """Write the catalog; also what numba is, which run.py does not import."""
    versions = {"python": platform.python_version(), "numba": numba.__version__, "numpy": np.__version__}
    return {**versions, **market.write(options.data, options.bars, min(options.bars, market.MONTH))}


def _timed(name: str, options: Options) -> dict[str, Any]:
    """One strategy again and again in one process, after a run that does not count."""
    runs = []
    for _ in range(options.runs + 1):
        begun = time.perf_counter()
        run = tightloop.backtest(HERE / f"{name}.yaml", data=options.data)
        runs.append({**run.timing, "wall": time.perf_counter() - begun})
        trades = run.metrics["trades"]
        del run
    return {"trades": trades, "runs": runs[1:]}


def _loop_alone(name: str, options: Options) -> list[float]:
    """CPU seconds of the compiled loop on rows that are in memory, into buffers that are never drained."""
    strategies = runs_strategies.load_strategies([HERE / f"{name}.yaml"])
    found = markets_bars.load_market(strategies, options.data)
    spent = []
    for _ in range(options.runs + 1):
        plan = make_plan(strategies, found.rules, seed=0)
        feed = found.feed(plan)
        count = len(feed.bars) + 10_000
        rows, equity, events = log.new_log(count), np.zeros(count, EQUITY), np.zeros(1, EVENT)
        rows["kind"], equity["ts_ns"] = 0, 0  # pages that are there when the clock starts
        control = np.zeros(replay_bars.CONTROL_COUNT, np.int64)
        control[replay_status.RESERVE], control[replay_status.LEFT] = plan.rows_per_step, 2**62
        begun = time.process_time()
        status = replay_bars.replay(
            plan.states, plan.arena, plan.venues, feed.streams, feed.heap, feed.bars, feed.rates, events, rows, equity,
            plan.table, control,
        )  # fmt: skip
        spent.append(time.process_time() - begun)
        assert status == replay_status.FINISHED, "the buffers are large enough"
    return spent[1:]


def w1(options: Options) -> dict[str, Any]:
    return {**_timed("w1", options), "alone": _loop_alone("w1", options)}


def w2(options: Options) -> dict[str, Any]:
    return {**_timed("w2", options), "alone": _loop_alone("w2", options)}


def s1(options: Options) -> dict[str, Any]:
    """Pairs of periods through the sweep; CPU seconds are of all threads together."""
    fast = list(range(5, 5 + options.side))
    slow = list(range(30, 30 + 5 * options.side, 5))
    parameters = {"variants.fast.period": fast, "variants.slow.period": slow}
    tightloop.sweep(HERE / "w1.yaml", parameters={"variants.fast.period": fast[:1]}, data=options.data)
    runs = []
    for _ in range(options.runs):
        begun, begun_cpu = time.perf_counter(), time.process_time()
        done = tightloop.sweep(HERE / "w1.yaml", parameters=parameters, data=options.data)
        runs.append({"cpu": time.process_time() - begun_cpu, "wall": time.perf_counter() - begun})
    assert len(done.rows) == len(fast) * len(slow)
    return {"sets": len(done.rows), "trades": int(done.frame["trades"].sum()), "runs": runs}


def step(options: Options) -> dict[str, Any]:
    """Every event of W1 by one call from Python, as a session does; only the calls of the step are timed."""
    strategies = runs_strategies.load_strategies([HERE / "w1.yaml"])
    end_ns = market.START_NS + options.events // 2 * market.MINUTE_NS  # a bar is two events
    found = markets_bars.load_market(strategies, options.data, end_ns=end_ns)
    spent: list[int] = []

    class Timed(Loop):
        """The loop of a session with a clock around the step."""

        def _step(self, event: Any) -> None:
            plan, clock = self._plan, time.perf_counter_ns
            begun = clock()
            replay_bars.step_one(plan.states, plan.arena, event, self._log, plan.table)
            spent.append(clock() - begun)

    runs = []
    for _ in range(options.runs + 1):
        spent.clear()
        plan = make_plan(strategies, found.rules, seed=0)
        feed, recorder, events = found.feed(plan), Recorder(), np.zeros(1, EVENT)
        session = Timed(
            plan, bars_one_by_one.SimulatedExecutor(plan), recorder, bars_one_by_one.BarMoments(plan, recorder)
        )
        begun = time.process_time()
        while replay_bars.feed_next(feed.streams, feed.heap, feed.bars, feed.rates, events):
            session.take(events)
        whole = time.process_time() - begun
        each = np.array(spent)
        runs.append({
            "mean_us": float(each.mean()) / 1e3, "median_us": float(np.median(each)) / 1e3,
            "p99_us": float(np.quantile(each, 0.99)) / 1e3, "loop_us": whole / len(each) * 1e6,
        })  # fmt: skip
    return {"events": len(spent), "runs": runs[1:]}


def python(options: Options) -> dict[str, Any]:
    """A strategy in Python, after a run that does not count."""
    python_strategy.seconds(2_000)
    runs = [python_strategy.seconds(options.bars) for _ in range(options.runs)]
    return {"bars": options.bars, "orders": runs[0][1], "runs": [spent for spent, _ in runs]}


WORKLOADS: dict[str, Callable[[Options], dict[str, Any]]] = {
    function.__name__: function for function in (catalog, w1, w2, s1, step, python)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=WORKLOADS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bars", type=int, default=market.YEAR)
    parser.add_argument("--side", type=int, default=20)
    parser.add_argument("--events", type=int, default=100_000)
    options = parser.parse_args()
    print(json.dumps(WORKLOADS[options.name](options)))


if __name__ == "__main__":
    main()
