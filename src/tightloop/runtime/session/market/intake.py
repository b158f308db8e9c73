"""Where facts enter a session: one bounded queue of rows of EVENT, stamped in the order they came.

Theory of operation. Whoever decodes what the world says calls a ``put_*``; the loop asks for ``batch`` and says
``drop`` when it is journaled and stepped. A stamp is ``max(last + 1, clock)``: strictly increasing, whatever the
clock does, so that the order of receipt is an order of time; the levels of one update of a book share theirs. Rows
are written with ``struct`` into a ring of memory: 0.5 us a fact, where a structured array takes 7.

When more than CONFLATED_ABOVE rows wait, a quote or a mark replaces the one of its instrument that still waits: the
loop is late, and only the last one matters. Nothing else is ever left out. At CAPACITY whoever puts a fact has to
``relieve`` the queue first: sockets are read no faster than the session works.

What may surprise: a replaced row stays in its place with kind 0 until its batch is made, so that no row moves.
"""

import struct
from collections.abc import Callable, Sequence

import numpy as np

from tightloop.core.domain.enums import EventKind, Phase
from tightloop.core.domain.ticks import BookRow
from tightloop.core.domain.types import EVENT, Rows

CAPACITY = 65_536
CONFLATED_ABOVE = 1_024
BATCH_MAX = 256

_HEAD = struct.Struct("<10q7d")
_NAMES = (
    *("kind", "phase", "instrument", "instance", "ts_event_ns", "ts_init_ns"),
    *("order_id", "order_slot", "reason", "is_maker"),
    *("open", "high", "low", "price", "qty", "rate", "amount"),
)
_FIELDS = EVENT.fields
assert _FIELDS is not None, "an event has named fields"
assert [int(_FIELDS[name][1]) for name in _NAMES] == list(range(0, 8 * len(_NAMES), 8)), "EVENT begins with these words"
_DECIDE = int(Phase.DECIDE_ON_CLOSE | Phase.RECORD)
_SIZE = EVENT.itemsize
_IS_BID, _IS_FIRST = int(BookRow.IS_BID), int(BookRow.IS_FIRST)
_IS_LAST, _IS_SNAPSHOT = int(BookRow.IS_LAST), int(BookRow.IS_SNAPSHOT)
_TRADE, _QUOTE, _BOOK = int(EventKind.TRADE), int(EventKind.QUOTE), int(EventKind.BOOK_LEVEL)

BookLevel = tuple[float, float, bool]
"""Price, quantity (0: gone), and whether it is a bid."""


