"""Carry runs and sweeps: a strategy and a catalog, through plan, feed, tape and driver, to a finished run.

The composition root of the carry family, as ``app/runs/signal.py`` is of the others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tightloop.adapters.data.catalog import Catalog
from tightloop.app import facts
from tightloop.app.markets.carry.load import load_carry_feed, needs_of
from tightloop.app.markets.carry.rows import as_of
from tightloop.app.markets.opening import is_synthetic
from tightloop.app.report import carry as report_carry
from tightloop.app.runs.driving import Driven, drive
from tightloop.app.runs.job import Job, RunOptions
from tightloop.app.runs.run import Run
from tightloop.app.runs.swept import Sweep
from tightloop.app.text.window import window_of
from tightloop.model.carry.plan import CarryPlan, make_carry_plan
from tightloop.model.carry.strategy import STABLE, CarryStrategy
from tightloop.model.errors import InputError, UnfitDataError
from tightloop.model.files.gathered import Gathering
from tightloop.model.files.overrides import with_settings
from tightloop.runtime.backtest import carry as carry_backtest
from tightloop.runtime.backtest import sweep as sweeping
from tightloop.runtime.backtest import sweep_carry as carry_sweep
from tightloop.runtime.backtest.one_by_one import carry as carry_one_by_one
from tightloop.runtime.feeds import carry_tape
from tightloop.runtime.feeds.carry import CarryFeed, Floats
from tightloop.runtime.observe.carry import watch
from tightloop.runtime.results.carry.build import build_carry
from tightloop.runtime.results.carry.snapshots import Snapshots, room_for
from tightloop.runtime.results.metrics import SWEPT
from tightloop.runtime.results.result import Result

if TYPE_CHECKING:
    from tightloop.app.facts.conditions import Facts

BENCHMARK = "benchmark/ethena-susde"
BENCHMARK_NAME = "Ethena sUSDe"
FEWEST_INSTANTS = 4
WATCHED_MAX = 50_000
"""Instants up to which a report repeats the run under observation; beyond, that takes longer than the run did."""


@dataclass(slots=True, kw_only=True)
class CarryRun(Run):
    """A finished run of the carry family."""

    strategy: CarryStrategy
    feed: CarryFeed
    plan: CarryPlan = field(repr=False)
    predictions: dict[str, bytes] = field(default_factory=dict, repr=False)
    """Files of predictions that the run read, by path."""

    def page(self, made_at: str) -> str:
        """Build the report."""
        frames = {name: getattr(self, name) for name in self.result.tables}
        return report_carry.page.build_carry_report(
            self.summary, frames, self.result.quality, self.strategy.text, self.command, made_at, self._rules()
        )

    def _rules(self) -> "list[Facts] | None":
        """Repeat the run under observation and return what each allocator rule measured and did.

        None for a run above WATCHED_MAX instants, and for one without any.
        """
        inputs = self.summary["inputs"]
        if len(self.feed.instants) > WATCHED_MAX or not inputs["instants"]:
            return None
        plan = make_carry_plan(self.strategy, [(key.kind, key.name) for key in self.feed.series])
        watched = watch(plan, self.feed, inputs["instants"])
        return facts.carry_rules.rules_of(watched, facts.carry_rules.bundles_of(watched))

    def texts(self) -> dict[str, bytes]:
        """Return the strategy file with the run's options written into it, and every file it names (layers, capital
        flows, predictions)."""
        gathering = Gathering({name: text.encode() for name, text in self.strategy.beside} | self.predictions)
        text = with_settings(self.strategy.text, self.strategy.settings)
        gathering.add("strategy.yaml", self.strategy.file, text)
        return gathering.found


def backtest_carry(
    strategy: CarryStrategy,
    *,
    data: Any,
    start: str | None = None,
    end: str | None = None,
) -> Run:
    """Run a carry strategy that was already read over a catalog; ``start`` and ``end`` are both included."""
    return CarryJob(RunOptions(data=data, start=start, end=end), strategy).make()


@dataclass(slots=True)
class CarryJob(Job):
    """A backtest of a carry strategy; account and instruments of the options do not apply."""

    strategy: CarryStrategy
    _feed: CarryFeed = field(init=False)
    _apr: Floats | None = field(init=False)
    _plan: CarryPlan = field(init=False)
    _tape: carry_tape.CarryTape = field(init=False)
    _snapshots: Snapshots = field(init=False)

    def load(self) -> None:
        """Load the series that the strategy needs, and the benchmark."""
        self.options = replace(self.options, account=None, instruments=())
        self._feed = load_carry_feed(self.strategy, self.options.data, **self.options.window())
        self.reports, self.warnings = self._feed.reports, list(self._feed.warnings)
        self._apr = _benchmark(self.strategy, self.options.data, self._feed, self.warnings)

    def plan(self) -> None:
        """Lay out State, and put the series on a tape of instants."""
        self._plan = make_carry_plan(self.strategy, [(key.kind, key.name) for key in self._feed.series])
        self._tape = carry_tape.make_tape(self._plan, self._feed)

    def drive(self) -> Driven:
        """Drive the plan over its tape; Ctrl-C stops between two instants."""
        plan, tape, recorder = self._plan, self._tape, self.recorder
        if self.options.one_by_one:
            rows = carry_one_by_one.run(plan, tape, recorder)
            self._snapshots = Snapshots(rows, len(rows))
            return Driven(len(rows))
        snapshots = self._snapshots = room_for(plan, tape)
        total = len(tape.instants)

        def run(look: Callable[[int], None]) -> int:
            return len(carry_backtest.run(plan, tape, recorder, look, snapshots))

        return drive(run, total, self.options.on_progress, last=total)

    def last_ns(self) -> int | None:
        """Return the time of the last finished instant."""
        return int(self._feed.instants[self.driven.done - 1]) if self.driven.done else None

    def result(self, warnings: list[str], quality: list[dict[str, Any]]) -> Result:
        """Build tables and summary of the instants that have a snapshot."""
        return build_carry(
            self._plan, self._feed, self._snapshots.taken, self.recorder, seed=self.options.seed,
            benchmark_apr=self._apr, warnings=warnings, quality=quality,
        )  # fmt: skip

    def names(self) -> list[str]:
        """Return the name of the one strategy file."""
        return ["strategy.yaml"]

    def progress(self) -> dict[str, Any]:
        """Return the number of finished instants."""
        return {"instants": len(self._snapshots.taken)}

    def counts(self) -> tuple[int, int]:
        """Return events and finished instants."""
        return self._snapshots.events, len(self._snapshots.taken)

    def run(self, **common: Any) -> Run:
        """Make the finished run, with the files of predictions that it read."""
        predictions = _prediction_files(self.strategy)
        return CarryRun(strategy=self.strategy, feed=self._feed, plan=self._plan, predictions=predictions, **common)


def _prediction_files(strategy: CarryStrategy) -> dict[str, bytes]:
    """Read the files of predictions that legs name, by path; one that is gone by now is left out."""
    signals = [leg.signal.where for leg in strategy.legs if leg.signal is not None and leg.signal.source == "file"]
    paths = [Path(strategy.file).parent / where for where in signals if where is not None]
    return {str(path): path.read_bytes() for path in paths if path.is_file()}


def _benchmark(strategy: CarryStrategy, data: Any, feed: CarryFeed, warnings: list[str]) -> Floats | None:
    """Return the benchmark's rate at each instant of the feed, ``(n_instants,) float64``; NaN outside its data.

    A rate is a fraction a year. None unless the share class is the dollar and the catalog has the benchmark. Adds to
    the feed's reports and to ``warnings``.
    """
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
    apr = np.full(len(feed.instants), np.nan)
    if inside.any():
        apr[inside] = as_of(loaded.ts_ns, loaded.columns["apr"], feed.instants[inside])
    feed.reports.append(loaded.report)
    if not inside.all():
        warnings.append(
            f"the rates of {BENCHMARK_NAME} do not cover the run: the benchmark is not compared over all of it"
        )
    return apr


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
    """Sweep a carry strategy as ``tightloop.sweep`` does; ``strategy_of`` reads it with the values of a set."""
    window = window_of(start, end)
    swept = []
    for values in sets:
        strategy = strategy_of(values)
        assert strategy is not None, "a set changes no family: the first one was of this family"
        swept.append(strategy)
    feed = load_carry_feed(swept[0], data, start_ns=window[0], end_ns=window[1], accepted=frozenset(accept))
    _check_same(swept)
    if split is not None and len(feed.instants) < FEWEST_INSTANTS:
        message = f"{len(feed.instants)} instants are too few to split"
        raise InputError.one("command line", None, "--split", message, "widen --from and --to")
    parts = [carry_sweep.Tapes(part) for part in ([feed] if split is None else carry_sweep.parts_of(feed, split))]
    done = Sweep(parameters, [], len(sets), has_split=split is not None, extra=(*SWEPT, sweeping.DENIED))
    done.is_synthetic = bool(is_synthetic(data, feed.reports))
    numbers = [{"number": number} for number in range(len(sets))]

    def figures_of(number: Mapping[str, Any]) -> tuple[sweeping.Figures, sweeping.Figures | None]:
        strategy = swept[number["number"]]
        figures = [carry_sweep.run_figures(strategy, part) for part in parts]
        return figures[0], figures[1] if len(figures) > 1 else None

    done.collect(sweeping.sweep_sets(numbers, figures_of, threads=threads, on_lost=done.count_lost), sets, on_row)
    return done


def _check_same(swept: Sequence[CarryStrategy]) -> None:
    """Refuse sets that need other data than the first one: the data are read once."""
    first = needs_of(swept[0])
    for strategy in swept:
        if needs_of(strategy) != first or strategy.timeframe != swept[0].timeframe:
            message = "the data are read once: instruments, pools and timeframe cannot be swept"
            remedy = "sweep another parameter, or run them separately"
            raise InputError.one("command line", None, "--param", message, remedy)
