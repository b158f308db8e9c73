"""Faults of funding, lending, staking, gas, rewards and benchmarks."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from tightloop.adapters.data._shared.arrays import Flags, RowNumbers, Times
from tightloop.adapters.data._shared.datasets import Dataset
from tightloop.adapters.data._shared.faults.report import DatasetReport, Fault, Verdict, in_contract_order
from tightloop.adapters.data._shared.faults.schedule import gaps_of, missing_settlements
from tightloop.adapters.data._shared.faults.times import (
    commonest_step_ns,
    holes_fault,
    late_stamps,
    order_of,
    seconds,
    step_faults,
    without_zone,
)
from tightloop.adapters.data._shared.parquet import FLAG, NS, NUMBER, SIDE, TIME, TRADE_ID, Source, is_text
from tightloop.core.domain.types import Floats
from tightloop.model.times import DAY_NS, HOUR_NS, SECOND_NS

DAYS_PER_YEAR = 365.0
FALL_TOLERANCE = 1e-9
GROWTH_MIN, GROWTH_MAX = -0.5, 1.0
"""Bounds of the yearly growth of an index, and of a yield (fractions)."""

NEAR_ROWS = 20
"""Rows needed to determine the step of a series; a window with fewer borrows neighbours."""

_TICKS = {"ts_event_ns": NS, "ts_init_ns": NS}
_REQUIRED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "bars": {"ts": TIME, "open": NUMBER, "high": NUMBER, "low": NUMBER, "close": NUMBER, "volume": NUMBER},
        "trades": {**_TICKS, "trade_id": TRADE_ID, "price": NUMBER, "qty": NUMBER, "buyer_is_maker": FLAG},
        "quotes": {**_TICKS, "bid": NUMBER, "bid_qty": NUMBER, "ask": NUMBER, "ask_qty": NUMBER},
        "books": {**_TICKS, "seq": NUMBER, "side": SIDE, "price": NUMBER, "qty": NUMBER, "is_snapshot": FLAG},
        "funding": {"ts": TIME, "rate": NUMBER},
        "lending": {
            "ts": TIME, "liquidity_index": NUMBER, "liquidity_rate": NUMBER,
            "borrow_index": NUMBER, "borrow_rate": NUMBER,
        },
        "gas": {"ts": TIME, "gwei": NUMBER},
        "benchmark": {"ts": TIME},
        "rewards": {},
    }
)  # fmt: skip
_INDICES = ("liquidity_index", "borrow_index", "rate_eth", "protocol_rate")
_POSITIVE = (*_INDICES, "market_rate", "market_rate_median_24h", "price_usd", "gwei")
_YIELDS = ("apr", "apy", "base_apr", "base_apy")


@dataclass(frozen=True, slots=True)
class JudgedSeries:
    """A report and what it judged.

    ``ts_ns``: rounded to the second. ``columns``: as stored. ``rows``: row numbers that a run uses; None for all in
    order.
    """

    report: DatasetReport
    ts_ns: Times
    columns: Mapping[str, Floats]
    rows: RowNumbers | None


def required_columns(dataset: Dataset, types: Mapping[str, object]) -> Mapping[str, str]:
    """Return the columns a dataset must have, each with its requirement; none for a table that is no series."""
    if dataset.kind == "staking":
        return _staking_columns(dataset.name)
    if is_table(dataset, types):
        return {}
    return _REQUIRED[dataset.kind]


def _staking_columns(name: str) -> Mapping[str, str]:
    if name.endswith("-rate"):
        return {"ts": TIME, "rate_eth": NUMBER}
    if name.endswith("-market"):
        return {"ts": TIME, "protocol_rate": NUMBER, "market_rate": NUMBER}
    return {"ts": TIME}


def is_table(dataset: Dataset, types: Mapping[str, object]) -> bool:
    """Return whether a dataset is published rows instead of a series: rewards, or lending as text throughout."""
    texts = all(is_text(kind) for kind in types.values())
    return dataset.kind == "rewards" or (dataset.kind == "lending" and texts and len(types) > 0)


def judge_table(dataset: Dataset, source: Source) -> DatasetReport:
    """Judge published rows that are no series; repeated rows are the only fault."""
    columns = [source.texts(name) for name in source.types]
    rows = list(zip(*columns, strict=True))
    extra = len(rows) - len(set(rows))
    days = [name for name in source.types if name.endswith(("_start", "_end", "_date", "date", "ts"))]
    stamps = sorted(stamp for name in days for text in source.texts(name) if (stamp := _day_ns(text)) is not None)
    faults = []
    if extra:
        detail = f"repeated unchanged: {extra} of {len(rows)} rows"
        faults.append(Fault("exact_duplicates", extra, None, detail, Verdict.USABLE))
    first, last = (stamps[0], stamps[-1]) if stamps else (None, None)
    notes = () if stamps else ("a table without a time column: its values are not checked",)
    return DatasetReport(dataset.path, source.rows, first, last, tuple(faults), notes)


def _day_ns(text: str | None) -> int | None:
    try:
        return int(np.datetime64((text or "")[:10], "D").astype("datetime64[ns]").astype(np.int64)) if text else None
    except ValueError:
        return None


def judge_series(dataset: Dataset, source: Source, window: tuple[int, int] | None = None) -> JudgedSeries:
    """Judge a series as stored, or only its rows in ``window`` [start, end) in ns."""
    raw = source.times_ns("ts")
    # __index_level_0__ is the index of a pandas frame.
    named = [name for name in source.types if name != "ts" and not name.startswith("__")]
    numeric = [name for name in named if not source.problems({name: NUMBER})]
    columns = {name: source.floats(name) for name in numeric}
    rounded = (raw + SECOND_NS // 2) // SECOND_NS * SECOND_NS
    is_funding = dataset.kind == "funding"
    step_ns = commonest_step_ns(_near(rounded, None if is_funding else window))
    due = missing_settlements(np.unique(rounded)) if is_funding else None
    if window is not None:
        inside = (rounded >= window[0]) & (rounded < window[1])
        raw, rounded = raw[inside], rounded[inside]
        columns = {name: column[inside] for name, column in columns.items()}
    if due is not None and window is not None:
        due = due[(due >= window[0]) & (due < window[1])]
    if not len(raw):
        holes = () if due is None or not len(due) else (_missing(due, rounded),)
        return JudgedSeries(DatasetReport(dataset.path, 0, None, None, holes), rounded, columns, None)
    order = order_of(rounded, np.column_stack(list(columns.values())) if columns else np.zeros((len(raw), 1)))
    times = rounded if order.rows is None else rounded[order.rows]
    used = {name: column if order.rows is None else column[order.rows] for name, column in columns.items()}
    faults = [order.disorder, order.exact, order.conflicting, *_step_faults(raw, times, step_ns, due)]
    faults += _value_faults(used, times)
    faults.append(None if source.zone("ts") else without_zone(len(raw), int(raw.min()), "ts"))
    report = DatasetReport(dataset.path, len(raw), int(raw.min()), int(raw.max()), in_contract_order(faults))
    return JudgedSeries(report, rounded, MappingProxyType(columns), order.rows)


def _near(times: Times, window: tuple[int, int] | None) -> Times:
    """Return sorted times from which to determine the step: the window's, with neighbours if they are few."""
    ordered = np.sort(times)
    if window is None:
        return ordered
    low, high = (int(row) for row in np.searchsorted(ordered, window))
    more = NEAR_ROWS if high - low < NEAR_ROWS else 0
    return ordered[max(low - more, 0) : high + more]


