"""Faults of prices that no market prints. Works in slices to keep memory small."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tightloop.adapters.data._shared.arrays import Flags, RowNumbers, Times
from tightloop.adapters.data._shared.faults.report import Fault, Verdict
from tightloop.core.domain.types import Floats

SLICE = 16_384
RUN_BARS = 60
PLACEHOLDER_BARS = 20
"""A dataset of 20 to 59 bars is a placeholder if all of it is a straight line without volume."""
STEP_TOLERANCE = 1e-9
OUTLIER_MOVES = 20.0
OUTLIER_SHARE = 0.10
OUTLIER_BARS = 3
NEIGHBOURS = 500
"""Bars on each side that define the typical move."""
UNIT_FACTOR = 5.0
UNIT_TOLERANCE = 0.01
"""Tolerance on UNIT_FACTOR, for the move of the bar itself."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Findings of one pass over the rows.

    ``flat``: a bar repeats the one before without volume. ``same_step``: a close moves by the same step as before.
    ``jumps``, ``leaps``: candidate rows of outliers and of unit changes, examined by ``moves``.
    """

    impossible: RowNumbers
    non_positive: RowNumbers
    flat: Flags
    same_step: Flags
    traded: bool
    jumps: RowNumbers
    leaps: RowNumbers


def bar_faults(columns: Mapping[str, Floats], times: Times) -> list[Fault | None]:
    """Find faults of bars in time order; columns open, high, low, close, volume, shape (n,), any stride."""
    scan = _scan(columns, len(times))
    faults = [
        _rows_fault("impossible_ohlc", scan.impossible, times, "a high or low contradicts another price"),
        _rows_fault("non_positive", scan.non_positive, times, "a price or volume that is not positive or not a number"),
        _flat(scan.flat, times),
        _straight_line(scan, times),
    ]
    if len(scan.non_positive):
        keep = np.ones(len(times), bool)
        keep[scan.non_positive] = False
        columns = {name: column[keep] for name, column in columns.items()}
        times = times[keep]
        scan = _scan(columns, len(times))
    faults += moves(columns["open"], columns["low"], columns["high"], columns["close"], times, scan.jumps, scan.leaps)
    return faults


def point_faults(prices: Floats, times: Times, what: str) -> list[Fault | None]:
    """Find faults of single prices (trades, mid prices) in time order, shape (n,).

    ``what``: plural noun for messages.
    """
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~((prices > 0) & (prices < np.inf)))
    faults = [_rows_fault("non_positive", bad, times, f"a price that is not positive or not a number among the {what}")]
    if len(bad):
        keep = np.ones(len(prices), bool)
        keep[bad] = False
        prices, times = prices[keep], times[keep]
    if len(prices) < 2:
        return faults
    ratio = prices[1:] / prices[:-1]
    jumps = np.flatnonzero(np.abs(ratio - 1) > OUTLIER_SHARE) + 1
    leaps = np.flatnonzero(_leaps(ratio)) + 1
    return faults + moves(prices, prices, prices, prices, times, jumps, leaps)


def _scan(columns: Mapping[str, Floats], rows: int) -> Scan:
    impossible, non_positive, jumps, leaps = [], [], [], []
    flat, same_step = np.zeros(rows, bool), np.zeros(rows, bool)
    traded = False
    for start in range(0, rows, SLICE):
        stop = min(start + SLICE, rows)
        back = min(start, 2)
        o, h, low, c, v = (
            np.ascontiguousarray(columns[name][start - back : stop])
            for name in ("open", "high", "low", "close", "volume")
        )
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            top, bottom = np.maximum(o, c), np.minimum(o, c)
            here = slice(back, None)
            # NaN compares false: such a row counts as non_positive only, not also as impossible.
            impossible.append(np.flatnonzero(((h < top) | (low > bottom) | (h < low))[here]) + start)
            good = (
                (low > 0)
                & (bottom > 0)
                & (h > 0)
                & (h < np.inf)
                & (top < np.inf)
                & (low < np.inf)
                & (v >= 0)
                & (v < np.inf)
            )
            non_positive.append(np.flatnonzero(~good[here]) + start)
            still = ~(v > 0)
            traded = traded or not bool(still.all())
            one_price = (h == low) & (o == c) & (h == c)
            # A single price throughout, or the previous bar repeated.
            as_before = (h[1:] == h[:-1]) & (low[1:] == low[:-1]) & (o[1:] == o[:-1])
            unmoved = (c[1:] == c[:-1]) & (as_before | (one_price[1:] & one_price[:-1])) & still[1:] & still[:-1]
            flat[start + 1 - (back > 0) : stop] = unmoved[max(back - 1, 0) :]
            step, limit = np.diff(c), STEP_TOLERANCE * np.abs(c)
            steady = (np.abs(np.diff(step)) <= limit[2:]) & (np.abs(step[1:]) > limit[2:])
            same_step[stop - len(steady) : stop] = steady
            before = c[:-1]
            jump = (
                np.maximum(np.maximum(h, top)[1:] - before, before - np.minimum(low, bottom)[1:])
                > OUTLIER_SHARE * before
            )
            jumps.append(np.flatnonzero(jump[max(back - 1, 0) :]) + start + (back == 0))
            ratio = c[1:] / before
            leap = _leaps(ratio)
            leaps.append(np.flatnonzero(leap[max(back - 1, 0) :]) + start + (back == 0))
    joined = [
        np.concatenate(found) if found else np.empty(0, np.int64) for found in (impossible, non_positive, jumps, leaps)
    ]
    return Scan(joined[0], joined[1], flat, same_step, traded, joined[2], joined[3])


def _leaps(ratio: Floats) -> Flags:
    factor = UNIT_FACTOR * (1 - UNIT_TOLERANCE)
    return (ratio >= factor) | (ratio <= 1 / factor)


def _rows_fault(kind: str, rows: RowNumbers, times: Times, what: str) -> Fault | None:
    if not len(rows):
        return None
    return Fault(kind, len(rows), int(times[rows[0]]), f"{what}: {len(rows)} of {len(times)} rows", Verdict.UNFIT)


def _runs(flags: Flags) -> tuple[RowNumbers, RowNumbers]:
    """Return starts and lengths of the runs of True."""
    edges = np.diff(np.concatenate(([0], flags.view(np.int8), [0])))
    starts = np.flatnonzero(edges == 1)
    return starts, np.flatnonzero(edges == -1) - starts


def _flat(flat: Flags, times: Times) -> Fault | None:
    starts, lengths = _runs(flat)
    long = lengths + 1 >= RUN_BARS  # n flags ("repeats the bar before") mean n + 1 bars
    if not long.any():
        return None
    count = int((lengths[long] + 1).sum())
    runs = int(long.sum())
    detail = f"{count} bars in {runs} {'run' if runs == 1 else 'runs'} with one price and no volume"
    return Fault("flat", count, int(times[starts[long][0] - 1]), detail, Verdict.USABLE)


def _straight_line(scan: Scan, times: Times) -> Fault | None:
    starts, lengths = _runs(scan.same_step)
    bars = lengths + 2  # n flags ("repeats the step before") mean n + 1 steps, which are n + 2 bars
    whole = PLACEHOLDER_BARS <= len(times) < RUN_BARS and not scan.traded and (bars == len(times)).any()
    long = bars >= (len(times) if whole else RUN_BARS)
    if not long.any():
        return None
    count = int(bars[long].sum())
    detail = f"{count} closes lie on a straight line: a placeholder, not a market"
    return Fault("straight_line", count, int(times[starts[long][0] - 2]), detail, Verdict.UNFIT)


def moves(
    open_: Floats, low: Floats, high: Floats, close: Floats, times: Times, jumps: RowNumbers, leaps: RowNumbers
) -> list[Fault | None]:
    """Find outliers (moves that revert within 3 bars) and unit changes (leaps that persist) among candidates."""
    outliers, excursions = _outliers(open_, low, high, close, jumps)
    faults: list[Fault | None] = []
    if len(outliers):
        detail = f"far outside its neighbours and back within {OUTLIER_BARS} bars: {len(outliers)} of {len(times)} rows"
        faults.append(Fault("outliers", len(outliers), int(times[outliers[0]]), detail, Verdict.USABLE))
    stays = []
    away = set(excursions.tolist())
    for row in leaps.tolist():
        # The return from an outlier is no change of units.
        if row in away or row - 1 in away:
            continue
        later = close[row + 1 : row + 1 + OUTLIER_BARS] / close[row - 1]
        factor = close[row] / close[row - 1]
        if len(later) and ((later if factor > 1 else 1 / later) >= UNIT_FACTOR**0.5).all():
            stays.append(row)
    if stays:
        factor = close[stays[0]] / close[stays[0] - 1]
        detail = (
            f"the price jumps by a factor of 5 or more and stays there: {len(stays)} of {len(times)} rows, "
            f"the first by a factor of {factor:.4g}"
        )
        faults.append(Fault("units", len(stays), int(times[stays[0]]), detail, Verdict.UNFIT))
    return faults


def _outliers(
    open_: Floats, low: Floats, high: Floats, close: Floats, jumps: RowNumbers
) -> tuple[RowNumbers, RowNumbers]:
    """Return rows that contain an outlier, and those among them whose close is one."""
    rows: list[int] = []
    excursions: list[int] = []
    done = 0
    for start in jumps.tolist():
        if start < done:
            continue
        base = close[start - 1]
        limit = max(OUTLIER_MOVES * _typical_move(close, start), OUTLIER_SHARE * base)
        back = next(
            (
                row
                for row in range(start, min(start + OUTLIER_BARS, len(close) - 1) + 1)
                if abs(close[row] - base) <= limit
            ),
            None,
        )
        if back is None:
            continue
        # An outlier is far from both the close before and the close after: a crash that half recovers is none.
        top, bottom = max(base, close[back]) + limit, min(base, close[back]) - limit
        rows.extend(
            row
            for row in range(start, back + 1)
            if max(open_[row], high[row], close[row]) > top or min(open_[row], low[row], close[row]) < bottom
        )
        excursions.extend(range(start, back))
        done = back + 1
    return np.array(rows, np.int64), np.array(excursions, np.int64)


def _typical_move(close: Floats, row: int) -> float:
    around = close[max(row - NEIGHBOURS, 0) : row + NEIGHBOURS]
    return float(np.median(np.abs(np.diff(around)))) if len(around) > 1 else 0.0
