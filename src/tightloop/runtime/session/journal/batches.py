"""Facts into a journal: events encoded, with what the step wrote of them, in one write for a batch.

The codec begins anew with each segment, so a batch is closed where the next fact might not fit into the current one.
"""

from collections.abc import Iterable

from tightloop.runtime.session.journal.facts import FACT_BYTES_MAX, FactEncoder
from tightloop.runtime.session.journal.layout import FRAME_BYTES, RecordKind
from tightloop.runtime.session.journal.writer import Journal, Payload

_FRAME_ROOM = FRAME_BYTES + 8
_FACT = int(RecordKind.FACT)
_FACT_ROOM = FACT_BYTES_MAX + 2 * _FRAME_ROOM

Entry = tuple[memoryview | bytes | bytearray, Payload]
"""The bytes of an EVENT, and the rows that the step wrote of it; b"" for none."""


class FactWriter:
    """The one who appends facts to a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._encoder = FactEncoder()
        self._segment = journal.segment

    def append_one(self, event: memoryview, *, is_reserved: bool = False) -> None:
        """Append one event without rows: what most batches of a quiet market are. Raises JournalFull."""
        journal = self._journal
        if journal.segment != self._segment or journal.room() < _FACT_ROOM:
            self._begin_part(_FACT_ROOM, is_reserved=is_reserved)
        try:
            journal.append(_FACT, self._encoder.encode(event), is_reserved=is_reserved)
        except OSError:
            self._encoder.reset()
            raise

    def append(self, entries: Iterable[Entry], *, is_reserved: bool = False) -> int:
        """Append events in their order, each followed by its rows; return the seq of the next record.

        Raises JournalFull: entries before the one without room may have been written, ``Journal.seq`` tells.
        """
        journal, encoder = self._journal, self._encoder
        batch: list[tuple[int, Payload]] = []
        left = journal.room() if journal.segment == self._segment else 0
        try:
            for event, rows in entries:
                if _FACT_ROOM + len(rows) > left:
                    if batch:
                        journal.append_many(batch, is_reserved=is_reserved)
                        batch = []
                    left = self._begin_part(_FACT_ROOM + len(rows), is_reserved=is_reserved)
                fact = encoder.encode(event)
                batch.append((_FACT, fact))
                left -= len(fact) + _FRAME_ROOM
                if rows:
                    batch.append((RecordKind.ROWS, rows))
                    left -= len(rows) + _FRAME_ROOM
            if len(batch) == 1:
                journal.append(*batch[0], is_reserved=is_reserved)
            elif batch:
                journal.append_many(batch, is_reserved=is_reserved)
        except OSError:
            encoder.reset()  # what was encoded may not have been written
            raise
        return journal.seq

    def _begin_part(self, count: int, *, is_reserved: bool) -> int:
        """Make room for a fact and its rows, beginning the codec anew in a new segment; return the room there is."""
        journal = self._journal
        journal.make_room(count, is_reserved=is_reserved)
        if journal.segment != self._segment:
            self._segment = journal.segment
            self._encoder.reset()
        return journal.room()
