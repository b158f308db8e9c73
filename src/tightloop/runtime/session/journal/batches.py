"""Facts into a journal: events encoded, with what the step wrote of them, in one write for a batch.

The codec begins anew with each segment, so a batch is closed where the next fact might not fit into the current one.
"""

from collections.abc import Iterable

from tightloop.runtime.session.journal.facts import FACT_BYTES_MAX, FactEncoder
from tightloop.runtime.session.journal.layout import FRAME_BYTES, RecordKind, padded
from tightloop.runtime.session.journal.writer import Journal, Payload

Entry = tuple[memoryview | bytes | bytearray, Payload]
"""The bytes of an EVENT, and the rows that the step wrote of it; b"" for none."""


class FactWriter:
    """The one who appends facts to a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._encoder = FactEncoder()
        self._segment = journal.segment

    def append(self, entries: Iterable[Entry], *, is_reserved: bool = False) -> int:
        """Append events in their order, each followed by its rows; return the seq of the next record.

        Raises JournalFull: entries before the one without room may have been written, ``Journal.seq`` tells.
        """
        journal, encoder = self._journal, self._encoder
        batch: list[tuple[int, Payload]] = []
        left = journal.room()
        try:
            for event, rows in entries:
                need = padded(FACT_BYTES_MAX) + (padded(len(rows)) if rows else 0)
                if need > left or journal.segment != self._segment:
                    if batch:
                        journal.append_many(batch, is_reserved=is_reserved)
                        batch = []
                    journal.make_room(need, is_reserved=is_reserved)
                    if journal.segment != self._segment:
                        self._segment = journal.segment
                        encoder.reset()
                    left = journal.room()
                fact = encoder.encode(event)
                batch.append((RecordKind.FACT, fact))
                left -= padded(len(fact))
                if rows:
                    batch.append((RecordKind.ROWS, rows))
                    left -= padded(len(rows))
            if batch:
                journal.append_many(batch, is_reserved=is_reserved)
        except OSError:
            encoder.reset()  # what was encoded may not have been written
            raise
        return journal.seq


assert FRAME_BYTES + FACT_BYTES_MAX < 4_096 // 4, "a fact fits into the smallest segment's reserve"