class Intake:
    """The queue. ``now_ns``: the time of the process. ``last_ns``: the stamp of the last fact before it."""

    def __init__(self, now_ns: Callable[[], int], last_ns: int = 0, capacity: int = CAPACITY) -> None:
        self._now_ns, self.last_ns, self.capacity = now_ns, last_ns, capacity
        self.rows = np.zeros(capacity, EVENT)
        self._bytes = self.rows.view(np.uint8).data
        self._head = self._end = 0  # running numbers of the first waiting row and of the next free one
        self._waiting_quote: dict[tuple[int, int], int] = {}
        self._whole: set[int] = set()
        self._dropped: set[int] = set()
        self.taken_count = self.conflated_count = self.full_count = 0
        self.wake: Callable[[], None] = lambda: None
        """Called after each fact; the session sets it."""
        self.relieve: Callable[[], object] = lambda: None
        """Called when the queue is full, before a fact is put: the session takes a batch then, and so reads slower."""

    def __len__(self) -> int:
        return self._end - self._head

    @property
    def is_full(self) -> bool:
        """Whether no further fact fits."""
        return self._end - self._head >= self.capacity

    def stamp(self) -> int:
        """Return the time of receipt of a fact that comes now; later facts have later ones."""
        now_ns = self._now_ns()
        last_ns = self.last_ns + 1
        self.last_ns = max(last_ns, now_ns)
        return self.last_ns

    def _slot(self) -> int:
        """Return the place of the next row; raises OverflowError if the queue is full and cannot be relieved."""
        if self._end - self._head >= self.capacity:
            self.full_count += 1
            self.relieve()
            if self._end - self._head >= self.capacity:
                raise OverflowError("the queue of facts is full")
        slot = self._end % self.capacity
        self._end += 1
        if self._whole and slot in self._whole:
            self._whole.discard(slot)
            self._bytes[slot * _SIZE : (slot + 1) * _SIZE] = bytes(_SIZE)
        return slot

    def put_print(
        self, instrument: int, price: float, qty: float, trade_id: int, is_buyer_maker: int, ts_event_ns: int
    ) -> None:
        """Put a public print."""
        slot = self._slot()
        _HEAD.pack_into(
            self._bytes, slot * _SIZE, _TRADE, _DECIDE, instrument, 0, ts_event_ns, self.stamp(), trade_id, 0,
            0, is_buyer_maker, 0.0, 0.0, 0.0, price, qty, 0.0, 0.0,
        )  # fmt: skip
        self.wake()

    def put_quote(
        self, instrument: int, bid: float, bid_qty: float, ask: float, ask_qty: float, ts_event_ns: int
    ) -> None:
        """Put best bid and ask."""
        slot = self._slot()
        self._conflate(_QUOTE, instrument)
        _HEAD.pack_into(
            self._bytes, slot * _SIZE, _QUOTE, _DECIDE, instrument, 0, ts_event_ns, self.stamp(), 0, 0, 0, 0,
            0.0, 0.0, 0.0, bid, bid_qty, ask, ask_qty,
        )  # fmt: skip
        self.wake()

    def put_update(
        self, instrument: int, levels: Sequence[BookLevel], number: int, ts_event_ns: int, *, is_snapshot: bool
    ) -> None:
        """Put an update of a book: levels of one stamp and one number; decisions follow the last.

        ``ts_event_ns`` 0: the venue does not say when it happened, so it counts as it is received.
        """
        stamp, last = 0, len(levels) - 1
        for at, (price, qty, is_bid) in enumerate(levels):
            slot = self._slot()  # what relieves the queue here may move the clock, so the stamp comes after it
            stamp = stamp or self.stamp()
            flags = (
                _IS_BID * is_bid
                | _IS_FIRST * (at == 0)
                | _IS_LAST * (at == last)
                | (_IS_SNAPSHOT if is_snapshot else 0)
            )
            _HEAD.pack_into(
                self._bytes, slot * _SIZE, _BOOK, _DECIDE if at == last else 0, instrument, 0,
                ts_event_ns or stamp, stamp, number, 0, flags, 0, 0.0, 0.0, 0.0, price, qty, 0.0, 0.0,
            )  # fmt: skip
        self.wake()

    def put_event(self, event: Rows, *, is_conflatable: bool = False) -> int:
        """Put any event (one row of EVENT) as it is, stamped; return the stamp. A ``ts_event_ns`` of 0 is the stamp."""
        slot = self._slot()
        if is_conflatable:
            self._conflate(int(event[0]["kind"]), int(event[0]["instrument"]))
        row = self.rows[slot : slot + 1]
        row[:] = event
        row["ts_init_ns"] = self.stamp()
        if row[0]["ts_event_ns"] == 0:
            row["ts_event_ns"] = self.last_ns
        self._whole.add(slot)
        self.wake()
        return self.last_ns

    def put_after_last(self, event: Rows) -> None:
        """Put an event right after the last fact, whatever the clock says, so before all that is due by now.

        No fact may wait.
        """
        assert not len(self), "what waits has later stamps"
        slot = self._slot()
        row = self.rows[slot : slot + 1]
        row[:] = event
        self.last_ns += 1
        row["ts_init_ns"] = row["ts_event_ns"] = self.last_ns
        self._whole.add(slot)
        self.wake()

    def put_first(self, event: Rows) -> None:
        """Put an event before all that waits, stamped just before the first of these; not within a batch."""
        if not len(self) or self.is_full:
            self.put_event(event)
            return
        head = self._head % self.capacity
        stamp = int(self.rows[head]["ts_init_ns"]) - 1
        if stamp <= int(self.rows[head - 1]["ts_init_ns"]):
            self.put_event(event)  # no time is left between the last fact that was taken and the next
            return
        self._head -= 1
        slot = self._head % self.capacity
        row = self.rows[slot : slot + 1]
        row[:] = event
        row["ts_init_ns"] = row["ts_event_ns"] = stamp
        self._whole.add(slot)
        self.wake()

    def _conflate(self, kind: int, instrument: int) -> None:
        """Drop the row of this kind and instrument that still waits, if too many wait; remember the newest."""
        key, number = (kind, instrument), self._end - 1
        if number - self._head > CONFLATED_ABOVE:
            before = self._waiting_quote.get(key, -1)
            if before >= self._head:
                self.rows[before % self.capacity]["kind"] = 0
                self._dropped.add(before)
                self.conflated_count += 1
        self._waiting_quote[key] = number

    def batch(self) -> "Batch":
        """Return the next facts, at most BATCH_MAX, without those that were replaced; ``drop`` takes them out."""
        head = self._head
        first = head % self.capacity
        count = self._batch_count = min(self._end - head, BATCH_MAX, self.capacity - first)
        if self._dropped and not self._dropped.isdisjoint(range(head, head + count)):
            rows = self.rows[first : first + count]
            return batch_of(rows[rows["kind"] != 0])
        return self.rows, self._bytes, first, count

    def drop(self) -> None:
        """Take the facts of the last ``batch`` out."""
        count = self._batch_count
        if self._dropped:
            self._dropped.difference_update(range(self._head, self._head + count))
        self._head += count
        self.taken_count += count
        self._batch_count = 0

    _batch_count = 0


Batch = tuple[Rows, memoryview, int, int]
"""Rows of EVENT, their bytes, the first of the batch and how many."""


def batch_of(facts: Rows) -> Batch:
    """Return facts as one batch."""
    return facts, facts.view(np.uint8).data, 0, len(facts)
