"""Faults of bars, and the fault of data that cannot be read at all."""

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
    """A report, and the bars that a run uses: ascending, without duplicates or overlaps, all with valid prices."""

    report: DatasetReport
    bars: npt.NDArray[np.void]


def judge_bars(
    path: str, bars: npt.NDArray[np.void], step_ns: int, calendar: str, *, zoned: bool, grid: BarGrid | None = None
) -> Judged:
    """Judge bars as stored: a structured array with open, high, low, close, volume, open_ns and close_ns.

    ``grid``: that of the whole dataset, if ``bars`` are a window of it. On a wall-clock grid the returned bars end
    where the next may begin, also where daylight saving changes.
    """
    times = bars["open_ns"]  # a view, not a copy: one column of a year of minutes is 4 MB
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
    if cadence is None:  # measured with a wrong step, every row would be a hole
        # A bar off the grid stands for the nearest grid point, so it leaves no hole there.
        nearest = np.unique(stamps - off) if off.any() else stamps
        steps = step_faults(nearest, step_ns, calendar, is_bars=True)
    faults = [
        order.disorder, order.exact, order.conflicting, *prices, *steps,
        *grid_faults(stamps, off, grid, is_other_step=cadence is not None),
        None if zoned else without_zone(len(times), first, "ts"),
    ]  # fmt: skip
    zone_note = f"daily bars follow {grid.zone}: days of 23 and 25 hours where daylight saving time begins and ends"
    notes = () if grid.zone is None else (zone_note,)
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
    """Return flags of tradable bars; others are dropped even if the fault is accepted."""
    good = np.ones(len(used), bool)
    for name in PRICE_COLUMNS:
        column = used[name]
        good &= np.isfinite(column) & ((column > 0) | ((name == "volume") & (column == 0)))
    return good


def read_bars(
    source: Source, dtype: np.dtype[np.void], step_ns: int, start_ns: int, end_ns: int
) -> tuple[npt.NDArray[np.void], BarGrid]:
    """Return the rows of a window as stored (unsorted, repeated), missing numbers NaN; and the grid of all rows.

    ``dtype`` has the prices, open_ns and close_ns; ``close_ns`` is ``open_ns + step_ns``.
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
    """The prices of bars as a matrix, built only for the rows that are compared."""

    def __init__(self, bars: npt.NDArray[np.void]) -> None:
        self._bars = bars

    def __getitem__(self, rows: RowNumbers) -> Floats:
        return np.column_stack([self._bars[name][rows] for name in PRICE_COLUMNS])


def schema_report(path: str, rows: int, problems: Sequence[ColumnProblem], message: str = "") -> DatasetReport:
    """Return the report of a dataset without usable columns or rows."""
    details = [problem.message for problem in problems] or [message or "there are no rows"]
    fault = Fault("schema", len(details), None, "; ".join(details), Verdict.UNFIT)
    return DatasetReport(path, rows, None, None, (fault,))
