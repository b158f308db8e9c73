"""The composition root: the only place that knows concrete names. Strategy, catalog, plan, feed, driver, files.

``backtest`` and ``sweep`` are the Python API for notebooks; the command line calls the same functions.
"""

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tightloop.adapters import data as market_data
from tightloop.adapters.data.catalog import Catalog, LoadedBars
from tightloop.adapters.data.quality import as_json
from tightloop.app import runs
from tightloop.app.markets import notes as markets_notes
from tightloop.app.markets.ticks import TickMarket, load_tick_market
from tightloop.app.runs.interrupts import Interrupts, Stopped
from tightloop.app.runs.run import TABLES, Market, Run, strategy_names
from tightloop.app.runs.sweep import Sweep
from tightloop.app.text.window import time_of, window_of
from tightloop.core.limits import PRICE_MAX
from tightloop.model import load as files
from tightloop.model.carry.strategy import CarryStrategy
from tightloop.model.errors import CapacityError, InputError, Problem, StrategyError
from tightloop.model.files.overrides import Setting
from tightloop.model.instruments import InstrumentId, default_rules
from tightloop.model.signal.plan import Plan, make_plan
from tightloop.model.signal.portfolio import check_files, rules_of
from tightloop.model.signal.read import Strategy
from tightloop.model.signal.sizes import against_limits
from tightloop.model.times import iso
from tightloop.runtime.backtest import bars as array_driver
from tightloop.runtime.backtest import sweep as sweeping
from tightloop.runtime.backtest import ticks as tick_driver
from tightloop.runtime.feeds.ticks import TickFeed
from tightloop.runtime.results import build as results_build
from tightloop.runtime.results.recorder import Recorder
from tightloop.runtime.session import bars as bar_session
from tightloop.runtime.session import ticks as tick_session

if TYPE_CHECKING:
    from tightloop.app.runs.carry import CarryRun

__all__ = [
    "TABLES", "Market", "Run", "Sweep", "backtest", "load_any", "load_market", "load_strategies", "open_market",
    "sweep", "time_of",
]  # fmt: skip
NO_CARRY = "a carry strategy can not stand here"
SETS_MAX = 100_000
"""Parameter sets of one sweep: each is read and checked before the first one runs."""


def load_any(
    strategies: Sequence[Any],
    *,
    settings: Sequence[Setting] = (),
    instruments: Sequence[str] = (),
    account: Path | str | None = None,
) -> tuple[Strategy | CarryStrategy, ...]:
    """Files, texts or strategies already read, of any family; InputError with the problems of all of them."""
    found: list[Strategy | CarryStrategy] = []
    problems: list[Problem] = []
    limits_file = Path(account) if account else None
    for strategy in strategies:
        if isinstance(strategy, Strategy | CarryStrategy):
            found.append(strategy)
            continue
        text = str(strategy)
        own: Strategy | CarryStrategy
        try:
            if isinstance(strategy, Path) or "\n" not in text:
                own = files.load(Path(text), settings=settings, instruments=instruments, account=limits_file)
            else:
                own = files.loads(text, settings=settings, instruments=instruments, account=limits_file)
        except InputError as error:
            problems += (problem for problem in error.problems if problem not in problems)
        else:
            found.append(own)
    if problems:
        raise InputError(*problems)
    if not found:
        raise InputError.one("command line", None, "STRATEGIES", "names no strategy", "name a strategy file")
    return tuple(found)


def load_strategies(
    strategies: Sequence[Any],
    *,
    settings: Sequence[Setting] = (),
    instruments: Sequence[str] = (),
    account: Path | str | None = None,
) -> tuple[Strategy, ...]:
    """The same without carry strategies, which run alone: InputError names one that stands among them."""
    found = _without_carry(load_any(strategies, settings=settings, instruments=instruments, account=account))
    check_files(found)
    return found


def _without_carry(loaded: Sequence[Strategy | CarryStrategy]) -> tuple[Strategy, ...]:
    found: list[Strategy] = []
    for own in loaded:
        if isinstance(own, CarryStrategy):
            file, line = own.place(("family",))
            raise InputError.one(file, line, "family", NO_CARRY, "name strategies of the other families")
        found.append(own)
    return tuple(found)


