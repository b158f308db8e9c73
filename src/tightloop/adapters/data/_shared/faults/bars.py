"""The gate's view of bars, and of what cannot be read at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data._shared.arrays import Flags, RowNumbers
from tightloop.adapters.data._shared.faults.grid import BarGrid, apart, grid_faults, grid_of
from tightloop.adapters.data._shared.faults.prices import bar_faults
from tightloop.adapters.data._shared.faults.report import DatasetReport, Fault, Verdict, in_contract_order
from tightloop.adapters.data._shared.faults.times import order_of, other_cadence, step_faults, without_zone
from tightloop.adapters.data._shared.parquet import ColumnProblem, Source
from tightloop.core.domain.types import Floats

PRICE_COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Judged:
    """A report, and the bars that a run uses: in order, each once, none inside of another, all with a price."""

    report: DatasetReport
    bars: npt.NDArray[np.void]


def judge_bars(
    path: str, bars: npt.NDArray[np.void], step_ns: int, calendar: str, *, zoned: bool, grid: BarGrid | None = None
) -> Judged:
    """Judge bars as stored: a structured array with open, high, low, close, volume, open_ns and close_ns.

    ``grid`` is that of the whole dataset when ``bars`` are a window of it. Where a zone's summer time changes, the bars
    that are given back end when the next may begin.
    """
    times = bars["open_ns"]  # a view: a copy of one column of a year of minutes is 4 MB
    if not len(times):
        return Judged(schema_report(path, 0, ()), bars)
    order = order_of(times, _Values(bars))
    rows = order.rows
    used = bars if rows is None else bars[rows]
    stamps = times if rows is None else times[rows]
    first, last = int(times.min()), int(times.max())
    grid = grid_of(times, step_ns) if grid is None else grid
    prices = bar_faults({name: used[name] for name in PRICE_COLUMNS}, stamps)
    off = grid.off_ns(stamps)
    cadence = other_cadence(stamps, step_ns)
    steps: list[Fault | None] = [cadence]
    if cadence is None:  # against the wrong step every row would be a hole
        # A bar off the grid counts as the one it lies nearest to.
        nearest = np.unique(stamps - off) if off.any() else stamps
        steps = step_faults(nearest, step_ns, calendar, is_bars=True)
    faults = [
        order.disorder, order.exact, order.conflicting, *prices, *steps,
        *grid_faults(stamps, off, grid, is_other_step=cadence is not None),
        None if zoned else without_zone(len(times), first, "ts"),
    ]  # fmt: skip
    notes = () if grid.zone is None else (f"days of {grid.zone}: 23 and 25 hours where its summer time changes",)
    report = DatasetReport(path, len(times), first, last, in_contract_order(faults), notes)
    return Judged(report, _usable(used, grid, {fault.kind for fault in report.faults}))


def _usable(used: npt.NDArray[np.void], grid: BarGrid, kinds: set[str]) -> npt.NDArray[np.void]:
    if "non_positive" in kinds:
        used = used[_positive(used)]
    if grid.zone is not None:
        used = used.copy()
        used["close_ns"] = grid.ends_ns(used["open_ns"])
    return used[apart(used["open_ns"], grid)] if "overlap" in kinds else used


def _positive(used: npt.NDArray[np.void]) -> Flags:
    """Which bars can be traded: what is not a price is left out when it is accepted, never passed on."""
    good = np.ones(len(used), bool)
    for name in PRICE_COLUMNS:
        column = used[name]
        good &= np.isfinite(column) & ((column > 0) | ((name == "volume") & (column == 0)))
    return good


def read_bars(
    source: Source, dtype: np.dtype[np.void], step_ns: int, start_ns: int, end_ns: int
) -> tuple[npt.NDArray[np.void], BarGrid]:
    """RowNumbers of the window as stored, unsorted and repeated rows included, missing numbers as NaN; the grid of all rows.

    ``dtype`` holds the prices, open_ns and close_ns; ``close_ns`` is ``open_ns + step_ns``.
    """
    times = source.times_ns("ts")
    ordered = bool((times[1:] >= times[:-1]).all())
    low, high = (int(np.searchsorted(times, at)) for at in (start_ns, end_ns)) if ordered else (0, len(times))
    bars = np.empty(max(high - low, 0), dtype)
    bars["open_ns"] = times[low:high]
    grid = grid_of(times, step_ns)
    del times
    np.add(bars["open_ns"], step_ns, out=bars["close_ns"])
    for name in PRICE_COLUMNS:
        source.fill(name, bars[name], low)
    if ordered:
        return bars, grid
    return bars[(bars["open_ns"] >= start_ns) & (bars["open_ns"] < end_ns)], grid


class _Values:
    """The numbers of some bars as one matrix, made only for the rows that are compared."""

    def __init__(self, bars: npt.NDArray[np.void]) -> None:
        self._bars = bars

    def __getitem__(self, rows: RowNumbers) -> Floats:
        return np.column_stack([self._bars[name][rows] for name in PRICE_COLUMNS])


def schema_report(path: str, rows: int, problems: Sequence[ColumnProblem], message: str = "") -> DatasetReport:
    """The report of a dataset that has no usable columns, or no rows."""
    details = [problem.message for problem in problems] or [message or "there are no rows"]
    fault = Fault("schema", len(details), None, "; ".join(details), Verdict.UNFIT)
    return DatasetReport(path, rows, None, None, (fault,))
