"""Reading a journal from its bytes, frame by frame, up to the end or to what is wrong.

One ``JournalScan`` goes over the segments in their order and holds what a writer needs to go on: seq, offset, crc and
chain. What is wrong ends it as a ``JournalFault``: a broken *tail*, which the death of a process or a loss of power
leaves and which may be cut, or *corruption*, which may not. ``damage.py`` looks at what follows to tell them apart.
"""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from tightloop.ports.disk import Disk
from tightloop.runtime.session.journal import damage
from tightloop.runtime.session.journal.layout import (
    CHAIN_BYTES,
    CHAIN_START,
    FRAME,
    FRAME_BYTES,
    HEADER_BYTES,
    Header,
    JournalCorrupt,
    JournalRecord,
    RecordKind,
    header_crc,
    reduced_name,
    segment_name,
    segment_number,
    unpack_header,
)


class FaultKind(Enum):
    """What may be done about a fault."""

    TAIL = "tail"  # nothing valid follows that had to survive: it may be cut
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class JournalFault:
    """What ended a scan before the end of the files. ``offset``: of the first frame that is not sound, in ``file``."""

    kind: FaultKind
    file: str
    offset: int
    text: str


class JournalScan:
    """A walk over a journal; iterate it, then read what it has come to.

    ``seq``, ``offset``, ``crc``, ``chain``, ``position``: of the next record and its place. ``header``: of the segment
    it ended in, None if there is none. ``first_number``: where to begin (0: with the first that is left); a later
    segment than the first is taken on trust of its header.
    """

    def __init__(self, disk: Disk, folder: str, first_number: int = 0) -> None:
        self._disk = disk
        self._folder = folder
        self._first_number = first_number or first_left(disk, folder)
        self._numbers = segment_numbers(disk, folder)
        self._why = ""
        self.fault: JournalFault | None = None
        self.header: Header | None = None
        self.seq = 0
        self.offset = 0
        self.crc = 0
        self.chain = hashlib.blake2b(digest_size=CHAIN_BYTES)
        self.since_chain = 0
        self.file = ""
        self.file_bytes = 0

    def __iter__(self) -> Iterator[JournalRecord]:
        """Yield the records; ``fault`` says afterwards whether it was all."""
        numbers = [number for number in self._numbers if number >= self._first_number]
        for place, number in enumerate(numbers, self._first_number):
            if number != place:
                self._end(FaultKind.CORRUPT, segment_name(place), 0, "the segment is missing")
                return
        raw = self._read(numbers[0]) if numbers else b""
        for place, number in enumerate(numbers):
            later = numbers[place + 1 :]
            if not self._begin(number, raw):
                self._judge(number, raw, 0, later)
                return
            yield from self._frames(raw)
            stray = _first_used(raw, self.offset)
            following = self._read(later[0]) if later else b""
            found = unpack_header(following)
            self._why = self._mismatch(found, number + 1) if isinstance(found, Header) else ""
            if isinstance(found, Header) and not self._why:
                if stray is not None:
                    self._end(FaultKind.CORRUPT, self.file, stray, "bytes that no record wrote, after the last one")
                    return
            elif isinstance(found, Header) or stray is not None or _first_used(following, 0) is None:
                self._judge(number, raw, self.offset, later)
                return
            raw = following

    def _read(self, number: int) -> bytes:
        return self._disk.read(f"{self._folder}/{segment_name(number)}")

    def _begin(self, number: int, raw: bytes) -> bool:
        """Take the header of a segment; False if it is not the one that has to come."""
        found = unpack_header(raw)
        self._why = self._mismatch(found, number) if isinstance(found, Header) else found
        if self._why or not isinstance(found, Header):
            return False
        if self.header is None:
            self.seq = found.first_seq
        self.header, self.file, self.file_bytes = found, segment_name(number), len(raw)
        self.offset, self.crc, self.since_chain = HEADER_BYTES, header_crc(raw), 0
        self.chain = hashlib.blake2b(raw[:HEADER_BYTES], digest_size=CHAIN_BYTES)
        return True

    def _mismatch(self, found: Header, number: int) -> str:
        """Return in words why a sound header is not the one that has to come; "" if it is."""
        before = self.header
        if found.number != number:
            return f"the header is of segment {found.number}"
        if before is None:
            is_first = (found.first_seq, found.position, found.chain) == (0, 0, CHAIN_START)
            return "" if is_first or number > 1 else "the first segment does not begin at record 0"
        if found.session != before.session:
            return f"the header is of session {found.session}, not {before.session}"
        if found.position != before.position + before.size:
            return "the header does not continue the segment before"
        if found.first_seq != self.seq:
            return f"it begins at record {found.first_seq}, where {self.seq} is the next"
        return "" if found.chain == self.chain.digest() else "its chain is not that of the segment before"

    def _frames(self, raw: bytes) -> Iterator[JournalRecord]:
        """Yield the records of a segment up to the first frame that is not valid."""
        view = memoryview(raw)
        unpack, crc32, size = FRAME.unpack_from, zlib.crc32, len(raw)
        offset, crc, file = self.offset, self.crc, self.file
        hashed = offset
        while offset + FRAME_BYTES <= size:
            length, stored, kind, flags, _ = unpack(raw, offset)
            end = offset + ((8 + length + 7) & ~7)
            if length < 4 or end > size or crc32(view[offset + 8 : end], crc ^ length) != stored:
                break
            if kind == RecordKind.CHAIN:
                self.chain.update(view[hashed:offset])
                hashed, digest = offset, self.chain.digest()
                if raw[offset + FRAME_BYTES : offset + FRAME_BYTES + CHAIN_BYTES] != digest:
                    break
                self.chain = hashlib.blake2b(digest, digest_size=CHAIN_BYTES)
                self.since_chain = 0
            else:
                seq = self.seq
                self.seq, self.since_chain = seq + 1, self.since_chain + 1
                yield JournalRecord(seq, kind, flags, raw[offset + FRAME_BYTES : offset + 8 + length], file, offset)
            offset, crc = end, stored
            self.offset, self.crc = offset, crc
        self.chain.update(view[hashed:offset])

    def _judge(self, number: int, raw: bytes, offset: int, later: list[int]) -> None:
        """Decide what it is that stands where the next frame (at 0: the header) would.

        Zeros up to the end of the last segment are the end of the journal; anything else is a fault.
        """
        beyond = [(one, self._read(one)) for one in later]
        stray = _first_used(raw, offset)
        is_short = self.header is not None and offset > 0 and len(raw) < self.header.size
        position = self._position_of(number)
        follows = damage.valid_after(raw, offset, self.crc)
        after = _sound_segments(beyond, position + len(raw))
        name = segment_name(number)
        if follows is None and not after:
            self._judge_end(name, offset, stray, is_short=is_short, size=len(raw), beyond=beyond)
            return
        reach = len(raw) if follows is None else follows.offset
        said = [one.synced_end for one in after if one.synced_end is not None]
        if follows is not None and follows.synced_end is not None:
            said.append(position + follows.synced_end)
        was_lost = damage.has_lost_sector(raw, offset, reach) and max(said, default=0) <= position + offset
        place = f"byte {follows.offset}" if follows is not None else after[0].file
        if offset and stray is not None:
            text = "the record is damaged"
        elif offset and self._why:
            text = f"records are missing or changed; of {segment_name(later[0])}: {self._why}"
        else:
            text = self._why or "records are missing"
        if was_lost:
            self._end(FaultKind.TAIL, name, offset, f"{text}: power was lost before it and what follows was synced")
        else:
            self._end(FaultKind.CORRUPT, name, offset, f"{text}; valid records follow at {place}")

    def _judge_end(
        self, name: str, offset: int, stray: int | None, *, is_short: bool, size: int, beyond: list[tuple[int, bytes]]
    ) -> None:
        """Judge a place after which nothing is valid."""
        if offset == 0 and (stray is not None or self.header is None):
            self._end(FaultKind.TAIL, name, 0, self._why if stray is not None else "the journal was not begun")
        elif stray is not None:
            is_frame = stray < offset + FRAME_BYTES
            text = "the record is incomplete or damaged" if is_frame else "bytes that no record wrote"
            self._end(FaultKind.TAIL, name, offset if is_frame else stray, text)
        elif is_short:
            self._end(FaultKind.TAIL, name, size, f"the file ends after {size} bytes")
        for number, raw in beyond:
            place = _first_used(raw, 0)
            if self.fault is None and place is not None:
                self._end(FaultKind.TAIL, segment_name(number), place, "bytes in a segment that was not begun")

    def _position_of(self, number: int) -> int:
        """Return where a segment begins in the session's stream of bytes, as the ones before it say."""
        if self.header is None:
            return 0
        return self.header.position + (self.header.size if number > self.header.number else 0)

    def header_to_go_on(self, folder: str) -> Header:
        """Return the header of the segment to go on in, once all is read. Raises JournalCorrupt, FileNotFoundError."""
        if self.fault is not None and self.fault.kind is FaultKind.CORRUPT:
            raise JournalCorrupt(self.fault.file, self.fault.offset, self.fault.text)
        if self.header is None:
            raise FileNotFoundError(f"{folder} holds no journal that was begun")
        return self.header

    def _end(self, kind: FaultKind, file: str, offset: int, text: str) -> None:
        self.fault = JournalFault(kind, file, offset, text)


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment with something valid in it; ``synced_end``: what it says was synced, in the session's stream."""

    file: str
    synced_end: int | None


