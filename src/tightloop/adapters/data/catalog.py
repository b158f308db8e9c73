"""A catalog: a folder tree of Parquet, read into the arrays that the core runs on.

Nothing is repaired silently: what a load drops or sorts is a fault of the report that comes with it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data._shared import (
    RULES_FILE,
    Dataset,
    DatasetReport,
    Source,
    TickReader,
    Verdict,
    commonest_step_ns,
    discover,
    gate,
    is_synthetic,
    iso,
    judge_bars,
    judge_series,
    judge_table,
    judge_ticks,
    nearest,
    read_bars,
    read_ticks,
    required_columns,
    schema_report,
)
from tightloop.adapters.data._shared.arrays import Times
from tightloop.core.domain.types import BAR, Floats
from tightloop.model.errors import InputError, UnfitDataError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId, InstrumentRules, default_rules, read_rules
from tightloop.model.times import SECOND_NS

TIME_MIN, TIME_MAX = -(2**63), 2**63 - 1


class LoadedBars(NamedTuple):
    """Bars of core.types.BAR in ascending order of open_ns without duplicates, and what the gate found in them."""

    bars: npt.NDArray[np.void]
    report: DatasetReport


class LoadedFunding(NamedTuple):
    """Settlements: times in ns rounded to the second, rates per interval (decimal), and what the gate found."""

    ts_ns: Times
    rate: Floats
    report: DatasetReport


class LoadedSeries(NamedTuple):
    """A series with named columns of one length, and what the gate found."""

    ts_ns: Times
    columns: Mapping[str, Floats]
    report: DatasetReport


class LoadedTicks(NamedTuple):
    """Trades, quotes or book changes by the time they were received, and what the gate found.

    ``columns`` as in the contract, each of one length: times int64 (``ts_event_ns`` 0: the venue sent none), numbers
    float64, ``trade_id``, ``seq`` and flags int64, ``side`` 1 for a bid and -1 for an ask.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    report: DatasetReport


class LoadedTable(NamedTuple):
    """Published rows that are no series (rewards, parameters): columns of one length, as stored."""

    columns: Mapping[str, tuple[Any, ...]]
    report: DatasetReport


Loaded = TypeVar("Loaded", LoadedBars, LoadedSeries)