def _carry_of(loaded: Sequence[Strategy | CarryStrategy]) -> CarryStrategy | None:
    """The carry strategy of a run; InputError when it is not alone."""
    found = next((own for own in loaded if isinstance(own, CarryStrategy)), None)
    if found is not None and len(loaded) > 1:
        file, line = found.place(("family",))
        remedy = "name one file, or put all legs into one"
        raise InputError.one(file, line, "family", "a carry strategy runs alone", remedy)
    return found


def load_market(
    strategies: Sequence[Strategy],
    data: Any,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    accepted: frozenset[str] = frozenset(),
) -> Market:
    """Bars, funding and rules of all instruments, through the quality gate."""
    frames = data if isinstance(data, Mapping) else None
    catalog = None if frames is not None else Catalog(Path(data))
    market = Market({}, {}, {}, [], [])
    wants_funding = {i for s in strategies if s.read.costs.funding == "on" for i in s.instruments}
    for instrument in rules_of(strategies):
        timeframe = strategies[0].read.timeframe
        assert timeframe is not None, "a run on bars has a timeframe"
        loaded: LoadedBars
        if catalog is None:
            assert frames is not None
            loaded = _frame_bars(frames, instrument, timeframe, start_ns, end_ns, accepted)
            market.rules[instrument] = default_rules(instrument)
        else:
            market.rules[instrument] = catalog.rules(instrument)
            loaded = catalog.bars(instrument, timeframe, start_ns, end_ns, accepted)
        market.bars[instrument] = _tradable(loaded, instrument, market.warnings)
        market.reports.append(loaded.report)
        if instrument.market == "perp" and instrument in wants_funding:
            _load_funding(market, catalog, instrument, accepted)
    _add_warnings(market, strategies)
    return market


def open_market(strategies: Sequence[Strategy], data: Any, **options: Any) -> "Market | TickMarket":
    """Bars, or ticks ready to be read: what the strategies run on. Options as of ``load_market``."""
    if not isinstance(data, Mapping | str | PathLike):
        message = f"is of type {type(data).__name__}, which is neither a folder nor a mapping"
        raise InputError.one("data", None, "", message, "give a catalog's folder, or {'venue:SYMBOL-market': frame}")
    load = load_market if strategies[0].read.feed is None else load_tick_market
    return load(strategies, data, **options)


def _tradable(loaded: LoadedBars, instrument: InstrumentId, warnings: list[str]) -> npt.NDArray[np.void]:
    """Bars as the core takes them: some, with bounded prices, and a range that holds open and close.

    What the gate refuses comes here only when it was accepted.
    """
    bars = loaded.bars
    if not len(bars):
        raise InputError.one(loaded.report.path, None, "", "no bar has a price", "repair the data")
    if bars["high"].max() > PRICE_MAX or bars["close"].max() > PRICE_MAX:
        message = f"{instrument} has a price above {PRICE_MAX:g}"
        raise InputError.one(loaded.report.path, None, "high", message, "write the data in another unit")
    body_high, body_low = np.maximum(bars["open"], bars["close"]), np.minimum(bars["open"], bars["close"])
    torn = (bars["high"] < body_high) | (bars["low"] > body_low)
    if torn.any():
        bars = bars.copy()
        bars["high"], bars["low"] = np.maximum(bars["high"], body_high), np.minimum(bars["low"], body_low)
        warnings.append(f"{instrument}: the range of {int(torn.sum())} bars was widened to hold their open and close")
    return bars


def _frame_bars(
    frames: Mapping[Any, Any],
    instrument: InstrumentId,
    timeframe: str,
    start_ns: int | None,
    end_ns: int | None,
    accepted: frozenset[str],
) -> LoadedBars:
    own = {str(name): frame for name, frame in frames.items()}
    if str(instrument) not in own:
        there = ", ".join(own) or "none"
        raise InputError.one("data", None, str(instrument), "there is no frame of this name", f"there are {there}")
    loaded = LoadedBars(*market_data.frames.bars_of(own[str(instrument)], instrument, timeframe, accepted))
    inside = np.ones(len(loaded.bars), bool)
    if start_ns is not None:
        inside &= loaded.bars["open_ns"] >= start_ns
    if end_ns is not None:
        inside &= loaded.bars["open_ns"] < end_ns
    if not inside.any():
        raise InputError.one("data", None, str(instrument), "has no bars in the window", "widen --from and --to")
    return LoadedBars(loaded.bars[inside], loaded.report)


