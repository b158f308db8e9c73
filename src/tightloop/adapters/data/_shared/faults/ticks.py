"""Faults of trades, quotes and books."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data._shared.arrays import RowNumbers, Times
from tightloop.adapters.data._shared.datasets import Dataset
from tightloop.adapters.data._shared.faults.books import CROSSED_USABLE_SHARE, book_faults, sides_of
from tightloop.adapters.data._shared.faults.prices import point_faults
from tightloop.adapters.data._shared.faults.report import DatasetReport, Fault, Verdict, in_contract_order
from tightloop.adapters.data._shared.faults.times import HOLES_USABLE_SHARE, RowOrder, order_of
from tightloop.adapters.data._shared.parquet import Source
from tightloop.adapters.data._shared.writing import has_aggregate_ids
from tightloop.core.domain.types import Ints

AGGREGATE_NOTE = "aggregate trades: a row may be several trades, and its id is not that of single trades"
COUNTED_GAPS_MAX = 0.01
"""Above this share of skipped ids, a venue's ids do not count trades one by one."""
_NUMBERS = {
    "trades": ("price", "qty"), "quotes": ("bid", "bid_qty", "ask", "ask_qty"), "books": ("price", "qty"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class JudgedTicks:
    """A report and what it judged. ``rows``: row numbers that a run uses, by time of receipt; None for all."""

    report: DatasetReport
    columns: Mapping[str, npt.NDArray[Any]]
    rows: RowNumbers | None


def judge_ticks(dataset: Dataset, source: Source, window: tuple[int, int] | None = None) -> JudgedTicks:
    """Judge ticks as stored, in the order of ``ts_init_ns``. ``ts_event_ns`` 0: the venue sent no time."""
    columns = _columns(dataset.kind, source)
    if window is not None:
        inside = (columns["ts_init_ns"] >= window[0]) & (columns["ts_init_ns"] < window[1])
        columns = {name: column[inside] for name, column in columns.items()}
    received = columns["ts_init_ns"]
    if not len(received):
        return JudgedTicks(DatasetReport(dataset.path, 0, None, None, ()), columns, None)
    order = _order(dataset.kind, columns)
    used = columns if order.rows is None else {name: column[order.rows] for name, column in columns.items()}
    faults = [order.disorder, order.exact, order.conflicting]
    book_notes: tuple[str, ...] = ()
    if dataset.kind == "books":
        found, book_notes = book_faults(used, is_whole=window is None)
        faults += found
    else:
        faults += _value_faults(dataset.kind, used)
    if dataset.kind == "trades":
        faults.append(_missing_ids(used["trade_id"], used["ts_init_ns"]))
    future, notes = _clocks(columns["ts_event_ns"], received)
    if dataset.kind == "trades" and has_aggregate_ids(dataset.files):
        notes = (AGGREGATE_NOTE, *notes)
    report = DatasetReport(
        dataset.path,
        len(received),
        int(received.min()),
        int(received.max()),
        in_contract_order([*faults, future]),
        (*notes, *book_notes),
    )
    return JudgedTicks(report, MappingProxyType(columns), order.rows)


def _columns(kind: str, source: Source) -> dict[str, npt.NDArray[Any]]:
    columns: dict[str, npt.NDArray[Any]] = {name: source.times_ns(name) for name in ("ts_event_ns", "ts_init_ns")}
    for name in _NUMBERS[kind]:
        columns[name] = source.floats(name)
    if kind == "trades":
        columns["trade_id"] = source.identities("trade_id")
        columns["buyer_is_maker"] = source.integers("buyer_is_maker")
    if kind == "books":
        columns["seq"] = source.integers("seq")
        columns["side"] = source.mapped("side", sides_of)
        columns["is_snapshot"] = source.integers("is_snapshot")
    return columns


def _order(kind: str, columns: Mapping[str, npt.NDArray[Any]]) -> RowOrder:
    received, happened = columns["ts_init_ns"], columns["ts_event_ns"]
    # A row in event order that was received before its event time is a future stamp, not disorder.
    excused = (happened > received) & (happened >= np.maximum.accumulate(happened))
    if kind == "trades":
        # The receive time is not compared: one trade received over two connections is one trade.
        values = np.column_stack([columns[name] for name in ("ts_event_ns", "price", "qty", "buyer_is_maker")])
        return order_of(columns["trade_id"], values, received, "trade id", excused)
    keys = ["ts_event_ns", "ts_init_ns"] + (["seq", "side", "price"] if kind == "books" else [])
    values = np.column_stack([columns[name] for name in columns if name not in keys])
    row_order = order_of(_groups([columns[name] for name in keys], received), values, received, excused=excused)
    if kind == "books" and not row_order.has_faults and (np.diff(received) >= 0).all():
        return RowOrder(None, None, None, None)  # keep the stored order of rows with equal times
    return row_order


def _groups(keys: list[npt.NDArray[Any]], received: Times) -> Times:
    """Return a number per row, equal for rows with equal keys; the receive times where those ascend strictly."""
    if (np.diff(received) > 0).all():
        return received
    order = np.lexsort(keys[::-1])
    new = np.zeros(len(order), np.int64)
    for key in keys:
        ranked = key[order]
        new[1:] |= ranked[1:] != ranked[:-1]
    groups = np.empty(len(order), np.int64)
    groups[order] = np.cumsum(new)
    return groups


def _value_faults(kind: str, columns: Mapping[str, npt.NDArray[Any]]) -> list[Fault | None]:
    received = columns["ts_init_ns"]
    if kind == "trades":
        return point_faults(columns["price"], received, "trades")
    bid, ask = columns["bid"], columns["ask"]
    with np.errstate(invalid="ignore"):
        mid = np.where((bid > 0) & (ask > 0), (bid + ask) / 2, np.nan)
        crossed = np.flatnonzero((bid >= ask) & np.isfinite(mid))
    faults = point_faults(mid, received, "quotes")
    if len(crossed):
        share = len(crossed) / len(bid)
        verdict = Verdict.USABLE if share <= CROSSED_USABLE_SHARE else Verdict.UNFIT
        detail = f"a bid at or above its ask: {len(crossed)} of {len(bid)} quotes ({100 * share:.2g} %)"
        faults.append(Fault("crossed_quotes", len(crossed), int(received[crossed[0]]), detail, verdict))
    return faults


def _missing_ids(ids: Ints, received: Times) -> Fault | None:
    """Find gaps in trade ids, which are trades not recorded; None if the ids do not count trades one by one."""
    order = np.argsort(ids, kind="stable")
    steps = np.diff(ids[order])
    steps = np.where(steps < 0, 1, steps)  # overflow: ids this far apart do not count trades
    gaps = np.flatnonzero(steps > 1)
    if not len(gaps) or len(gaps) > COUNTED_GAPS_MAX * len(steps):
        return None
    missing = int((steps[gaps] - 1).sum())
    share = missing / (missing + len(ids))
    verdict = Verdict.USABLE if share <= HOLES_USABLE_SHARE else Verdict.UNFIT
    many = f"{len(gaps)} gap{'s' if len(gaps) > 1 else ''}, the longest of {int(steps[gaps].max()) - 1}"
    detail = f"missing: {missing} of {missing + len(ids)} trade ids ({100 * share:.2g} %) in {many}"
    return Fault("holes", missing, int(received[order[gaps[0] + 1]]), detail, verdict)


def _clocks(happened: Times, received: Times) -> tuple[Fault | None, tuple[str, ...]]:
    """Find rows received before their event time; note the offset of the two clocks (fastest delivery)."""
    known = np.flatnonzero(happened > 0)
    if not len(known):
        return None, ("the venue sent no times: rows are ordered by when they were received",)
    delay = received[known] - happened[known]
    fastest, median = int(delay.min()) / 1e9, float(np.median(delay)) / 1e9
    offset = f"time of receipt less time of the event is {fastest:.4f} s at least, {median:.4f} s in the median"
    early = np.flatnonzero(delay < 0)
    if not len(early):
        return None, (f"{offset}: the clocks agree",)
    detail = (
        f"received before it happened: {len(early)} of {len(happened)} rows; {offset}: the receiver's clock is "
        f"about {-fastest:.3f} s behind the venue's"
    )
    return Fault("future_stamps", len(early), int(received[known[early[0]]]), detail, Verdict.USABLE), ()
