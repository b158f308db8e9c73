"""The time grid of bars, and faults of bars off the grid.

The grid's offset is the most common one within the timeframe, so days may begin at 22:00. Bars of days or four hours
may follow the wall clock of a zone with daylight saving: then some days have 23 or 25 hours.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from tightloop.adapters.data._shared.arrays import Flags, Times
from tightloop.adapters.data._shared.faults.report import Fault, Verdict, length
from tightloop.model.times import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

ZONES = (
    "Europe/Berlin", "America/New_York", "Europe/London", "America/Chicago", "Europe/Athens", "America/Los_Angeles",
    "Australia/Sydney", "Pacific/Auckland", "America/Denver", "Asia/Jerusalem", "America/Sao_Paulo",
)  # fmt: skip
"""Zones with daylight saving that daily bars are known to follow; others with the same rule give the same days."""
ZONE_SHARE_MIN = 0.95
"""Share of bars that must lie on a zone's wall clock before the zone is assumed."""
_TAILS = (1, 1_000, 1_000_000, SECOND_NS)
"""Distances of a close stamp to the next whole minute: 23:59:59.999 is one millisecond short."""


@dataclass(frozen=True, slots=True)
class BarGrid:
    """Grid of bar opens: ``offset_ns`` into each ``step_ns``, in UTC or on the wall clock of ``zone``."""

    step_ns: int
    offset_ns: int
    zone: str | None = None

    def off_ns(self, times: Times) -> Times:
        """Return the signed distance of each time to the nearest grid point; positive is late."""
        late = (times + _shifts_ns(times, self.zone) - self.offset_ns) % self.step_ns
        return np.where(2 * late > self.step_ns, late - self.step_ns, late)

    def ends_ns(self, times: Times) -> Times:
        """Return the end times of bars with these opens, allowing for changes of daylight saving."""
        ends = times + self.step_ns
        return ends if self.zone is None else ends - (_shifts_ns(ends, self.zone) - _shifts_ns(times, self.zone))

    def opens_ns(self, ends: Times) -> Times:
        """Return the opens of bars with these end times."""
        opens = ends - self.step_ns
        return opens if self.zone is None else opens - (_shifts_ns(opens, self.zone) - _shifts_ns(ends, self.zone))

    @property
    def close_tail_ns(self) -> int:
        """Distance to the next whole minute (second for 1s bars) if the times are close stamps, else 0."""
        unit = MINUTE_NS if self.step_ns >= MINUTE_NS else SECOND_NS
        tail = unit - self.offset_ns % unit
        return tail if tail in _TAILS and tail < unit else 0


def grid_of(times: Times, step_ns: int) -> BarGrid:
    """Return the grid of times in any order: the most common offset within the step."""
    offsets = times % step_ns
    if not len(times) or bool((offsets == offsets[0]).all()):
        return BarGrid(step_ns, int(offsets[0]) if len(times) else 0)
    values, counts = np.unique(offsets, return_counts=True)
    commonest = int(values[counts.argmax()])
    if step_ns > HOUR_NS and len(values) > 1:
        second = int(np.delete(values, counts.argmax())[np.delete(counts, counts.argmax()).argmax()])
        if abs(second - commonest) in (HOUR_NS, step_ns - HOUR_NS):
            zoned = _zoned(times, step_ns)
            if zoned is not None:
                return zoned
    return BarGrid(step_ns, commonest)


def _zoned(times: Times, step_ns: int) -> BarGrid | None:
    """Return the grid on the wall clock that most bars follow; None if too few follow any."""
    best, most = None, ZONE_SHARE_MIN * len(times)
    for zone in ZONES:
        values, counts = np.unique((times + _shifts_ns(times, zone)) % step_ns, return_counts=True)
        if counts.max() > most:
            best, most = BarGrid(step_ns, int(values[counts.argmax()]), zone), float(counts.max())
    return best


def _shifts_ns(times: Times, zone: str | None) -> Times:
    """Return the UTC offset of a zone at each time, in ns; shape (1,) zero without a zone."""
    if zone is None:
        return np.zeros(1, np.int64)
    clock = ZoneInfo(zone)
    days, place = np.unique(times // DAY_NS, return_inverse=True)
    begin = np.array([_shift_s(int(day) * 86_400, clock) for day in days], np.int64)
    end = np.array([_shift_s(int(day + 1) * 86_400, clock) for day in days], np.int64)
    shifts_s = begin[place.ravel()]
    for row in np.flatnonzero((begin != end)[place.ravel()]).tolist():
        shifts_s[row] = _shift_s(int(times[row]) // SECOND_NS, clock)
    return shifts_s * SECOND_NS


def _shift_s(at_s: int, clock: ZoneInfo) -> int:
    ahead = datetime.fromtimestamp(at_s, UTC).astimezone(clock).utcoffset()
    assert ahead is not None, "a zone has an offset at every time"
    return int(ahead.total_seconds())


def grid_faults(times: Times, off: Times, grid: BarGrid, is_other_step: bool) -> list[Fault | None]:
    """Find faults of strictly ascending opens: off the grid, overlapping, stamped at the close.

    ``off``: distance to the grid. ``is_other_step``: the step is not that of the dataset's name, a fault of its own
    that affects every bar, so only overlaps are reported.
    """
    if is_other_step:
        return [_overlap(times, grid)]
    return [_off_grid(times, off, grid), _overlap(times, grid), _close_stamped(times, off, grid)]


def _off_grid(times: Times, off: Times, grid: BarGrid) -> Fault | None:
    rows = np.flatnonzero(off)
    if not len(rows):
        return None
    first = int(off[rows[0]])
    where = "" if grid.zone is None else f" by the clock of {grid.zone}"
    detail = (
        f"off the grid of the other bars, which begin {length(grid.offset_ns)} into each {length(grid.step_ns)}{where}"
        f": {len(rows)} of {len(times)} bars, the first {length(abs(first))} {'late' if first > 0 else 'early'}"
    )
    return Fault("off_grid", len(rows), int(times[rows[0]]), detail, Verdict.UNFIT)


def _overlap(times: Times, grid: BarGrid) -> Fault | None:
    rows = np.flatnonzero(times[1:] < grid.ends_ns(times[:-1])) + 1
    if not len(rows):
        return None
    shortest = int((times[rows] - times[rows - 1]).min())
    detail = (
        f"begins before the previous bar has ended: {len(rows)} of {len(times)} bars, the shortest step is "
        f"{length(shortest)} of {length(grid.step_ns)}; if accepted, a bar that begins inside another is left out"
    )
    return Fault("overlap", len(rows), int(times[rows[0]]), detail, Verdict.UNFIT)


def _close_stamped(times: Times, off: Times, grid: BarGrid) -> Fault | None:
    tail = grid.close_tail_ns
    if not tail:
        return None
    rows = np.flatnonzero(off == 0)
    detail = (
        f"stamped at the close, {length(tail)} before the next bar begins: {len(rows)} of {len(times)} bars; accepted, "
        "the stamps are read as opens"
    )
    return Fault("close_stamped", len(rows), int(times[rows[0]]), detail, Verdict.UNFIT)


def apart(times: Times, grid: BarGrid) -> Flags:
    """Return flags of bars that do not overlap the last kept one; input strictly ascending."""
    kept = np.ones(len(times), bool)
    until = -(2**63)
    for row, (opened, ended) in enumerate(zip(times.tolist(), grid.ends_ns(times).tolist(), strict=True)):
        kept[row] = opened >= until
        until = ended if kept[row] else until
    return kept