def _sound_segments(beyond: list[tuple[int, bytes]], position: int) -> list[_Segment]:
    """Return those segments in which a header or a frame is valid; ``position``: where the first of them begins."""
    found = []
    for number, raw in beyond:
        header = unpack_header(raw)
        if isinstance(header, Header):
            said = damage.claims(raw)
            found.append(_Segment(segment_name(number), None if said is None else header.position + said))
        elif (follows := damage.valid_after(raw, 0, 0)) is not None:
            said = follows.synced_end
            found.append(_Segment(segment_name(number), None if said is None else position + said))
        position += len(raw)
    return found


def segment_numbers(disk: Disk, folder: str) -> list[int]:
    """Return the numbers of the segments in a folder, in their order."""
    found = (segment_number(name) for name in disk.names(folder))
    return sorted(number for number in found if number is not None)


def first_left(disk: Disk, folder: str) -> int:
    """Return the number of the first segment that has to be there: all before it were reduced."""
    there = frozenset(disk.names(folder))
    number = 1
    while segment_name(number) not in there and reduced_name(number) in there:
        number += 1
    return number


def _first_used(raw: bytes, offset: int) -> int | None:
    """Return the place of the first byte from ``offset`` on that is not 0; None if there is none."""
    is_used = np.frombuffer(raw, np.uint8)[offset:] != 0
    place = int(is_used.argmax()) if len(is_used) else 0
    return offset + place if len(is_used) and is_used[place] else None
