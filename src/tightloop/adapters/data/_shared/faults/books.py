"""Order books as rows: grouping into updates, reconstruction of the book, and faults.

An update is the rows with one ``seq`` and time; ``seq`` counts updates by one. The reconstruction here follows the
rules of the core's order book (``core/market/depth.py``), to judge data and to draw charts.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tightloop.adapters.data._shared.arrays import Flags
from tightloop.adapters.data._shared.faults.report import Fault, Verdict
from tightloop.core.domain.ticks import TICK, BookRow
from tightloop.core.domain.types import Ints, Rows

CROSSED_USABLE_SHARE = 0.001
"""Share of crossed quotes, or of updates that cross a book, above which the data are unfit."""
MISSING_USABLE_SHARE = 0.05
BID_WORDS, ASK_WORDS = ("bid", "b", "buy"), ("ask", "a", "sell", "s")
Columns = Mapping[str, npt.NDArray[Any]]


def sides_of(column: pa.Array) -> Ints:
    """Return 1 for a bid, -1 for an ask, 0 for neither; from words, numbers (positive: bid) or booleans."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    coded = column.dictionary_encode()
    known = [_side(value) for value in coded.dictionary.to_pylist()]
    places = coded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
    return np.asarray(np.array([*known, 0], np.int64)[places])


def _side(value: Any) -> int:
    if isinstance(value, str):
        word = value.lower()
        return 1 if word in BID_WORDS else -1 if word in ASK_WORDS else 0
    return 0 if value is None else 1 if value > 0 else -1


def rows_of_book(columns: Columns) -> Rows:
    """Convert columns to TICK records; ``marked`` sets the flags of first and last row of an update."""
    records = np.zeros(len(columns["ts_init_ns"]), TICK)
    for name in ("ts_event_ns", "ts_init_ns", "price", "qty"):
        records[name] = columns[name]
    records["trade_id"] = columns["seq"]
    records["is_buyer_maker"] = np.where(columns["side"] > 0, int(BookRow.IS_BID), 0)
    records["is_buyer_maker"] |= np.where(columns["is_snapshot"] > 0, int(BookRow.IS_SNAPSHOT), 0)
    return records


def marked(pieces: Iterable[Rows]) -> Iterator[Rows]:
    """Yield the pieces with the first and last row of every update flagged, also where it spans two pieces.

    Each piece is held back until the next one shows whether its last update continues.
    """
    held: Rows | None = None
    for piece in pieces:
        if not len(piece):
            continue
        first = np.ones(len(piece), np.bool_)
        first[1:] = _differ(piece[1:], piece[:-1])
        if held is not None:
            first[0] = _differ(piece[:1], held[-1:])[0]
            held["is_buyer_maker"][-1] |= int(BookRow.IS_LAST) if first[0] else 0
            yield held
        held = piece.copy()
        held["is_buyer_maker"] |= np.where(first, int(BookRow.IS_FIRST), 0)
        held["is_buyer_maker"][:-1] |= np.where(first[1:], int(BookRow.IS_LAST), 0)
    if held is not None:
        held["is_buyer_maker"][-1] |= int(BookRow.IS_LAST)
        yield held


def _differ(rows: Rows, before: Rows) -> Flags:
    """Return flags of rows that belong to another update than the row before."""
    mask = int(BookRow.IS_SNAPSHOT)
    is_other = (rows["is_buyer_maker"] & mask) != (before["is_buyer_maker"] & mask)
    for name in ("trade_id", "ts_event_ns", "ts_init_ns"):
        is_other |= rows[name] != before[name]
    return np.asarray(is_other, np.bool_)


def whole_updates(rows: Rows) -> Rows:
    """Drop every update that contains an invalid price or quantity; the next ``seq`` then shows the gap."""
    with np.errstate(invalid="ignore"):
        good = (rows["price"] > 0) & np.isfinite(rows["price"]) & (rows["qty"] >= 0) & np.isfinite(rows["qty"])
    if good.all() or not len(rows):
        return rows
    update = np.cumsum(np.concatenate(([False], _differ(rows[1:], rows[:-1]))))
    return rows[~np.isin(update, update[~good])]