def _load_funding(market: Market, catalog: Catalog | None, instrument: InstrumentId, accepted: frozenset[str]) -> None:
    own = market.bars[instrument]
    found = None
    if catalog is not None:
        window = int(own["open_ns"][0]), int(own["close_ns"][-1]) + 1
        try:
            found = catalog.funding(instrument.venue, instrument.symbol, *window, accepted)
        except InputError as error:
            if type(error) is not InputError:
                raise
            found = None
    if found is None:
        market.unfunded.append(instrument)
        return
    market.funding[instrument] = found.ts_ns, found.rate
    market.reports.append(found.report)


def _add_warnings(market: Market, strategies: Sequence[Strategy]) -> None:
    """What a user must know of the data and of the rules that nobody stated."""
    costs = [strategy.read.costs for strategy in strategies]
    stated = all(own.taker_bps is not None and own.maker_bps is not None for own in costs)
    market.warnings += markets_notes.faults(market.reports)
    market.warnings += markets_notes.without_funding(market.unfunded)
    market.warnings += markets_notes.defaults(market.rules, stated)


def is_synthetic(data: Any, reports: Iterable[Any]) -> bool | None:
    """Whether a dataset that was read was made up by `tightloop data sample`; None of frames, which nobody marked."""
    if isinstance(data, Mapping):
        return None
    return Catalog(Path(data)).is_synthetic(report.path for report in reports)


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
    on_progress: Callable[[int, int], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
    one_by_one: bool = False,
) -> "Run | CarryRun":
    """Run one or more strategies (files, YAML texts) over a catalog or a mapping of frames.

    ``account``: a YAML with the account's limits, or "research". ``on_warning`` hears, before the run begins, which
    sizes do not fit those limits. ``one_by_one`` drives the same step one event at a time, as a session does: same
    results, byte for byte.
    Raises InputError (UnfitDataError for data that the gate refuses), CapacityError, and StrategyError when a
    strategy in Python fails: its ``run`` holds what was done until then.
    """
    clock = time.process_time
    begun = clock()
    loaded = load_any(strategies, settings=settings, instruments=instruments, account=account)
    asked: Any = {
        "data": data, "start": start, "end": end, "settings": settings, "seed": seed, "accept": accept,
        "on_progress": on_progress, "one_by_one": one_by_one, "read_s": clock() - begun,
    }  # fmt: skip
    carry = _carry_of(loaded)
    if carry is not None:
        return runs.carry.backtest_carry(carry, **asked)
    own = _without_carry(loaded)
    check_files(own)
    if on_warning is not None:
        for problem in against_limits(own):
            on_warning(str(problem))
    return _backtest(own, **asked, account=account, instruments=instruments)


def _never_known(loaded: Sequence[Strategy], market: "Market | TickMarket", result: results_build.Result) -> list[str]:
    times = result.tables["equity"]["ts"]
    span_s = (int(times[-1]) - int(times[0])) * 1e-9 if len(times) else 0.0
    bars = {} if isinstance(market, TickMarket) else {name: len(rows) for name, rows in market.bars.items()}
    return markets_notes.never_known(loaded, bars, span_s)