class Catalog:
    """The datasets below ``root``. Paths are read once, when first asked for; files when they are loaded."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    @cached_property
    def _datasets(self) -> tuple[Dataset, ...]:
        return discover(self.root)

    @cached_property
    def _rules(self) -> Mapping[InstrumentId, InstrumentRules]:
        path = self.root / RULES_FILE
        return read_rules(path) if path.exists() else {}

    def datasets(self) -> tuple[Dataset, ...]:
        """Every dataset, in the order of paths; InputError when there is no such folder."""
        return self._datasets

    def instruments(self) -> tuple[InstrumentId, ...]:
        """Every instrument that has bars or ticks, sorted."""
        return tuple(sorted({found.instrument for found in self._datasets if found.instrument is not None}))

    def rules(self, instrument: InstrumentId) -> InstrumentRules:
        """The rules of ``instruments.yaml``, or the product's defaults; InputError when the file is wrong."""
        return self._rules.get(instrument) or default_rules(instrument)

    def timeframes(self, instrument: InstrumentId) -> tuple[str, ...]:
        """Timeframes of the bars there are, shortest first; empty without any."""
        found = {bars.timeframe for bars in self._of("bars") if bars.instrument == instrument and bars.timeframe}
        return tuple(sorted(found, key=lambda timeframe: TIMEFRAMES[timeframe]))

    def bars(
        self,
        instrument: InstrumentId,
        timeframe: str,
        start_ns: int | None = None,
        end_ns: int | None = None,
        accepted: frozenset[str] = frozenset(),
    ) -> LoadedBars:
        """Bars whose open lies in [start_ns, end_ns); None: from the first, to the last.

        The gate judges the rows of that window. InputError: no such dataset (names those there are), no rows in the
        window; UnfitDataError: faults that are not in ``accepted``.
        """
        dataset = self._bars_dataset(instrument, timeframe)
        source = self._source(dataset)
        step_ns = TIMEFRAMES[timeframe]
        bars, grid = read_bars(source, BAR, step_ns, *_window(start_ns, end_ns))
        if not len(bars):
            raise self._empty_window(dataset, source, start_ns, end_ns)
        calendar = self.rules(instrument).calendar
        zoned = source.zone("ts") is not None
        judged = judge_bars(dataset.path, bars, step_ns, calendar, zoned=zoned, grid=grid)
        gate(judged.report, accepted, self.root)
        return LoadedBars(judged.bars, judged.report)

    def funding(
        self,
        venue: str,
        symbol: str,
        start_ns: int | None = None,
        end_ns: int | None = None,
        accepted: frozenset[str] = frozenset(),
    ) -> LoadedFunding | None:
        """Settlements in [start_ns, end_ns), or None when the catalog has no funding of the symbol.

        None at all between two settlements; InputError for a window outside the data.
        """
        found = [dataset for dataset in self._of("funding") if (dataset.venue, dataset.name) == (venue, symbol)]
        if not found:
            return None
        ts_ns, columns, report = self._load_series(found[0], start_ns, end_ns, accepted)
        return LoadedFunding(ts_ns, columns["rate"], report)

    def series(
        self,
        path: str,
        start_ns: int | None = None,
        end_ns: int | None = None,
        accepted: frozenset[str] = frozenset(),
    ) -> LoadedSeries:
        """A lending, staking, gas, benchmark or funding series by its path, for example ``lending/aave_v3/USDT``.

        ``columns`` holds every numeric column. InputError when there is none; it names those there are.
        """
        return self._load_series(self._named(path), start_ns, end_ns, accepted)

    def has(self, path: str) -> bool:
        """Whether there is a dataset of that path."""
        name = path.removesuffix(".parquet")
        return any(dataset.path.removesuffix(".parquet") == name for dataset in self._datasets)

    def is_synthetic(self, paths: Iterable[str]) -> bool:
        """Whether one of these datasets was made up, as those of `tightloop data sample` are marked."""
        names = {path.removesuffix(".parquet") for path in paths}
        own = (dataset for dataset in self._datasets if dataset.path.removesuffix(".parquet") in names)
        return any(is_synthetic(dataset.files) for dataset in own)

    def span(self, path: str) -> tuple[int, int, int]:
        """First and last stamp of a series or of bars, rounded to the second, and the commonest step, in ns."""
        times = self._sorted_times(self._named(path))
        return int(times[0]), int(times[-1]), commonest_step_ns(times) or 0

    def bars_path(self, instrument: InstrumentId, timeframe: str) -> str:
        """The path of an instrument's bars; InputError when there are none, as of ``bars``."""
        return self._bars_dataset(instrument, timeframe).path

    def bars_around(
        self,
        instrument: InstrumentId,
        timeframe: str,
        start_ns: int,
        end_ns: int,
        accepted: frozenset[str] = frozenset(),
    ) -> LoadedBars:
        """Bars from the last open at or before ``start_ns`` to the first at or after ``end_ns``.

        So every instant between has an open in force, and a hole that either of them lies in counts whole. InputError
        when the rows do not reach that far. Holes that are few in the dataset as a whole do not make a short window
        unfit.
        """
        dataset = self._bars_dataset(instrument, timeframe)
        low, high = self._rows_around(dataset, start_ns, end_ns, 0)
        return _less_torn(lambda *options: self.bars(instrument, timeframe, *options), low, high, accepted)

    def series_around(
        self,
        path: str,
        start_ns: int,
        end_ns: int,
        accepted: frozenset[str] = frozenset(),
        slack_ns: int = 0,
    ) -> LoadedSeries:
        """A series from the last row at or before ``start_ns`` to the first at or after ``end_ns``, as ``bars_around``.

        The rows may begin by ``slack_ns`` later and must end by less than it earlier: funding is complete until just
        before the next settlement.
        """
        low, high = self._rows_around(self._named(path), start_ns, end_ns, slack_ns)
        return _less_torn(lambda *options: self.series(path, *options), low, high, accepted)

    def as_stamped(self, path: str) -> tuple[Times, Mapping[str, Floats]]:
        """All rows of a series in the order of their stamps, which are not rounded, and not judged."""
        dataset = self._named(path)
        source = self._source(dataset)
        times = source.times_ns("ts")
        order = np.argsort(times, kind="stable")
        columns = [name for name in required_columns(dataset, source.types) if name != "ts"]
        return times[order], {name: source.floats(name)[order] for name in columns}

    def table(self, path: str) -> LoadedTable:
        """Published rows by their path, for example ``rewards/etherfi-eigen-weekly``; InputError without them."""
        dataset = self._named(path)
        source = self._source(dataset)
        return LoadedTable({name: source.values(name) for name in source.types}, judge_table(dataset, source))

    def ticks(
        self,
        kind: str,
        instrument: InstrumentId,
        start_ns: int | None = None,
        end_ns: int | None = None,
        accepted: frozenset[str] = frozenset(),
    ) -> LoadedTicks | None:
        """``kind`` trades, quotes or books received in [start_ns, end_ns), or None when the catalog has none."""
        assert kind in ("trades", "quotes", "books"), kind
        found = [dataset for dataset in self._of(kind) if dataset.instrument == instrument]
        if not found:
            return None
        source = self._source(found[0])
        judged = judge_ticks(found[0], source, _window(start_ns, end_ns))
        if not judged.report.rows:
            raise self._empty_window(found[0], source, start_ns, end_ns, "ts_init_ns")
        gate(judged.report, accepted, self.root)
        if judged.rows is None:
            return LoadedTicks(judged.columns, judged.report)
        return LoadedTicks({name: column[judged.rows] for name, column in judged.columns.items()}, judged.report)

    def tick_reader(
        self,
        kind: str,
        instrument: InstrumentId,
        start_ns: int | None = None,
        end_ns: int | None = None,
        accepted: frozenset[str] = frozenset(),
    ) -> TickReader:
        """``kind`` trades, quotes or books received in [start_ns, end_ns), judged, to be read in pieces.

        InputError: no such dataset (names those there are), no rows in the window; UnfitDataError: see ``bars``.
        """
        assert kind in ("trades", "quotes", "books"), kind
        found = [dataset for dataset in self._of(kind) if dataset.instrument == instrument]
        if not found:
            names = {str(other.instrument) for other in self._of(kind) if other.instrument}
            there = nearest(str(instrument), names) if names else "none at all"
            message = f"there are no {kind} of {instrument}"
            raise InputError.one(self.root, None, "instruments", message, f"there are {kind} of {there}")
        dataset = found[0]
        self._source(dataset)
        sources = [Source([file], dataset.path) for file in dataset.files]
        reader = read_ticks(dataset, sources, _window(start_ns, end_ns))
        if not reader.report.rows:
            raise self._empty_window(dataset, self._source(dataset), start_ns, end_ns, "ts_init_ns")
        gate(reader.report, accepted, self.root)
        if kind == "books" and not reader.has_snapshot:
            message = "there is no snapshot among the rows, and without one the book is never known"
            remedy = "begin earlier, with --from, or write the book again with snapshots"
            raise InputError.one(self.root / dataset.path, None, "is_snapshot", message, remedy)
        return reader

    def _named(self, path: str) -> Dataset:
        name = path.removesuffix(".parquet")
        found = [dataset for dataset in self._datasets if dataset.path.removesuffix(".parquet") == name]
        if not found:
            there = nearest(name, (dataset.path.removesuffix(".parquet") for dataset in self._datasets))
            raise InputError.one(self.root, None, name, "there is no such dataset", f"there are {there}")
        return found[0]

    def _sorted_times(self, dataset: Dataset) -> Times:
        times = np.sort(self._source(dataset).times_ns("ts"))
        return times if dataset.kind == "bars" else (times + SECOND_NS // 2) // SECOND_NS * SECOND_NS

    def _rows_around(self, dataset: Dataset, start_ns: int, end_ns: int, slack_ns: int) -> tuple[int, int]:
        """A window [low, high) of whole rows that an instant of [start_ns, end_ns] lies on or between."""
        times = self._sorted_times(dataset)
        first, last = int(times[0]), int(times[-1])
        if start_ns < first - slack_ns or (end_ns >= last + slack_ns if slack_ns else end_ns > last):
            wanted = f"{iso(start_ns)} to {iso(end_ns)}"
            message = f"the rows run from {iso(first)} to {iso(last)}, which does not cover {wanted}"
            late, early = start_ns < first - slack_ns, end_ns > last
            remedies = [f"start at {iso(first)} or later"] * late + [f"end at {iso(last)} or earlier"] * early
            raise InputError.one(self.root / dataset.path, None, "ts", message, ", ".join(remedies))
        before = max(int(np.searchsorted(times, start_ns, "right")) - 1, 0)
        after = min(int(np.searchsorted(times, end_ns)), len(times) - 1)
        return int(times[before]), int(times[after]) + 1

    def _of(self, kind: str) -> list[Dataset]:
        return [dataset for dataset in self._datasets if dataset.kind == kind]

    def _bars_dataset(self, instrument: InstrumentId, timeframe: str) -> Dataset:
        found = [bars for bars in self._of("bars") if bars.instrument == instrument and bars.timeframe == timeframe]
        if len(found) > 1:
            message = f"{' and '.join(bars.path for bars in found)} are the same dataset"
            raise InputError.one(self.root, None, "", message, "keep the file or the folder")
        if found:
            return found[0]
        there = self.timeframes(instrument)
        if there:
            message = f"there are no bars of {timeframe} for {instrument}"
            remedy = f"use {', '.join(there)}"
            if TIMEFRAMES[timeframe] > TIMEFRAMES[there[0]]:
                path = f"bars/{instrument.venue}/{instrument.stem}-{there[0]}"
                remedy += f", or make them with `tightloop data resample {path} {timeframe} --data {self.root}`"
            raise InputError.one(self.root, None, "timeframe", message, remedy)
        names = {f"{found.instrument} ({found.timeframe})" for found in self._of("bars") if found.instrument}
        there_are = nearest(f"{instrument} ({timeframe})", names) if names else "no bars at all"
        raise InputError.one(
            self.root, None, "instruments", f"there are no bars of {instrument}", f"there are {there_are}"
        )

    def _source(self, dataset: Dataset) -> Source:
        """Opens a dataset; UnfitDataError when it lacks a column that its kind needs."""
        source = Source(dataset.files, dataset.path)
        missing = source.problems(required_columns(dataset, source.types))
        if missing or not source.rows:
            gate(schema_report(dataset.path, source.rows, missing), frozenset(), self.root)
        return source

    def _empty_window(
        self, dataset: Dataset, source: Source, start_ns: int | None, end_ns: int | None, column: str = "ts"
    ) -> InputError:
        times = source.times_ns(column)
        since = "the first" if start_ns is None else iso(start_ns)
        until = "the last" if end_ns is None else iso(end_ns)
        message = f"there are no rows from {since} to {until}"
        remedy = f"the data run from {iso(int(times.min()))} to {iso(int(times.max()))}"
        return InputError.one(self.root / dataset.path, None, column, message, remedy)

    def _load_series(
        self, dataset: Dataset, start_ns: int | None, end_ns: int | None, accepted: frozenset[str]
    ) -> LoadedSeries:
        source = self._source(dataset)
        window = _window(start_ns, end_ns)
        judged = judge_series(dataset, source, window)
        if not len(judged.ts_ns) and not _covers(source, window):
            raise self._empty_window(dataset, source, start_ns, end_ns)
        gate(judged.report, accepted, self.root)
        if judged.rows is None:
            return LoadedSeries(judged.ts_ns, judged.columns, judged.report)
        columns = {name: column[judged.rows] for name, column in judged.columns.items()}
        return LoadedSeries(judged.ts_ns[judged.rows], columns, judged.report)


def _less_torn(
    load: Callable[[int | None, int | None, frozenset[str]], Loaded], low: int, high: int, accepted: frozenset[str]
) -> Loaded:
    """What ``load`` gives for [low, high), with holes judged as in the whole dataset where that is better."""
    try:
        return load(low, high, accepted)
    except UnfitDataError as error:
        if {problem.field for problem in error.problems} != {"holes"}:
            raise
        try:
            load(None, None, accepted)
        except UnfitDataError:
            raise error from None
    loaded = load(low, high, accepted | {"holes"})
    faults = tuple(
        replace(fault, verdict=Verdict.USABLE, detail=f"{fault.detail}; few in the whole dataset")
        if fault.kind == "holes"
        else fault
        for fault in loaded.report.faults
    )
    return loaded._replace(report=replace(loaded.report, faults=faults))


def _covers(source: Source, window: tuple[int, int]) -> bool:
    """Whether a window without rows lies between rows: a minute between two settlements has none, rightly."""
    times = source.times_ns("ts")
    return bool(times.min() < window[1] and window[0] <= times.max())


def _window(start_ns: int | None, end_ns: int | None) -> tuple[int, int]:
    return (TIME_MIN if start_ns is None else start_ns, TIME_MAX if end_ns is None else end_ns)
