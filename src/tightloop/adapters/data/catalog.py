"""A catalog: a tree of Parquet files, loaded into the arrays that the core runs on.

Nothing is repaired silently: rows that a load drops or sorts appear as faults in the report returned with the data.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data._shared import (
    RECORDING_FILE,
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
from tightloop.model.times import SECOND_NS, iso

TIME_MIN, TIME_MAX = -(2**63), 2**63 - 1


class LoadedBars(NamedTuple):
    """BAR records, ascending in open_ns without duplicates, and the quality report."""

    bars: npt.NDArray[np.void]
    report: DatasetReport


class LoadedFunding(NamedTuple):
    """Funding settlements: times in ns rounded to the second, rates per interval (fraction), quality report."""

    ts_ns: Times
    rate: Floats
    report: DatasetReport


class LoadedSeries(NamedTuple):
    """A time series with named columns of equal length, and the quality report."""

    ts_ns: Times
    columns: Mapping[str, Floats]
    report: DatasetReport


class LoadedTicks(NamedTuple):
    """Trades, quotes or book rows by time of receipt, and the quality report.

    ``columns`` have equal length: times int64 (``ts_event_ns`` 0: not sent by the venue), numbers float64,
    ``trade_id``, ``seq`` and flags int64, ``side`` 1 for a bid and -1 for an ask.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    report: DatasetReport


class LoadedTable(NamedTuple):
    """Published rows that are no time series (rewards, parameters): columns of equal length, as stored."""

    columns: Mapping[str, tuple[Any, ...]]
    report: DatasetReport


Loaded = TypeVar("Loaded", LoadedBars, LoadedSeries)


