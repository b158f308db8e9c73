"""Curves of the report: one time grid for the whole page, bounded in length, on which every extreme survives.

Price is aggregated as bars are (first, highest, lowest, last); equity keeps its last, lowest and highest value in every
step of the grid, drawdown its deepest. A run of at most ``GRID_MAX`` bars is not aggregated. Where the grid is coarser
than the run's bars, up to ``DETAIL_MAX`` bars around the trades are added at full resolution.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.app.report.columns import Pack, Reference
from tightloop.app.text.numbers import price_decimals
from tightloop.model.times import SECOND_NS

GRID_MAX = 20_000
DETAIL_MAX = 50_000
DETAIL_MARGIN = 45  # bars shown before the entry and after the exit
DETAIL_STEPS = 12  # a trade that spans more grid steps needs no detail

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bars = npt.NDArray[Any]
"""A structured array with the fields of ``core.types.BAR``."""

BAR_FIELDS = ("open", "high", "low", "close", "open_ns", "close_ns")
NO_BARS: Bars = np.zeros(0, [(name, "i8" if name.endswith("_ns") else "f8") for name in BAR_FIELDS])

_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 480, 720, 1_440, 2_880, 10_080, 43_200, 129_600, 525_600)
_SECONDS = (0.001, 0.01, 0.1, 1, 2, 5, 10, 15, 30, *(60 * minutes for minutes in _MINUTES))
_WIDTHS_NS = tuple(round(seconds * SECOND_NS) for seconds in _SECONDS)


@dataclass(frozen=True, slots=True)
class Grid:
    """``starts``: steps that hold a bar or an equity record, ascending; ``step_ns``: the bar length of the run."""

    width_ns: int
    step_ns: int
    phase_ns: int
    starts: Ints

    @property
    def coarse(self) -> bool:
        return self.width_ns > self.step_ns

    def place(self, stamps: Ints) -> Ints:
        """Return the index of the step each stamp falls into."""
        return np.searchsorted(self.starts, _floor(stamps, self.width_ns, self.phase_ns)).astype(np.int64)


def in_order(bars: Mapping[str, Bars]) -> dict[str, Bars]:
    """Sort bars by time; returns the same arrays if sorted (disordered bars are possible only with --accept)."""
    for name, rows in bars.items():
        missing = [field for field in BAR_FIELDS if field not in (rows.dtype.names or ())]
        assert not missing, f"bars of {name} lack the field(s) {', '.join(missing)}"
    return {
        name: rows if bool(np.all(np.diff(rows["open_ns"]) >= 0)) else rows[np.argsort(rows["open_ns"], kind="stable")]
        for name, rows in bars.items()
    }


def grid_of(bars: Mapping[str, Bars], equity_ts: Ints) -> Grid:
    """Find the finest grid of at most ``GRID_MAX`` steps over all bars and equity records."""
    stamps = [rows["open_ns"] for rows in bars.values() if len(rows)]
    step = min((_commonest_step(s) for s in stamps), default=_commonest_step(equity_ts))
    everything = np.unique(np.concatenate([*stamps, equity_ts]))
    phase = int(stamps[0][0]) % step if stamps else 0
    for width in _widths(step):
        steps = _floor(everything, width, phase)
        starts = steps[np.diff(steps, prepend=steps[:1] - 1) > 0]
        if len(starts) <= GRID_MAX:
            return Grid(width, step, phase, starts)
    raise AssertionError("doubling widths ends")


def price_columns(pack: Pack, grid: Grid, rows: Bars) -> dict[str, Any]:
    """Pack one instrument aggregated to the grid, and the step of the grid of each entry."""
    steps, first, last = _groups(grid.place(rows["open_ns"]))
    columns = {
        "open": rows["open"][first],
        "high": _reduced(np.maximum, rows["high"], first),
        "low": _reduced(np.minimum, rows["low"], first),
        "close": rows["close"][last],
    }
    sample = rows["close"][:: max(1, len(rows) // 5_000)]
    return {
        "decimals": price_decimals(sample),
        "bars": len(rows),
        "step": pack.numbers(steps),
        **{name: pack.numbers(v) for name, v in columns.items()},
    }


def equity_columns(
    pack: Pack, grid: Grid, ts: Ints, equity: Floats, drawdown: Floats, hold: Floats | None
) -> dict[str, Reference | None]:
    """Pack equity, drawdown and buy-and-hold aggregated to the grid."""
    steps, first, last = _groups(grid.place(ts))
    columns: dict[str, Reference | None] = {
        "step": pack.numbers(steps),
        "last": pack.numbers(equity[last]),
        "drawdown": pack.numbers(_reduced(np.maximum, drawdown, first)),
        "hold": None if hold is None else pack.numbers(hold[last]),
        "low": None,
        "high": None,
    }
    if len(first) < len(ts):
        columns["low"] = pack.numbers(_reduced(np.minimum, equity, first))
        columns["high"] = pack.numbers(_reduced(np.maximum, equity, first))
    return columns


def buy_and_hold(bars: Mapping[str, Bars], ts: Ints, initial_equity: float) -> Floats | None:
    """Compute the capital invested at the first open, in equal parts, without costs; None without bars."""
    parts = [_growth(rows, ts) for rows in bars.values() if len(rows) and rows["open"][0] > 0]
    if not parts or not len(ts):
        return None
    return np.asarray(initial_equity * np.mean(np.stack(parts), axis=0), dtype=np.float64)


def detail_columns(pack: Pack, grid: Grid, rows: Bars, entries: Ints, exits: Ints, room: int) -> dict[str, Any]:
    """Pack the bars around the trades of one instrument, shortest trades first until ``room`` bars are used.

    ``from`` and ``count`` of each stretch refer to the bar columns, which hold the stretches end to end.
    """
    lengths = exits - entries
    order = np.argsort(lengths, kind="stable")
    chosen = np.zeros(len(rows), dtype=bool)
    used = 0
    for trade in order[lengths[order] < DETAIL_STEPS * grid.width_ns]:
        begin = max(0, int(np.searchsorted(rows["open_ns"], entries[trade])) - DETAIL_MARGIN)
        end = min(len(rows), int(np.searchsorted(rows["open_ns"], exits[trade])) + DETAIL_MARGIN + 1)
        fresh = int(end - begin - np.count_nonzero(chosen[begin:end]))
        if used + fresh <= room:
            chosen[begin:end] = True
            used += fresh
    picked = rows[chosen]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen.view(np.int8), [0]])))
    counts = edges[1::2] - edges[::2]
    return {
        "from": pack.numbers(np.cumsum(counts) - counts),
        "count": pack.numbers(counts),
        "ts": pack.numbers(picked["open_ns"] / SECOND_NS, exact=True),
        **{name: pack.numbers(picked[name]) for name in ("open", "high", "low", "close")},
    }


def _growth(rows: Bars, ts: Ints) -> Floats:
    """Return the last close known at each stamp, relative to the first open."""
    seen = np.searchsorted(rows["close_ns"], ts, side="right")
    prices = np.concatenate([rows["open"][:1], rows["close"]])
    return np.asarray(prices[seen] / rows["open"][0], dtype=np.float64)


def _widths(step: int) -> Iterator[int]:
    """Yield step lengths that are round and hold whole bars, ascending without end."""
    width = step
    yield width
    for width in (w for w in _WIDTHS_NS if w > step and w % step == 0):
        yield width
    while True:
        width *= 2
        yield width


def _floor(stamps: Ints, width: int, phase: int) -> Ints:
    return (stamps - phase) // width * width + phase


def _commonest_step(stamps: Ints) -> int:
    steps = np.diff(stamps)
    steps = steps[steps > 0]
    if len(steps) == 0:
        return 60 * SECOND_NS
    values, counts = np.unique(steps, return_counts=True)
    return int(values[np.argmax(counts)])


def _groups(places: Ints) -> tuple[Ints, Ints, Ints]:
    """Return (distinct places, first row of each, last row of each) of an ascending column."""
    first = np.flatnonzero(np.diff(places, prepend=-1))
    last = np.append(first[1:], len(places))[: len(first)] - 1
    return places[first], first, last


def _reduced(how: np.ufunc, column: Floats, first: Ints) -> Floats:
    return np.asarray(how.reduceat(column, first) if len(first) else np.zeros(0), dtype=np.float64)
