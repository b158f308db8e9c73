"""Reading a journal while it is written, by a thread or a process beside the writer.

A record is there once its checksum is right; one that is being written is not there yet, and neither is what a loss of
power has torn. So a follower never says that a journal is damaged: ``check`` does. A journal that lost records with
power goes on with other records under their seqs; who keeps what a follower told compares the epochs.
"""

import zlib
from collections.abc import Iterator

from tightloop.ports.disk import Disk, File
from tightloop.runtime.session.journal.facts import FactDecoder
from tightloop.runtime.session.journal.layout import (
    FRAME,
    FRAME_BYTES,
    HEADER_BYTES,
    Header,
    JournalError,
    JournalRecord,
    RecordKind,
    header_crc,
    segment_name,
    unpack_header,
)
from tightloop.runtime.session.journal.reading import first_number
from tightloop.runtime.session.journal.reduced_segments import reduced_events, reduced_names
from tightloop.runtime.session.journal.scan import first_left

BLOCK_BYTES = 1 << 18


class JournalMoved(JournalError):
    """A segment that was to be read next has been reduced meanwhile: begin anew."""


class JournalFollower:
    """Reads on from where it has come to, what is left of reduced segments first. ``seq``: of the next record.

    ``is_decoded``: facts come with the bytes of their EVENT, for 2 us each.
    """

    def __init__(self, disk: Disk, folder: str, from_seq: int = 0, *, is_decoded: bool = True) -> None:
        self._disk = disk
        self._folder = folder
        self.seq = from_seq
        self._is_decoded = is_decoded
        self._decoder = FactDecoder()
        self._file: File | None = None
        self._number = first_left(disk, folder)
        self._reduced = reduced_events(disk, folder, reduced_names(disk, folder)) if self._number > 1 else iter(())
        if from_seq:
            self._number = max(self._number, first_number(disk, folder, from_seq))
        self._at_seq = 0
        self._offset = 0
        self._crc = 0

    def read(self, count_max: int = 10_000) -> list[tuple[JournalRecord, bytes]]:
        """Return the records that have come, at most ``count_max``, each with the bytes of its EVENT (b"": none)."""
        found: list[tuple[JournalRecord, bytes]] = []
        for record, event in self._reduced:
            if record.seq >= self.seq:
                found.append((record, event))
                self.seq = record.seq + 1
                if len(found) == count_max:
                    return found
        while len(found) < count_max:
            before = len(found), self._number, self._offset
            if self._file is not None or self._open(self._number):
                for record in self._frames():
                    event = b""
                    if self._is_decoded and record.kind == RecordKind.FACT:
                        event = self._decoder.decode(record.payload)
                    if record.seq >= self.seq:
                        found.append((record, event))
                        self.seq = record.seq + 1
                        if len(found) == count_max:
                            return found
            has_come_on = before != (len(found), self._number, self._offset)
            if not has_come_on and (self._file is None or not self._open(self._number + 1)):
                if self._file is None and first_left(self._disk, self._folder) > self._number:
                    raise JournalMoved(f"segment {self._number} was reduced before it was read")
                return found
        return found

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, number: int) -> bool:
        """Open a segment, if it has begun with the record that is next."""
        try:
            file = self._disk.open(f"{self._folder}/{segment_name(number)}")
        except FileNotFoundError:
            return False
        raw = file.read(0, HEADER_BYTES)
        header = unpack_header(raw)
        is_next = self._file is None or (isinstance(header, Header) and header.first_seq == self._at_seq)
        if not isinstance(header, Header) or not is_next:
            file.close()
            return False
        self.close()
        self._file, self._number, self._at_seq = file, number, header.first_seq
        self._offset, self._crc = HEADER_BYTES, header_crc(raw)
        return True

    def _frames(self) -> Iterator[JournalRecord]:
        """Yield the records of a block, as far as they are whole; a larger one is read for a larger record."""
        assert self._file is not None
        name, begin = segment_name(self._number), self._offset
        raw = self._file.read(begin, BLOCK_BYTES)
        at = 0
        while at + FRAME_BYTES <= len(raw):
            length, stored, kind, flags, _ = FRAME.unpack_from(raw, at)
            end = at + ((8 + length + 7) & ~7)
            if length < 4 or begin + end > self._file.size:
                return
            if end > len(raw):
                if at:
                    return
                raw = self._file.read(begin, end)
            if zlib.crc32(memoryview(raw)[at + 8 : end], self._crc ^ length) != stored:
                return
            self._offset, self._crc = begin + end, stored
            if kind != RecordKind.CHAIN:
                seq, self._at_seq = self._at_seq, self._at_seq + 1
                payload = raw[at + FRAME_BYTES : at + 8 + length]
                yield JournalRecord(seq, kind, flags, payload, name, begin + at)
            at = end