def _backtest(
    loaded: tuple[Strategy, ...],
    data: Any,
    start: str | None,
    end: str | None,
    account: Any,
    settings: Sequence[str],
    instruments: Sequence[str],
    seed: int,
    accept: Sequence[str],
    on_progress: Callable[[int, int], None] | None,
    one_by_one: bool,
    read_s: float,
) -> Run:
    clock = time.process_time
    window = window_of(start, end)
    compiled_at = clock()
    options: Any = {"start_ns": window[0], "end_ns": window[1], "accepted": frozenset(accept)}
    is_ticks = loaded[0].read.feed is not None
    market = open_market(loaded, data, **options)
    loaded_at = clock()
    plan = make_plan(loaded, market.rules, seed=seed)
    feed: Any = market.feed(plan)
    (tick_driver if is_ticks else array_driver).compile_for(plan)
    planned_at = clock()
    recorder = Recorder()
    try:
        if one_by_one:
            one = tick_session.run if is_ticks else bar_session.run
            driven = _Driven(one(plan, feed, recorder))
        else:
            driven = _drive(plan, feed, recorder, on_progress)
    except StrategyError as error:
        driven = _Driven(int(plan.states[0]["seq"]), is_part=True, failure=error)
    ran_at = clock()
    digest = market.digest() if isinstance(market, TickMarket) else market.digest(feed)
    result = results_build.build(
        plan, recorder, data_digest=digest, seed=seed,
        warnings=_cut_short(recorder, driven) + market.warnings,
        quality=json.loads(as_json(market.reports))["datasets"],
    )  # fmt: skip
    result.summary["warnings"] += _never_known(loaded, market, result)
    result.summary["is_synthetic"] = is_synthetic(data, market.reports)
    result.summary["inputs"] = {
        "strategies": strategy_names(loaded), "data": None if isinstance(data, Mapping) else Path(data).as_posix(),
        "from": start, "to": end, "instruments": list(instruments), "settings": list(settings),
        "account": account is not None, "accept": list(accept), "is_part": driven.is_part,
        "steps": int(plan.states[0]["seq"]), "failure": None if driven.failure is None else str(driven.failure),
        "options_in_files": True,
    }  # fmt: skip
    timing = {
        "load": loaded_at - compiled_at,
        "compile": read_s + planned_at - loaded_at,
        "run": ran_at - planned_at,
        "write": clock() - ran_at,
        "events": driven.events,
        "bars": 0 if is_ticks else len(feed.bars),
    }
    run = Run(result=result, strategies=loaded, market=market, timing=timing, interrupted=driven.was_asked)
    if driven.failure is not None:
        driven.failure.run = run
        raise driven.failure
    return run


Progress = Callable[[int, int], None]


@dataclass(slots=True)
class _Driven:
    """Events done; whether Ctrl-C was pressed; whether the feed was left before its end; what code of the user did."""

    events: int
    was_asked: bool = False
    is_part: bool = False
    failure: StrategyError | None = None


def _cut_short(recorder: Recorder, driven: _Driven) -> list[str]:
    if not driven.is_part:
        return []
    equity = recorder.equity()
    until = f"until {iso(int(equity['ts_ns'][-1]))}" if len(equity) else "no further than its beginning"
    why = "interrupted" if driven.failure is None else f"failed ({driven.failure})"
    return [f"{why}: the run went {until}; every figure is of that part"]


def _drive(plan: Plan, feed: Any, recorder: Recorder, on_progress: Progress | None) -> _Driven:
    """Run to the end, or until Ctrl-C: then the recorder has all that was done."""
    is_ticks = isinstance(feed, TickFeed)
    total = 2**62 if is_ticks else feed.event_count
    run = tick_driver.run if is_ticks else array_driver.run
    driven = _Driven(0)
    with Interrupts() as interrupts:

        def look(events: int) -> None:
            driven.events = min(events, total)
            if on_progress is not None and not is_ticks:
                on_progress(driven.events, total)
            interrupts.check()

        try:
            driven.events = run(plan, feed, recorder, look)
        except Stopped:
            driven.is_part = True
        driven.was_asked = interrupts.asked
    return driven


def sweep(
    *strategies: Any,
    parameters: Mapping[str, Sequence[Any]],
    data: Any = "data",
    start: str | None = None,
    end: str | None = None,
    account: Any = None,
    settings: Sequence[str] = (),
    instruments: Sequence[str] = (),
    seed: int = 0,
    accept: Sequence[str] = (),
    split: float | None = None,
    threads: int | None = None,
    on_row: Callable[[sweeping.Row, int], None] | None = None,
) -> Sweep:
    """Run every combination of ``parameters`` (dotted paths to lists of values) over the same data, on all cores.

    ``split`` 0.7 gives in-sample figures of the first 70 % of the time and out-of-sample figures of the rest. Ctrl-C
    returns what is done.
    """
    count = math.prod(len(values) for values in parameters.values())
    if not parameters or not count:
        raise InputError.one("command line", None, "--param", "no parameter has a value", "write --param path=a,b,c")
    if count > SETS_MAX:
        raise CapacityError(f"SETS_MAX: {count} parameter sets are more than {SETS_MAX}; sweep fewer values at once")
    if split is not None and not 0.0 < split < 1.0:
        raise InputError.one(
            "command line", None, "--split", f"{split:g} is not between 0 and 1", "write for example 0.7"
        )
    asked: Any = {
        "data": data, "start": start, "end": end, "accept": accept, "split": split, "threads": threads,
        "on_row": on_row,
    }  # fmt: skip
    sets = sweeping.combinations(parameters)

    def read(values: Mapping[str, Any]) -> tuple[Strategy | CarryStrategy, ...]:
        own: list[Setting] = [*settings, *values.items()]
        return load_any(strategies, settings=own, instruments=instruments, account=account)

    if _carry_of(read(sets[0])) is not None:
        return runs.carry.sweep_carry(sets, tuple(parameters), lambda values: _carry_of(read(values)), **asked)
    reader = _SetReader(strategies, settings, instruments, account)
    return _sweep(sets, tuple(parameters), reader, **asked, seed=seed)


