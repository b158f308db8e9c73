"""``tightloop.backtest``: strategies over a catalog or frames, through plan, feed and driver, to a finished run.

The composition root of runs on bars and ticks: it names the concrete catalog, feeds and drivers. Carry has its own in
``app/runs/carry.py``. The command line and notebooks call the same function.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tightloop.adapters.data.quality import as_json
from tightloop.app import runs
from tightloop.app.markets import notes as markets_notes
from tightloop.app.markets.bars import Market
from tightloop.app.markets.opening import is_synthetic, open_market
from tightloop.app.markets.ticks import TickMarket
from tightloop.app.runs.driving import Driven, Progress, RunOptions, cut_short, drive
from tightloop.app.runs.run import Run, strategy_names
from tightloop.app.runs.strategies import carry_of, load_any, without_carry
from tightloop.model.errors import StrategyError
from tightloop.model.signal.plan import Plan, make_plan
from tightloop.model.signal.portfolio import check_files
from tightloop.model.signal.read import Strategy
from tightloop.model.signal.sizes import against_limits
from tightloop.runtime.backtest import bars as array_driver
from tightloop.runtime.backtest import ticks as tick_driver
from tightloop.runtime.results import build as results_build
from tightloop.runtime.results.recorder import Recorder
from tightloop.runtime.session import loop as event_driver

if TYPE_CHECKING:
    from tightloop.app.runs.carry import CarryRun


def backtest(
    *strategies: Any,
    data: Any = "data",
    start: str | None = None,
    end: str | None = None,
    account: Any = None,
    settings: Sequence[str] = (),
    instruments: Sequence[str] = (),
    seed: int = 0,
    accept: Sequence[str] = (),
    on_progress: Progress | None = None,
    on_warning: Callable[[str], None] | None = None,
    one_by_one: bool = False,
) -> "Run | CarryRun":
    """Run one or more strategies (files, YAML texts) over a catalog or a mapping of frames.

    ``account``: a YAML with the account's limits, or "research". ``on_warning`` is called before the run begins with
    each position size that exceeds those limits. ``one_by_one`` steps one event at a time, as a live session does:
    same results, byte for byte.
    Raises InputError (UnfitDataError for data that the gate refuses), CapacityError, and StrategyError when a
    strategy in Python fails: its ``run`` has the results up to the failure.
    """
    clock = time.process_time
    begun = clock()
    loaded = load_any(strategies, settings=settings, instruments=instruments, account=account)
    options = RunOptions(
        data=data, start=start, end=end, account=account, settings=settings, instruments=instruments, seed=seed,
        accept=accept, on_progress=on_progress, one_by_one=one_by_one, read_s=clock() - begun,
    )  # fmt: skip
    carry = carry_of(loaded)
    if carry is not None:
        return runs.carry.run_carry(carry, options)
    signal = without_carry(loaded)
    check_files(signal)
    if on_warning is not None:
        for problem in against_limits(signal):
            on_warning(str(problem))
    return _run(signal, options)


def _run(loaded: tuple[Strategy, ...], options: RunOptions) -> Run:
    """Run checked strategies on bars or ticks; raises StrategyError with the part that was done as its ``run``."""
    clock = time.process_time
    window = options.window()
    compiled_at = clock()
    is_ticks = loaded[0].read.feed is not None
    market = open_market(loaded, options.data, **window)
    loaded_at = clock()
    plan = make_plan(loaded, market.rules, seed=options.seed)
    feed: Any = market.feed(plan)
    (tick_driver if is_ticks else array_driver).compile_for(plan)
    planned_at = clock()
    recorder = Recorder()
    driven = _driven(plan, feed, recorder, options, is_ticks=is_ticks)
    ran_at = clock()
    digest = market.digest() if isinstance(market, TickMarket) else market.digest(feed)
    times = recorder.equity()["ts_ns"]
    result = results_build.build(
        plan, recorder, data_digest=digest, seed=options.seed,
        warnings=cut_short(driven, int(times[-1]) if len(times) else None) + market.warnings,
        quality=json.loads(as_json(market.reports))["datasets"],
    )  # fmt: skip
    result.summary["warnings"] += _never_known(loaded, market, result)
    result.summary["is_synthetic"] = is_synthetic(options.data, market.reports)
    result.summary["inputs"] = _inputs(loaded, plan, driven, options)
    timing = {
        "load": loaded_at - compiled_at,
        "compile": options.read_s + planned_at - loaded_at,
        "run": ran_at - planned_at,
        "write": clock() - ran_at,
        "events": driven.done,
        "bars": 0 if is_ticks else len(feed.bars),
    }
    run = Run(result=result, strategies=loaded, market=market, timing=timing, interrupted=driven.was_asked)
    if driven.failure is not None:
        driven.failure.run = run
        raise driven.failure
    return run


def _driven(plan: Plan, feed: Any, recorder: Recorder, options: RunOptions, *, is_ticks: bool) -> Driven:
    """Drive the plan over its feed; after Ctrl-C or a failure of user code the recorder has all that was done."""
    try:
        if options.one_by_one:
            run_one_by_one = tick_driver.run_one_by_one if is_ticks else event_driver.run
            return Driven(run_one_by_one(plan, feed, recorder))
        if is_ticks:  # how many events there will be is not known before they are read
            return drive(lambda look: tick_driver.run(plan, feed, recorder, look))
        return drive(
            lambda look: array_driver.run(plan, feed, recorder, look), feed.event_count, options.on_progress
        )  # fmt: skip
    except StrategyError as error:
        return Driven(int(plan.states[0]["seq"]), is_part=True, failure=error)


def _never_known(loaded: Sequence[Strategy], market: Market | TickMarket, result: results_build.Result) -> list[str]:
    """Return a warning for each variant that was UNKNOWN throughout, because the run is shorter than its warm-up."""
    times = result.tables["equity"]["ts"]
    span_s = (int(times[-1]) - int(times[0])) * 1e-9 if len(times) else 0.0
    bars = {} if isinstance(market, TickMarket) else {name: len(rows) for name, rows in market.bars.items()}
    return markets_notes.never_known(loaded, bars, span_s)


def _inputs(loaded: Sequence[Strategy], plan: Plan, driven: Driven, options: RunOptions) -> dict[str, Any]:
    """Return what ``explain`` needs to make the run again from its folder."""
    return {
        "strategies": strategy_names(loaded),
        "data": None if isinstance(options.data, Mapping) else Path(options.data).as_posix(),
        "from": options.start, "to": options.end, "instruments": list(options.instruments),
        "settings": list(options.settings), "account": options.account is not None, "accept": list(options.accept),
        "is_part": driven.is_part, "steps": int(plan.states[0]["seq"]),
        "failure": None if driven.failure is None else str(driven.failure), "options_in_files": True,
    }  # fmt: skip