class Catalog:
    """The datasets below ``root``. Paths are scanned on first use and cached; files are read by each load.

    Methods that load take a window [start_ns, end_ns), None for open ends, and ``accepted``: kinds of faults to
    tolerate. They raise InputError for a missing dataset or an empty window, UnfitDataError for faults that are not
    accepted.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    @cached_property
    def _datasets(self) -> tuple[Dataset, ...]:
        return discover(self.root)

    @cached_property
    def _rules(self) -> Mapping[InstrumentId, InstrumentRules]:
        path = self.root / RULES_FILE
        return read_rules(path) if path.exists() else {}

    @property
    def is_of_session(self) -> bool:
        """Whether it has what a session received (``session export``)."""
        return (self.root / RECORDING_FILE).exists()

    def datasets(self) -> tuple[Dataset, ...]:
        """Return every dataset, sorted by path. Raises InputError if the folder does not exist."""
        return self._datasets

    def instruments(self) -> tuple[InstrumentId, ...]:
        """Return every instrument with bars or ticks, sorted."""
        return tuple(sorted({found.instrument for found in self._datasets if found.instrument is not None}))

    def rules(self, instrument: InstrumentId) -> InstrumentRules:
        """Return an instrument's rules from ``instruments.yaml``, or the defaults. Raises InputError."""
        return self._rules.get(instrument) or default_rules(instrument)

    def timeframes(self, instrument: InstrumentId) -> tuple[str, ...]:
        """Return the timeframes of an instrument's bars, shortest first."""
        stored = {bars.timeframe for bars in self._of("bars") if bars.instrument == instrument and bars.timeframe}
        return tuple(sorted(stored, key=lambda timeframe: TIMEFRAMES[timeframe]))

    def bars(
        self,
        instrument: InstrumentId,
        timeframe: str,
        start_ns: int | None = None,
        end_ns: int | None = None,
        accepted: frozenset[str] = frozenset(),
    ) -> LoadedBars:
        """Load the bars whose open lies in the window; the gate judges those rows only."""
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
        """Load the settlements in the window; None if the catalog has no funding of the symbol.

        The result is empty if the window lies between two settlements.
        """
        matches = [dataset for dataset in self._of("funding") if (dataset.venue, dataset.name) == (venue, symbol)]
        if not matches:
            return None
        ts_ns, columns, report = self._load_series(matches[0], start_ns, end_ns, accepted)
        if self.is_of_session:  # settlements are where the session received them, among its ticks
            window = _window(start_ns, end_ns)
            ts_ns, columns = self.as_stamped(matches[0].path)
            inside = (ts_ns >= window[0]) & (ts_ns < window[1])
            return LoadedFunding(ts_ns[inside], columns["rate"][inside], report)
        return LoadedFunding(ts_ns, columns["rate"], report)

    def series(
        self,
        path: str,
        start_ns: int | None = None,
        end_ns: int | None = None,
        accepted: frozenset[str] = frozenset(),
    ) -> LoadedSeries:
        """Load a lending, staking, gas, benchmark or funding series by its path, such as ``lending/aave_v3/USDT``.

        ``columns`` holds every numeric column.
        """
        return self._load_series(self._named(path), start_ns, end_ns, accepted)

    def has(self, path: str) -> bool:
        """Return whether a dataset of that path exists."""
        name = path.removesuffix(".parquet")
        return any(dataset.path.removesuffix(".parquet") == name for dataset in self._datasets)

    def is_synthetic(self, paths: Iterable[str]) -> bool:
        """Return whether any of these datasets is marked as synthetic, as sample data are."""
        names = {path.removesuffix(".parquet") for path in paths}
        named = (dataset for dataset in self._datasets if dataset.path.removesuffix(".parquet") in names)
        return any(is_synthetic(dataset.files) for dataset in named)

    def span(self, path: str) -> tuple[int, int, int]:
        """Return first and last time stamp (series: rounded to the second) and the most common step, in ns."""
        times = self._sorted_times(self._named(path))
        return int(times[0]), int(times[-1]), commonest_step_ns(times) or 0

    def bars_path(self, instrument: InstrumentId, timeframe: str) -> str:
        """Return the path of an instrument's bars. Raises InputError if there are none."""
        return self._bars_dataset(instrument, timeframe).path

    def bars_around(
        self,
        instrument: InstrumentId,
        timeframe: str,
        start_ns: int,
        end_ns: int,
        accepted: frozenset[str] = frozenset(),
    ) -> LoadedBars:
        """Load bars from the last open at or before ``start_ns`` to the first at or after ``end_ns``.

        So an open is known at every instant between, and a hole at either end counts in full. Raises InputError if the
        rows do not reach that far. Holes within the tolerance of the whole dataset do not make a short window unfit.
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
        """Load a series from the last row at or before ``start_ns`` to the first at or after ``end_ns``.

        As ``bars_around``, but the rows may begin up to ``slack_ns`` later and must end less than that earlier: funding
        is complete until just before the next settlement.
        """
        low, high = self._rows_around(self._named(path), start_ns, end_ns, slack_ns)
        return _less_torn(lambda *options: self.series(path, *options), low, high, accepted)

    def as_stamped(self, path: str) -> tuple[Times, Mapping[str, Floats]]:
        """Return all rows of a series ordered by their original time stamps (not rounded); they are not judged."""
        dataset = self._named(path)
        source = self._source(dataset)
        times = source.times_ns("ts")
        order = np.argsort(times, kind="stable")
        columns = [name for name in required_columns(dataset, source.types) if name != "ts"]
        return times[order], {name: source.floats(name)[order] for name in columns}

    def table(self, path: str) -> LoadedTable:
        """Load published rows by path, such as ``rewards/etherfi-eigen-weekly``. Raises InputError if missing."""
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
        """Load ``kind`` (trades, quotes, books) received in the window; None if the catalog has none."""
        assert kind in ("trades", "quotes", "books"), kind
        matches = [dataset for dataset in self._of(kind) if dataset.instrument == instrument]
        if not matches:
            return None
        source = self._source(matches[0])
        judged = judge_ticks(matches[0], source, _window(start_ns, end_ns))
        if not judged.report.rows:
            raise self._empty_window(matches[0], source, start_ns, end_ns, "ts_init_ns")
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
        """Judge ``kind`` (trades, quotes, books) received in the window and return a reader that yields it in pieces.

        Raises InputError also for books without a snapshot, from which the book is never known.
        """
        assert kind in ("trades", "quotes", "books"), kind
        matches = [dataset for dataset in self._of(kind) if dataset.instrument == instrument]
        if not matches:
            names = {str(other.instrument) for other in self._of(kind) if other.instrument}
            available = nearest(str(instrument), names) if names else "no instrument"
            message = f"there are no {kind} of {instrument}"
            raise InputError.one(self.root, None, "instruments", message, f"the catalog has {kind} of {available}")
        dataset = matches[0]
        self._source(dataset)
        sources = [Source([file], dataset.path) for file in dataset.files]
        reader = read_ticks(dataset, sources, _window(start_ns, end_ns))
        if not reader.report.rows:
            raise self._empty_window(dataset, self._source(dataset), start_ns, end_ns, "ts_init_ns")
        gate(reader.report, accepted, self.root)
        if kind == "books" and not reader.has_snapshot:
            message = "no row is a snapshot, and without one the book is never known"
            remedy = "begin earlier with --from, or write the book again with snapshots"
            raise InputError.one(self.root / dataset.path, None, "is_snapshot", message, remedy)
        return reader

    def _named(self, path: str) -> Dataset:
        name = path.removesuffix(".parquet")
        matches = [dataset for dataset in self._datasets if dataset.path.removesuffix(".parquet") == name]
        if not matches:
            available = nearest(name, (dataset.path.removesuffix(".parquet") for dataset in self._datasets))
            raise InputError.one(self.root, None, name, "there is no such dataset", f"there are {available}")
        return matches[0]

    def _sorted_times(self, dataset: Dataset) -> Times:
        """Return the dataset's times, ascending; those of a series rounded to the second."""
        times = np.sort(self._source(dataset).times_ns("ts"))
        return times if dataset.kind == "bars" else (times + SECOND_NS // 2) // SECOND_NS * SECOND_NS

    def _rows_around(self, dataset: Dataset, start_ns: int, end_ns: int, slack_ns: int) -> tuple[int, int]:
        """Return a window [low, high) of rows that encloses every instant of [start_ns, end_ns)."""
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
        """Return the dataset of an instrument's bars. Raises InputError that lists what is available."""
        matches = [bars for bars in self._of("bars") if bars.instrument == instrument and bars.timeframe == timeframe]
        if len(matches) > 1:
            message = f"{' and '.join(bars.path for bars in matches)} are the same dataset"
            raise InputError.one(self.root, None, "", message, "keep the file or the folder")
        if matches:
            return matches[0]
        timeframes = self.timeframes(instrument)
        if timeframes:
            message = f"there are no bars of {timeframe} for {instrument}"
            remedy = f"use {', '.join(timeframes)}"
            if TIMEFRAMES[timeframe] > TIMEFRAMES[timeframes[0]]:
                path = f"bars/{instrument.venue}/{instrument.stem}-{timeframes[0]}"
                remedy += f", or make them with `tightloop data resample {path} {timeframe} --data {self.root}`"
            raise InputError.one(self.root, None, "timeframe", message, remedy)
        names = {f"{matches.instrument} ({matches.timeframe})" for matches in self._of("bars") if matches.instrument}
        there_are = nearest(f"{instrument} ({timeframe})", names) if names else "no bars at all"
        raise InputError.one(
            self.root, None, "instruments", f"there are no bars of {instrument}", f"there are {there_are}"
        )

    def _source(self, dataset: Dataset) -> Source:
        """Open a dataset. Raises UnfitDataError if a required column is missing or there are no rows."""
        source = Source(dataset.files, dataset.path)
        missing = source.problems(required_columns(dataset, source.types))
        if missing or not source.rows:
            gate(schema_report(dataset.path, source.rows, missing), frozenset(), self.root)
        return source

    def _empty_window(
        self, dataset: Dataset, source: Source, start_ns: int | None, end_ns: int | None, column: str = "ts"
    ) -> InputError:
        """Build the error of a window without rows; it names the span of the data."""
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
    """Load [low, high); if holes alone make it unfit, judge holes by the whole dataset instead."""
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
        replace(fault, verdict=Verdict.USABLE, detail=f"{fault.detail}; few compared with the whole dataset")
        if fault.kind == "holes"
        else fault
        for fault in loaded.report.faults
    )
    return loaded._replace(report=replace(loaded.report, faults=faults))


def _covers(source: Source, window: tuple[int, int]) -> bool:
    """Return whether an empty window lies within the rows: a minute between two settlements rightly has none."""
    times = source.times_ns("ts")
    return bool(times.min() < window[1] and window[0] <= times.max())


def _window(start_ns: int | None, end_ns: int | None) -> tuple[int, int]:
    return (TIME_MIN if start_ns is None else start_ns, TIME_MAX if end_ns is None else end_ns)