def _step_faults(raw: Times, times: Times, step: int | None, due: Times | None) -> list[Fault | None]:
    """Find late stamps, cadence faults and holes; the step is the most common one, which must divide a day.

    ``due``: missing settlements, for a series that changes its step.
    """
    if step is None or (len(times) < 2 and due is None):
        return []
    if step > DAY_NS or DAY_NS % step:
        detail = f"the commonest step is {seconds(step)}, which does not divide a day"
        return [Fault("cadence", max(len(times) - 1, 1), int(times[0]), detail, Verdict.UNFIT)]
    hour = HOUR_NS
    # Steps of whole hours are compared with an hourly grid, whatever hour the series starts at.
    late = late_stamps(np.sort(raw), hour if step % hour == 0 else step)
    if due is None:
        return [late, *step_faults(times, step, "always")]
    return [late, _missing(due, times)] if len(due) else [late]


def _missing(due: Times, times: Times) -> Fault:
    return holes_fault(len(times), len(due), *gaps_of(due, times), int(due[0]))


def _value_faults(columns: Mapping[str, Floats], times: Times) -> list[Fault | None]:
    bad = np.zeros(len(times), bool)
    for name, column in columns.items():
        with np.errstate(invalid="ignore"):
            positive = name in _POSITIVE
            bad |= ~np.isfinite(column) | ((column <= 0) if positive else False)
    rows = np.flatnonzero(bad)
    faults: list[Fault | None] = []
    if len(rows):
        detail = f"not a number, or not positive where it must be: {len(rows)} of {len(bad)} rows"
        faults.append(Fault("non_positive", len(rows), int(times[rows[0]]), detail, Verdict.UNFIT))
        columns = {name: column[~bad] for name, column in columns.items()}
        times = times[~bad]
    falls, leaps = np.zeros(len(times), bool), np.zeros(len(times), bool)
    for name, column in columns.items():
        if name in _INDICES:
            fall, leap = _growth(column, times)
            falls[1:] |= fall
            leaps[1:] |= leap
        elif name in _YIELDS:
            leaps |= (column < GROWTH_MIN) | (column > GROWTH_MAX)
    if falls.any():
        detail = f"an index falls: {int(falls.sum())} of {len(times)} rows"
        faults.append(Fault("negative_growth", int(falls.sum()), int(times[falls.argmax()]), detail, Verdict.USABLE))
    if leaps.any():
        detail = f"a yearly growth outside -50 to +100 %: {int(leaps.sum())} of {len(times)} rows"
        faults.append(Fault("impossible_growth", int(leaps.sum()), int(times[leaps.argmax()]), detail, Verdict.UNFIT))
    return faults


def _growth(index: Floats, times: Times) -> tuple[Flags, Flags]:
    """Return per row after the first: whether the index falls, and whether its yearly growth is implausible.

    Growth is measured since the value last changed: an index published daily and stored hourly does not grow by a day's
    worth in one hour.
    """
    if len(index) < 2:
        none = np.zeros(max(len(index) - 1, 0), bool)
        return none, none
    fall = np.diff(index) < -FALL_TOLERANCE * index[:-1]
    changed = np.concatenate(([True], np.diff(index) != 0))
    since = np.maximum.accumulate(np.where(changed, np.arange(len(index)), 0))[:-1]
    years = (times[1:] - times[since]) / (DAYS_PER_YEAR * DAY_NS)
    growth = np.log(index[1:] / index[:-1]) / np.where(years > 0, years, np.inf)
    return fall, (growth < np.log1p(GROWTH_MIN)) | (growth > np.log1p(GROWTH_MAX))
