"""Reads ticks in pieces, so that memory does not grow with the span.

A part file without faults is streamed batch by batch; one with faults is read whole, repaired, then cut.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tightloop.adapters.data._shared.arrays import Flags, Times
from tightloop.adapters.data._shared.datasets import Dataset
from tightloop.adapters.data._shared.faults.books import BookWalk, marked, rows_of_book, sides_of, whole_updates
from tightloop.adapters.data._shared.faults.report import DatasetReport, Fault, in_contract_order
from tightloop.adapters.data._shared.faults.ticks import AGGREGATE_NOTE, judge_ticks
from tightloop.adapters.data._shared.parquet import Source, batches_of
from tightloop.core.domain.ticks import TICK
from tightloop.core.domain.types import Floats, Rows
from tightloop.model.times import NS_PER_UNIT

_COLUMNS = {
    "trades": {"trade_id": "trade_id", "is_buyer_maker": "buyer_is_maker", "price": "price", "qty": "qty"},
    "quotes": {"price": "bid", "qty": "bid_qty", "ask": "ask", "ask_qty": "ask_qty"},
    "books": {"seq": "seq", "side": "side", "price": "price", "qty": "qty", "is_snapshot": "is_snapshot"},
}
_TIMES = ("ts_event_ns", "ts_init_ns")
_TOP = np.dtype([("ts_ns", "i8"), ("bid", "f8"), ("ask", "f8")])


@dataclass(slots=True)
class _Part:
    """One part file. ``is_clean``: its rows can be used as stored."""

    source: Source
    file: Path
    is_clean: bool


@dataclass(slots=True)
class TickReader:
    """Trades, quotes or book rows of one instrument by time of receipt, as TICK records.

    ``earliest_ns``: minimum of receive minus event time; None if an event time is missing. ``has_snapshot``: whether
    the book is ever known.
    """

    kind: str
    report: DatasetReport
    earliest_ns: int | None
    window: tuple[int, int]
    parts: list[_Part]
    has_snapshot: bool = False
    _digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def pieces(self, rows: int, *, counted: bool = True) -> Iterator[Rows]:
        """Yield all rows in pieces of at most ``rows``. ``counted``: include them in the digest."""
        raw = self._pieces(rows)
        for piece in marked(raw) if self.kind == "books" else raw:
            if counted:
                self._digest.update(np.ascontiguousarray(piece).view(np.uint8).data)
            yield piece

    def prices(self, rows: int) -> Iterator[tuple[Times, Floats, Floats]]:
        """Yield (times, prices, volumes) for charts: trade prices, or mid prices with volume 0. Not in the digest."""
        walk = BookWalk()
        for piece in self.pieces(rows, counted=False):
            if self.kind == "trades":
                yield piece["ts_init_ns"], piece["price"], piece["qty"]
            elif self.kind == "quotes":
                yield piece["ts_init_ns"], 0.5 * (piece["price"] + piece["ask"]), np.zeros(len(piece))
            else:
                tops = np.array(walk.take(piece), _TOP)
                yield tops["ts_ns"], 0.5 * (tops["bid"] + tops["ask"]), np.zeros(len(tops))

    def _pieces(self, rows: int) -> Iterator[Rows]:
        for part in self.parts:
            for holder in self._clean(part, rows) if part.is_clean else self._repaired(part, rows):
                yield holder.pop()  # a paused generator must not keep the last piece alive

    @property
    def digest(self) -> str:
        """Hash of the rows read so far, hex."""
        return str(self._digest.hexdigest())

    def _clean(self, part: _Part, rows: int) -> Iterator[list[Rows]]:
        names = [*_TIMES, *_COLUMNS[self.kind].values()]
        for batch in batches_of(part.file, names, rows):
            read = {name: sides_of if name == "side" else _numbers for name in names}
            holder = [_rows(self.kind, {name: read[name](batch.column(k)) for k, name in enumerate(names)})]
            del batch, read
            inside = (holder[0]["ts_init_ns"] >= self.window[0]) & (holder[0]["ts_init_ns"] < self.window[1])
            if not inside.all():
                holder[0] = holder[0][inside]
            yield holder

    def _repaired(self, part: _Part, rows: int) -> Iterator[list[Rows]]:
        judged = judge_ticks(_dataset_of(part, self.kind), part.source, self.window)
        columns: Mapping[str, npt.NDArray[Any]] = judged.columns
        if judged.rows is not None:
            columns = {name: column[judged.rows] for name, column in columns.items()}
        whole = _rows(self.kind, columns)
        whole = whole_updates(whole) if self.kind == "books" else whole[_has_prices(self.kind, whole)]
        for start in range(0, len(whole), rows):
            yield [whole[start : start + rows]]


def read_ticks(dataset: Dataset, sources: Sequence[Source], window: tuple[int, int]) -> TickReader:
    """Judge every part file and return a reader over those with rows in the window."""
    reports, parts, earliest, has_snapshot = [], [], [], False
    for file, source in zip(dataset.files, sources, strict=True):
        judged = judge_ticks(dataset, source, window)
        columns = judged.columns
        if not judged.report.rows:
            continue
        reports.append(judged.report)
        is_clean = judged.rows is None and not judged.report.faults_of("non_positive")
        is_clean = is_clean and bool((np.diff(columns["ts_init_ns"]) >= 0).all())
        is_clean = is_clean and not (dataset.kind == "trades" and _is_text(source.types["trade_id"]))
        parts.append(_Part(source, file, is_clean))
        has_snapshot |= dataset.kind == "books" and bool((columns["is_snapshot"] > 0).any())
        happened = columns["ts_event_ns"]
        earliest.append(int((columns["ts_init_ns"] - happened).min()) if (happened > 0).all() else None)
    known = [lag for lag in earliest if lag is not None]
    least = min(known) if known and len(known) == len(earliest) else None
    return TickReader(dataset.kind, _merged(dataset.path, reports), least, window, parts, has_snapshot)


def _is_text(kind: pa.DataType) -> bool:
    return not pa.types.is_integer(kind)


def _dataset_of(part: _Part, kind: str) -> Dataset:
    return Dataset(part.file.parent, part.file.name, kind, "", part.file.stem, (part.file,))


def _numbers(column: pa.Array) -> npt.NDArray[Any]:
    if pa.types.is_timestamp(column.type):
        scale = NS_PER_UNIT[column.type.unit]
        return np.asarray(column.view(pa.int64()).to_numpy(zero_copy_only=False)) * scale
    if pa.types.is_boolean(column.type) or pa.types.is_decimal(column.type):
        column = column.cast(pa.int64() if pa.types.is_boolean(column.type) else pa.float64())
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _rows(kind: str, columns: Mapping[str, npt.NDArray[Any]]) -> Rows:
    if kind == "books":
        return rows_of_book(columns)
    records = np.zeros(len(columns["ts_init_ns"]), TICK)
    for name in _TIMES:
        records[name] = columns[name]
    for name, stored in _COLUMNS[kind].items():
        records[name] = columns[stored]
    return records


def _has_prices(kind: str, rows: Rows) -> Flags:
    """Return flags of rows with valid prices and quantities; others exist only where such faults were accepted."""
    with np.errstate(invalid="ignore"):
        good = (rows["price"] > 0) & np.isfinite(rows["price"]) & (rows["qty"] >= 0)
        if kind == "quotes":
            good &= (rows["ask"] > 0) & np.isfinite(rows["ask"]) & (rows["ask_qty"] >= 0)
    return np.asarray(good, np.bool_)


def _merged(path: str, reports: Sequence[DatasetReport]) -> DatasetReport:
    """Merge the reports of all parts: counts are summed per kind of fault, the worst verdict is kept."""
    if len(reports) == 1:
        return reports[0]
    by_kind: dict[str, Fault] = {}
    for report in reports:
        for fault in report.faults:
            before = by_kind.get(fault.kind)
            by_kind[fault.kind] = (
                fault
                if before is None
                else replace(before, count=before.count + fault.count, verdict=max(before.verdict, fault.verdict))
            )
    first = [r.from_ns for r in reports if r.from_ns is not None]
    last = [r.to_ns for r in reports if r.to_ns is not None]
    notes = tuple(dict.fromkeys(note for report in reports for note in report.notes))
    return DatasetReport(
        path, sum(r.rows for r in reports), min(first, default=None), max(last, default=None),
        in_contract_order(by_kind.values()), notes[: 1 + (AGGREGATE_NOTE in notes)],
    )  # fmt: skip
