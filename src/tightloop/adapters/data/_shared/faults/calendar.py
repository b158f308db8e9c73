"""Trading calendars: times at which a market is closed, so that missing bars there are no holes.

``forex`` closes from Friday 17:00 to Sunday 17:00 in New York, and for the sessions of Christmas and New Year; a
session runs from 17:00 of the day before to 17:00. Christmas on a Sunday closes the session of the following Monday.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from tightloop.adapters.data._shared.arrays import Flags, Times
from tightloop.model.times import DAY_NS, SECOND_NS

_NEW_YORK = "America/New_York"
_CLOSE = time(17)
_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday; Monday is 0
_NIGHT_SHARE, _NIGHT_DAYS_MIN = 0.1, 3
_MISSING_MAX = 5_000_000
_DAYS_MAX = 200 * 366
"""Longer spans mean a wrong unit of time, which other faults report; their calendar is not worth computing."""


def closed_spans_ns(calendar: str, start_ns: int, stop_ns: int) -> Times:
    """Return the closed spans between two times: shape (n, 2), ascending, disjoint, half-open, ns UTC."""
    days = (stop_ns - start_ns) // DAY_NS
    if calendar == "always" or days > _DAYS_MAX or start_ns < 0:
        return np.empty((0, 2), np.int64)
    assert calendar == "forex", calendar
    zone = ZoneInfo(_NEW_YORK)
    first = datetime.fromtimestamp(start_ns // SECOND_NS, UTC).date() - timedelta(days=3)
    spans: list[tuple[int, int]] = []
    for offset in range(days + 8):
        session = first + timedelta(days=offset)
        if not _is_closed(session):
            continue
        opened, closed = (_instant_ns(day, zone) for day in (session - timedelta(days=1), session))
        if spans and spans[-1][1] == opened:
            spans[-1] = (spans[-1][0], closed)
        else:
            spans.append((opened, closed))
    return np.array(spans, np.int64).reshape(-1, 2)


def steps_inside(first_ns: Times, counts: Times, step_ns: int, spans: Times) -> Times:
    """Return how many steps of each run (``counts[i]`` steps from ``first_ns[i]``) lie inside the spans."""
    inside = np.zeros(len(first_ns), np.int64)
    if not len(spans):
        return inside
    stops = first_ns + counts * step_ns
    for index in range(len(first_ns)):
        near = spans[(spans[:, 1] > first_ns[index]) & (spans[:, 0] < stops[index])]
        # Number of steps before a time t: ceil((t - first) / step), clipped to the run.
        edges = np.clip(-((first_ns[index] - near) // step_ns), 0, counts[index])
        inside[index] = np.sum(edges[:, 1] - edges[:, 0])
    return inside


def what_is_missing(times: Times, first_ns: Times, counts: Times, step_ns: int) -> str:
    """Describe what runs of missing steps have in common (weekends, nights), for a message; "" if nothing.

    ``times``: the existing time stamps. Weekends are those of ``forex``; a night is a time of day at which fewer than a
    tenth of the days have a bar.
    """
    total = int(counts.sum())
    if not 0 < total <= _MISSING_MAX or not 0 <= int(times[0]) <= int(times[-1]) < _DAYS_MAX * DAY_NS:
        return ""
    spans = closed_spans_ns("forex", int(times[0]), int(times[-1]))
    runs = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    missing = first_ns[runs] + place * step_ns
    weekend = _on_weekends(missing, spans)
    if int(weekend.sum()) <= int(_on_weekends(times, spans).sum()):
        weekend[:] = False  # the market trades on weekends
    hours, seen = np.unique(times % DAY_NS // step_ns, return_counts=True)
    days = len(np.unique(times // DAY_NS))
    night = (
        ~weekend & (days >= _NIGHT_DAYS_MIN) & ~np.isin(missing % DAY_NS // step_ns, hours[seen >= _NIGHT_SHARE * days])
    )
    weekends, nights = int(weekend.sum()), int(night.sum())
    if weekends + nights < total / 2:
        return ""
    named = [f"{weekends} fall on weekends"] * (weekends > 0) + [f"{nights} in hours that never have bars"] * (
        nights > 0
    )
    other = total - weekends - nights
    remedy = "write `calendar: forex` for it in instruments.yaml if the market is closed on weekends"
    if nights:
        remedy = "no calendar covers nights and holidays yet: accept the holes if the market is closed then"
    return f"; {', '.join(named)}{f', {other} others' if other else ''}: {remedy}"


def _on_weekends(times: Times, spans: Times) -> Flags:
    weekend = np.isin((times // DAY_NS + _EPOCH_WEEKDAY) % 7, (5, 6))
    if len(spans):
        before = np.searchsorted(spans[:, 0], times, "right") - 1
        weekend |= (before >= 0) & (times < spans[np.maximum(before, 0), 1])
    return weekend


def _is_closed(session: date) -> bool:
    """Return whether the session that ends on this day in New York does not take place."""
    if session.weekday() in (5, 6):
        return True
    if (session.month, session.day) in ((12, 25), (1, 1)):
        return True
    return (session.month, session.day, session.weekday()) == (12, 26, 0)


def _instant_ns(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, _CLOSE, zone).timestamp()) * SECOND_NS