def _sweep(
    sets: Sequence[Mapping[str, Any]],
    parameters: tuple[str, ...],
    reader: "_SetReader",
    *,
    data: Any,
    start: str | None,
    end: str | None,
    seed: int,
    accept: Sequence[str],
    split: float | None,
    threads: int | None,
    on_row: Callable[[sweeping.Row, int], None] | None,
) -> Sweep:
    window = window_of(start, end)
    first = reader.strategies(sets[0])
    market = open_market(first, data, start_ns=window[0], end_ns=window[1], accepted=frozenset(accept))
    for values in sets:
        own = reader.strategies(values)
        reads = [(strategies_of[0].read.timeframe, strategies_of[0].read.feed) for strategies_of in (own, first)]
        if rules_of(own) != rules_of(first) or reads[0] != reads[1]:
            message = "the data are read once: instruments, timeframe and feed can not be swept"
            raise InputError.one("command line", None, "--param", message, "sweep another parameter, or run them apart")
    plan = make_plan(first, market.rules, seed=seed)
    feeds = _split_feeds(market, plan, split)
    done = Sweep(parameters, [], len(sets), has_split=split is not None, extra=(sweeping.DENIED,))
    done.is_synthetic = bool(is_synthetic(data, market.reports))

    def plan_of(values: Mapping[str, Any]) -> Plan:
        return make_plan(reader.strategies(values), market.rules, seed=seed)

    def count_lost(lost: int) -> None:
        done.lost = lost

    try:
        with closing(sweeping.sweep(sets, plan_of, *feeds, threads=threads, on_lost=count_lost)) as rows:
            for row in rows:
                done.rows.append(row)
                if on_row is not None:
                    on_row(row, len(sets))
    except KeyboardInterrupt:
        done.interrupted = True
    return done


class _SetReader:
    """Strategies with the values of one parameter set written over them; each set is read once."""

    def __init__(
        self, strategies: Sequence[Any], settings: Sequence[str], instruments: Sequence[str], account: Any
    ) -> None:
        self._strategies = strategies
        self._options: dict[str, Any] = {"settings": list(settings), "instruments": instruments, "account": account}
        self._read: dict[tuple[tuple[str, Any], ...], tuple[Strategy, ...]] = {}

    def strategies(self, values: Mapping[str, Any]) -> tuple[Strategy, ...]:
        key = tuple(values.items())
        if key not in self._read:
            own = [*self._options["settings"], *values.items()]
            self._read[key] = load_strategies(self._strategies, **{**self._options, "settings": own})
        return self._read[key]


def _split_feeds(
    market: Market | TickMarket, plan: Plan, split: float | None
) -> tuple[sweeping.Shared, sweeping.Shared | None]:
    if isinstance(market, TickMarket):
        kept = market.kept()
        if split is None:
            return kept.feed, None
        first, rest = kept.split(split)
        return first.feed, rest.feed
    if split is None:
        return market.feed(plan), None
    begin = min(int(rows["open_ns"][0]) for rows in market.bars.values())
    end = max(int(rows["close_ns"][-1]) for rows in market.bars.values())
    cut_ns = begin + int((end - begin) * split)
    parts = []
    for before in (True, False):
        bars = {i: rows[(rows["open_ns"] < cut_ns) == before] for i, rows in market.bars.items()}
        if any(not len(rows) for rows in bars.values()):
            name = next(str(i) for i, rows in bars.items() if not len(rows))
            message = f"{split:g} leaves {name} without bars on one side"
            raise InputError.one("command line", None, "--split", message, "write another share of the time")
        parts.append(Market(bars, market.funding, market.rules, [], []).feed(plan))
    return parts[0], parts[1]
