"""Faults of time stamps: order, duplicates, holes and cadence. Works on int64 ns only."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data._shared.arrays import Flags, RowNumbers, Times
from tightloop.adapters.data._shared.faults.calendar import closed_spans_ns, steps_inside, what_is_missing
from tightloop.adapters.data._shared.faults.report import Fault, Verdict
from tightloop.model.times import MINUTE_NS

HOLES_USABLE_SHARE = 0.05


class Values(Protocol):
    """Content of rows: indexing by row numbers gives a matrix (k, columns) or k records."""

    def __getitem__(self, rows: RowNumbers, /) -> npt.NDArray[Any]: ...


@dataclass(frozen=True, slots=True, eq=False)  # rows is an array: a comparison has no truth value
class RowOrder:
    """Faults of order and duplicates.

    ``rows``: row numbers sorted by key, the first row of each key; None if rows are stored that way already.
    """

    disorder: Fault | None
    exact: Fault | None
    conflicting: Fault | None
    rows: RowNumbers | None

    @property
    def has_faults(self) -> bool:
        """Whether anything beyond the order of rows of one key was found."""
        return not (self.disorder is None and self.exact is None and self.conflicting is None)


def order_of(
    keys: Times,
    values: Values,
    times: Times | None = None,
    what: str = "time",
    excused: Flags | None = None,
) -> RowOrder:
    """Find disorder and duplicate rows.

    ``keys`` (n,): times or trade ids; rows with equal keys are duplicates. ``values``: (n, k) or structured array,
    compared between duplicates: equal is exact, different is conflicting. ``times`` (n,): time stamps that define the
    order, if not the keys. ``excused`` (n,): rows that may be out of order, because another fault explains it.
    ``what``: name of the key in messages.
    """
    stamps = keys if times is None else times
    if (keys[1:] > keys[:-1]).all() and (times is None or (times[1:] >= times[:-1]).all()):
        return RowOrder(None, None, None, None)
    order = np.argsort(keys, kind="stable")
    is_repeat = np.diff(keys[order]) == 0
    behind = np.concatenate(([False], stamps[1:] < np.maximum.accumulate(stamps)[:-1]))
    behind[order[1:][is_repeat]] = False  # repeated rows are dropped, so their position does not matter
    late = np.flatnonzero(behind if excused is None else behind & ~excused)
    disorder = None
    if len(late):
        detail = f"earlier than a row before it: {len(late)} of {len(keys)} rows"
        disorder = Fault("disorder", len(late), int(stamps[late[0]]), detail, Verdict.UNFIT)
    exact = conflicting = None
    if is_repeat.any():
        exact, conflicting = _duplicates(keys, values, stamps, order, is_repeat, what)
    first = order[np.concatenate(([True], ~is_repeat))]
    if times is not None:
        first = first[np.argsort(stamps[first], kind="stable")]
    return RowOrder(disorder, exact, conflicting, first)


def _duplicates(
    keys: Times, values: Values, stamps: Times, order: RowNumbers, is_repeat: Flags, what: str
) -> tuple[Fault | None, Fault | None]:
    member = np.concatenate((is_repeat, [False])) | np.concatenate(([False], is_repeat))
    rows = order[member]
    raw = np.ascontiguousarray(values[rows])
    packed = raw.view(np.dtype((np.void, raw.dtype.itemsize * (raw.shape[1] if raw.ndim == 2 else 1)))).ravel()
    distinct = np.unique(packed, return_inverse=True)[1].ravel()
    _groups, group = np.unique(keys[rows], return_inverse=True)
    pairs, firsts = np.unique(np.column_stack((group, distinct)), axis=0, return_index=True)
    extra = np.setdiff1d(np.arange(len(rows)), firsts)
    exact = conflicting = None
    if len(extra):
        detail = f"repeated unchanged: {len(extra)} of {len(keys)} rows; the first is used"
        exact = Fault("exact_duplicates", len(extra), int(stamps[rows[extra]].min()), detail, Verdict.USABLE)
    versions = np.bincount(pairs[:, 0])
    torn = np.flatnonzero(versions > 1)
    if len(torn):
        first = int(stamps[rows[np.isin(group, torn)]].min())
        detail = f"repeated with different values: {len(torn)} of {len(np.unique(keys))} {what}s"
        conflicting = Fault("conflicting_duplicates", len(torn), first, detail, Verdict.UNFIT)
    return exact, conflicting


def step_faults(times: Times, step_ns: int, calendar: str, is_bars: bool = False) -> list[Fault | None]:
    """Find holes in strictly ascending times with a fixed step.

    ``is_bars``: append to the detail what the missing steps have in common.
    """
    steps = np.diff(times)
    wide = np.flatnonzero(steps > step_ns)
    missing = (steps[wide] + step_ns // 2) // step_ns - 1
    wide, missing = wide[missing > 0], missing[missing > 0]
    if not len(wide):
        return []
    first = times[wide] + step_ns
    explained = steps_inside(first, missing, step_ns, closed_spans_ns(calendar, int(times[0]), int(times[-1])))
    holes = missing - explained
    if not holes.any():
        return []
    torn = np.flatnonzero(holes)
    opened = _first_open(int(first[torn[0]]), step_ns, calendar)
    pattern = what_is_missing(times, first[torn], missing[torn], step_ns) if is_bars and calendar == "always" else ""
    return [holes_fault(len(times), int(holes.sum()), len(torn), int(holes.max()), opened, pattern)]


def holes_fault(rows: int, count: int, gaps: int, longest: int, first_ns: int, said: str = "") -> Fault:
    """Build the fault of ``count`` missing steps beside ``rows`` existing ones."""
    share = count / (rows + count)
    verdict = Verdict.USABLE if share <= HOLES_USABLE_SHARE else Verdict.UNFIT
    detail = (
        f"missing: {count} of {rows + count} steps ({100 * share:.2g} %) in {gaps} "
        f"{'gap' if gaps == 1 else 'gaps'}, the longest of {longest}{said}"
    )
    return Fault("holes", count, first_ns, detail, verdict)


def _first_open(first_ns: int, step_ns: int, calendar: str) -> int:
    """Return the first step at or after ``first_ns`` at which the market is open."""
    for opened, closed in closed_spans_ns(calendar, first_ns, first_ns + step_ns):
        if opened <= first_ns < closed:
            return first_ns + -(-(int(closed) - first_ns) // step_ns) * step_ns
    return first_ns


def other_cadence(times: Times, step_ns: int) -> Fault | None:
    """Find a most common step other than the one in the dataset's name; deviations below half a step are ignored."""
    steps = np.diff(times)
    whole = (steps + step_ns // 2) // step_ns
    right = whole == 1
    if 2 * int(right.sum()) >= len(steps):
        return None
    values, counts = np.unique(np.where(whole > 0, whole * step_ns, steps)[~right], return_counts=True)
    most = int(counts.argmax())
    if counts[most] <= max(int(right.sum()), 1):
        return None
    wrong = np.flatnonzero(~right)
    detail = f"the commonest step is {seconds(int(values[most]))}, not the {seconds(step_ns)} of the dataset's name"
    return Fault("cadence", len(wrong), int(times[wrong[0]]), detail, Verdict.UNFIT)


def seconds(time_ns: int) -> str:
    """Format a duration in seconds for a message: 3600 s."""
    return f"{time_ns / 1e9:g} s"


def commonest_step_ns(times: Times) -> int | None:
    """Return the most common step, rounded to minutes if at least a minute; None for fewer than two rows."""
    if len(times) < 2:
        return None
    steps = np.abs(np.diff(times))
    steps = np.where(steps >= MINUTE_NS, (steps + MINUTE_NS // 2) // MINUTE_NS * MINUTE_NS, steps)
    values, counts = np.unique(steps[steps > 0], return_counts=True)
    return int(values[counts.argmax()]) if len(values) else None


def late_stamps(times: Times, step_ns: int) -> Fault | None:
    """Find time stamps less than a minute off their grid; the catalog rounds them to the second."""
    grid = (times + step_ns // 2) // step_ns * step_ns
    off = np.abs(times - grid)
    late = np.flatnonzero((off > 0) & (off < MINUTE_NS))
    if not len(late):
        return None
    detail = f"off their grid: {len(late)} of {len(times)} stamps, by {off[late].max() / 1e6:.3g} ms at most"
    return Fault("late_stamps", len(late), int(times[late[0]]), f"{detail}; rounded to the second", Verdict.USABLE)


def without_zone(rows: int, first_ns: int | None, column: str) -> Fault | None:
    """Build the fault of time stamps without a zone, which are read as UTC; None without rows."""
    if not rows:
        return None
    return Fault(
        "timezone", rows, first_ns, f"the stamps of {column} carry no zone and are read as UTC", Verdict.USABLE
    )
