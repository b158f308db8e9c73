"""Carry runs: from a strategy and a catalog to plan and feed, through the driver, to result files and sweeps."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.quality import as_json
from tightloop.app import facts
from tightloop.app.markets.carry.load import load_carry_feed, needs_of
from tightloop.app.markets.carry.rows import as_of
from tightloop.app.report import carry as report_carry
from tightloop.app.runs.files import RunFiles
from tightloop.app.runs.interrupts import Interrupts, Stopped
from tightloop.app.runs.sweep import Sweep
from tightloop.app.text.window import window_of
from tightloop.model.carry.plan import CarryPlan, make_carry_plan
from tightloop.model.carry.strategy import STABLE, CarryStrategy
from tightloop.model.errors import InputError, UnfitDataError
from tightloop.model.files.gathered import Gathering
from tightloop.model.files.overrides import Setting, with_settings
from tightloop.model.times import iso
from tightloop.runtime.backtest import carry as carry_backtest
from tightloop.runtime.backtest import sweep as sweeping
from tightloop.runtime.backtest import sweep_carry as carry_sweep
from tightloop.runtime.feeds import carry_tape
from tightloop.runtime.feeds.carry import CarryFeed, Floats
from tightloop.runtime.observe.carry import watch
from tightloop.runtime.results.carry.build import build_carry
from tightloop.runtime.results.carry.snapshots import Snapshots, room_for
from tightloop.runtime.results.metrics import SWEPT
from tightloop.runtime.results.recorder import Recorder
from tightloop.runtime.session import carry as carry_session

if TYPE_CHECKING:
    from tightloop.adapters.data._shared import DatasetReport
    from tightloop.app.facts.conditions import Facts

BENCHMARK = "benchmark/ethena-susde"
BENCHMARK_NAME = "Ethena sUSDe"
FEWEST_INSTANTS = 4
WATCHED_MAX = 50_000
"""Instants of a run that is made again for its report; more would take longer than the run."""
Progress = Callable[[int, int], None]


@dataclass(slots=True, kw_only=True)
class CarryRun(RunFiles):
    """A run of the carry family."""

    strategy: CarryStrategy
    feed: CarryFeed
    plan: CarryPlan = field(repr=False)
    said: dict[str, bytes] = field(default_factory=dict, repr=False)
    """Files of predictions that were read, by path."""

    def report(self) -> str:
        """The report as one self-contained HTML page."""
        made_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        frames = {name: getattr(self, name) for name in self.result.tables}
        return report_carry.page.build_carry_report(
            self.summary, frames, self.result.quality, self.strategy.text, self.command, made_at, self._rules()
        )

    def _rules(self) -> "list[Facts] | None":
        """What the rules of the allocator met, from the run made again; None of one that is long or did not begin."""
        inputs = self.summary["inputs"]
        if len(self.feed.instants) > WATCHED_MAX or not inputs["instants"]:
            return None
        plan = make_carry_plan(self.strategy, [(key.kind, key.name) for key in self.feed.series])
        watched = watch(plan, self.feed, inputs["instants"])
        return facts.carry_rules.rules_of(watched, facts.carry_rules.bundles_of(watched))

    def texts(self) -> dict[str, bytes]:
        """The strategy file with the options of the run in it, and every file it names: layers, flows, predictions."""
        gathering = Gathering({name: text.encode() for name, text in self.strategy.beside} | self.said)
        text = with_settings(self.strategy.text, self.strategy.settings)
        gathering.add("strategy.yaml", self.strategy.file, text)
        return gathering.found


@dataclass(slots=True)
class _Stretch:
    """How far a run went, and why no further."""

    snapshots: Snapshots
    was_asked: bool = False
    is_part: bool = False


def backtest_carry(
    strategy: CarryStrategy,
    *,
    data: Any,
    start: str | None = None,
    end: str | None = None,
    settings: Sequence[Setting] = (),
    seed: int = 0,
    accept: Sequence[str] = (),
    on_progress: Progress | None = None,
    one_by_one: bool = False,
    read_s: float = 0.0,
) -> CarryRun:
    """As ``bootstrap.backtest``, of a strategy that was read in ``read_s`` CPU seconds. ``start`` and ``end`` are both
    included."""
    clock = time.process_time
    window = window_of(start, end)
    read_at = clock()
    feed = load_carry_feed(strategy, data, start_ns=window[0], end_ns=window[1], accepted=frozenset(accept))
    warnings = list(feed.warnings)
    apr = _benchmark(strategy, data, feed, warnings)
    loaded_at = clock()
    plan = make_carry_plan(strategy, [(key.kind, key.name) for key in feed.series])
    tape = carry_tape.make_tape(plan, feed)
    planned_at = clock()
    recorder = Recorder()
    if one_by_one:
        rows = carry_session.run(plan, tape, recorder)
        driven = _Stretch(Snapshots(rows, len(rows)))
    else:
        driven = _drive(plan, tape, recorder, on_progress)
    ran_at = clock()
    taken = driven.snapshots.taken
    result = build_carry(
        plan, feed, taken, recorder, seed=seed, benchmark_apr=apr,
        warnings=_cut_short(driven, feed) + warnings, quality=_quality(feed),
    )  # fmt: skip
    result.summary["is_synthetic"] = _is_synthetic(data, feed)
    result.summary["inputs"] = {
        "strategies": ["strategy.yaml"], "data": Path(data).as_posix(), "from": start, "to": end,
        "instruments": [], "settings": [str(each) for each in settings], "account": False, "accept": list(accept),
        "is_part": driven.is_part, "instants": len(taken), "options_in_files": True,
    }  # fmt: skip
    timing = {
        "load": loaded_at - read_at,
        "compile": read_s + planned_at - loaded_at,
        "run": ran_at - planned_at,
        "write": clock() - ran_at,
        "events": driven.snapshots.events,
        "bars": len(taken),
    }
    signals = [leg.signal.where for leg in strategy.legs if leg.signal is not None and leg.signal.source == "file"]
    places = [Path(strategy.file).parent / where for where in signals if where is not None]
    said = {str(place): place.read_bytes() for place in places if place.is_file()}
    return CarryRun(
        result=result, timing=timing, interrupted=driven.was_asked, strategy=strategy, feed=feed, plan=plan, said=said
    )  # fmt: skip


def _drive(plan: CarryPlan, tape: carry_tape.CarryTape, recorder: Recorder, on_progress: Progress | None) -> _Stretch:
    """Run to the end, or until Ctrl-C: then all that was done is kept."""
    driven = _Stretch(room_for(plan, tape))
    with Interrupts() as interrupts:

        def look(done: int) -> None:
            if on_progress is not None:
                on_progress(done, len(tape.instants))
            if done < len(tape.instants):
                interrupts.check()

        try:
            carry_backtest.run(plan, tape, recorder, look, driven.snapshots)
        except Stopped:
            driven.is_part = True
        driven.was_asked = interrupts.asked
    return driven


def _is_synthetic(data: Any, feed: CarryFeed) -> bool:
    """Whether a dataset that was read was made up."""
    return Catalog(data).is_synthetic(report.path for report in cast("list[DatasetReport]", feed.reports))


def _quality(feed: CarryFeed) -> list[dict[str, Any]]:
    """What the gate found in each dataset, as ``data check --json`` says it."""
    found: list[dict[str, Any]] = json.loads(as_json(cast("list[DatasetReport]", feed.reports)))["datasets"]
    return found


def _cut_short(driven: _Stretch, feed: CarryFeed) -> list[str]:
    if not driven.is_part:
        return []
    count = driven.snapshots.count
    until = f"until {iso(int(feed.instants[count - 1]))}" if count else "no further than its beginning"
    return [f"interrupted: the run went {until}; every figure is of that part"]


def _benchmark(strategy: CarryStrategy, data: Any, feed: CarryFeed, warnings: list[str]) -> Floats | None:
    """The yearly rate of the benchmark at each instant, for a share class in dollars; None without one."""
    catalog = Catalog(data)
    if strategy.share_class != STABLE or not catalog.has(BENCHMARK):
        return None
    try:
        loaded = catalog.series(BENCHMARK)
    except UnfitDataError:
        warnings.append(f"{BENCHMARK} is unfit: there is no benchmark")
        return None
    step_ns = catalog.span(BENCHMARK)[2]
    inside = (feed.instants >= loaded.ts_ns[0]) & (feed.instants <= loaded.ts_ns[-1] + step_ns)
    found = np.full(len(feed.instants), np.nan)
    if inside.any():
        found[inside] = as_of(loaded.ts_ns, loaded.columns["apr"], feed.instants[inside])
    feed.reports.append(loaded.report)
    if not inside.all():
        warnings.append(
            f"the rates of {BENCHMARK_NAME} do not cover the run: the benchmark is not compared over all of it"
        )
    return found


def sweep_carry(
    sets: Sequence[Mapping[str, Any]],
    parameters: tuple[str, ...],
    strategy_of: Callable[[Mapping[str, Any]], CarryStrategy | None],
    *,
    data: Any,
    start: str | None = None,
    end: str | None = None,
    accept: Sequence[str] = (),
    split: float | None = None,
    threads: int | None = None,
    on_row: Callable[[sweeping.Row, int], None] | None = None,
) -> Sweep:
    """As ``bootstrap.sweep``, of parameter sets that ``strategy_of`` reads a carry strategy with."""
    window = window_of(start, end)
    swept = []
    for values in sets:
        own = strategy_of(values)
        assert own is not None, "a set changes no family: the first one was of this family"
        swept.append(own)
    feed = load_carry_feed(swept[0], data, start_ns=window[0], end_ns=window[1], accepted=frozenset(accept))
    _check_same(swept)
    if split is not None and len(feed.instants) < FEWEST_INSTANTS:
        message = f"{len(feed.instants)} instants are too few to split"
        raise InputError.one("command line", None, "--split", message, "widen --from and --to")
    parts = [carry_sweep.Tapes(part) for part in ([feed] if split is None else carry_sweep.parts_of(feed, split))]
    done = Sweep(parameters, [], len(sets), has_split=split is not None, extra=(*SWEPT, sweeping.DENIED))
    done.is_synthetic = _is_synthetic(data, feed)
    numbers = [{"number": number} for number in range(len(sets))]

    def figures_of(number: Mapping[str, Any]) -> tuple[sweeping.Figures, sweeping.Figures | None]:
        own = swept[number["number"]]
        found = [carry_sweep.run_figures(own, part) for part in parts]
        return found[0], found[1] if len(found) > 1 else None

    def count_lost(lost: int) -> None:
        done.lost = lost

    try:
        with closing(sweeping.sweep_sets(numbers, figures_of, threads=threads, on_lost=count_lost)) as rows:
            for row in rows:
                named = replace(row, values=sets[row.number])
                done.rows.append(named)
                if on_row is not None:
                    on_row(named, len(sets))
    except KeyboardInterrupt:
        done.interrupted = True
    return done


def _check_same(swept: Sequence[CarryStrategy]) -> None:
    """The data are read once, so all sets need the same of them."""
    first = needs_of(swept[0])
    for own in swept:
        if needs_of(own) != first or own.timeframe != swept[0].timeframe:
            message = "the data are read once: instruments, pools and timeframe can not be swept"
            raise InputError.one("command line", None, "--param", message, "sweep another parameter, or run them apart")