@dataclass(slots=True)
class BookWalk:
    """Reconstruction of a book row by row: best prices after every update, and counts of faults.

    ``jumps``: (missing updates, time) of each gap. ``crossed``: times of updates that left the book crossed or locked.
    ``unused``: updates before the first snapshot. ``old``: updates with a ``seq`` that went back.
    """

    updates: int = 0
    snapshots: int = 0
    unused: int = 0
    old: int = 0
    jumps: list[tuple[int, int]] = field(default_factory=list)
    crossed: list[int] = field(default_factory=list)
    _bids: dict[float, float] = field(default_factory=dict)
    _asks: dict[float, float] = field(default_factory=dict)
    _bid_heap: list[float] = field(default_factory=list)
    _ask_heap: list[float] = field(default_factory=list)
    _is_known: bool = False
    _last_seq: int = 0

    def take(self, rows: Rows) -> list[tuple[int, float, float]]:
        """Apply flagged rows; return (time, best bid, best ask) after each update with a known two-sided book."""
        tops: list[tuple[int, float, float]] = []
        columns = [rows[name].tolist() for name in ("ts_init_ns", "trade_id", "is_buyer_maker", "price", "qty")]
        for ts_ns, seq, flags, price, qty in zip(*columns, strict=True):
            if self._is_taken(ts_ns, seq, flags):
                self._set(flags & BookRow.IS_BID, price, qty)
            if flags & BookRow.IS_LAST:
                self.updates += 1
                top = self._top()
                if top is not None and top[0] >= top[1]:
                    self.crossed.append(ts_ns)
                    self._lose()
                elif top is not None:
                    tops.append((ts_ns, *top))
        return tops

    def _is_taken(self, ts_ns: int, seq: int, flags: int) -> bool:
        if flags & BookRow.IS_SNAPSHOT:
            if flags & BookRow.IS_FIRST:
                self._lose()
                self._is_known = True
                self.snapshots += 1
            self._last_seq = seq
            return True
        is_first = bool(flags & BookRow.IS_FIRST)
        if self.snapshots and seq > self._last_seq + 1 and is_first:
            self.jumps.append((seq - self._last_seq - 1, ts_ns))
            self._last_seq = seq
            self._lose()
        if not self.snapshots:
            self.unused += is_first
        elif seq < self._last_seq:
            self.old += is_first
            return False
        self._last_seq = seq
        return self._is_known

    def _lose(self) -> None:
        self._is_known = False
        for levels in (self._bids, self._asks, self._bid_heap, self._ask_heap):
            levels.clear()

    def _set(self, is_bid: int, price: float, qty: float) -> None:
        levels, heap = (self._bids, self._bid_heap) if is_bid else (self._asks, self._ask_heap)
        if qty <= 0.0:
            levels.pop(price, None)
            return
        if price not in levels:
            heapq.heappush(heap, -price if is_bid else price)
        levels[price] = qty

    def _top(self) -> tuple[float, float] | None:
        while self._bid_heap and -self._bid_heap[0] not in self._bids:
            heapq.heappop(self._bid_heap)
        while self._ask_heap and self._ask_heap[0] not in self._asks:
            heapq.heappop(self._ask_heap)
        return (-self._bid_heap[0], self._ask_heap[0]) if self._bid_heap and self._ask_heap else None


def book_faults(columns: Columns, is_whole: bool) -> tuple[list[Fault | None], tuple[str, ...]]:
    """Return faults and notes of book rows in their order. ``is_whole``: the rows are not a window of the dataset."""
    received, count = columns["ts_init_ns"], len(columns["price"])
    faults: list[Fault | None] = []
    with np.errstate(invalid="ignore"):
        price, qty = columns["price"], columns["qty"]
        bad = np.flatnonzero(~((price > 0) & (price < np.inf) & (qty >= 0) & (qty < np.inf)))
    if len(bad):
        detail = f"a price or quantity that is negative or not a number, or a price of 0: {len(bad)} of {count} rows"
        faults.append(Fault("non_positive", len(bad), int(received[bad[0]]), detail, Verdict.UNFIT))
    neither = np.flatnonzero(columns["side"] == 0)
    if len(neither):
        detail = f"the column side holds {len(neither)} values that are neither bid nor ask"
        faults.append(Fault("schema", 1, int(received[neither[0]]), detail, Verdict.UNFIT))
        return faults, ()
    walk = BookWalk()
    for piece in marked([whole_updates(rows_of_book(columns))]):
        walk.take(piece)
    return faults + _walked(walk, is_whole, int(received[0])), _notes(walk)


def _walked(walk: BookWalk, is_whole: bool, first_ns: int) -> list[Fault | None]:
    faults: list[Fault | None] = []
    if not walk.snapshots and is_whole:
        detail = "no row has is_snapshot: the book is never known"
        faults.append(Fault("schema", 1, first_ns, detail, Verdict.UNFIT))
    if walk.jumps:
        missing = sum(many for many, _ in walk.jumps)
        share = missing / (missing + walk.updates)
        verdict = Verdict.USABLE if share <= MISSING_USABLE_SHARE else Verdict.UNFIT
        many = f"{len(walk.jumps)} gap{'s' if len(walk.jumps) > 1 else ''}"
        longest = max(count for count, _ in walk.jumps)
        detail = (
            f"missing: {missing} of {missing + walk.updates} updates ({100 * share:.2g} %) in {many}, the longest of "
            f"{longest}; the book is not known from there to the next snapshot"
        )
        faults.append(Fault("holes", missing, walk.jumps[0][1], detail, verdict))
    if walk.crossed:
        share = len(walk.crossed) / walk.updates
        verdict = Verdict.USABLE if share <= CROSSED_USABLE_SHARE else Verdict.UNFIT
        detail = (
            f"a bid at or above an ask after {len(walk.crossed)} of {walk.updates} updates ({100 * share:.2g} %); the "
            "book is not known from there to the next snapshot"
        )
        faults.append(Fault("crossed_quotes", len(walk.crossed), walk.crossed[0], detail, verdict))
    return faults


def _notes(walk: BookWalk) -> tuple[str, ...]:
    notes = []
    if walk.snapshots and walk.unused:
        notes.append(f"{walk.unused} updates come before the first snapshot and are not used")
    if walk.old:
        notes.append(f"{walk.old} updates have a lower sequence number than the update before them and are not used")
    return tuple(notes)
