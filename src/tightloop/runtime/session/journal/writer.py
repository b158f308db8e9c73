"""The single writer of a journal.

``append`` puts a record into the current segment with one ``File.write`` and returns its seq; the record then survives
the death of the process. ``sync`` and ``sync_behind`` make it survive the loss of power. Nothing here waits for the
disk but ``create``, ``open`` and ``sync``: the next segment is prepared by the Disk while the first half of the current
one is written, and the end of the segment before is synced behind.

When no next segment can be made (disk full, read-only), records may still use the current one but for its *reserve*;
those appended with ``is_reserved`` (exits, and what belongs to them) may use that, too. Then ``append`` raises
JournalFull, without having written anything. ``try_again`` asks for the next segment once more.

A sync that failed is told by ``failure`` and by every later ``sync``: what was written since the last good one may be
lost with power, and the session decides what that means. Appending still works.
"""

import contextlib
import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from tightloop.ports.disk import Disk, File
from tightloop.runtime.session.journal import facts
from tightloop.runtime.session.journal.cutting import Cut, cut_tail
from tightloop.runtime.session.journal.layout import (
    CHAIN_BYTES,
    CHAIN_RECORDS,
    CHAIN_START,
    FRAMES_BYTES_MAX,
    HEADER_BYTES,
    LAG_BYTES,
    LAG_UNKNOWN,
    Header,
    JournalError,
    JournalFull,
    RecordKind,
    SegmentSizes,
    header_crc,
    padded,
    segment_name,
)
from tightloop.runtime.session.journal.scan import FaultKind, JournalScan, first_left, segment_numbers

Payload = bytes | bytearray | memoryview
LOCK = "journal.lock"
NEXT_EPOCH = 0
"""In place of an epoch: the one after the last in the journal."""
ROOM_BYTES = 256 * 1_024
"""What has to be free beside the segments: snapshots, states and logs of a session."""
ROOM_AGAIN_BYTES = 4 * ROOM_BYTES
"""What has to be free when there was less, so that little that comes and goes does not let entries come and go."""
_PAGE_BYTES = 4_096
_pack_head, _pack_body = struct.Struct("<II").pack, struct.Struct("<BBH").pack  # a frame; the crc is of the second part
_PADDING = tuple(bytes(count) for count in range(8))


@dataclass(frozen=True, slots=True)
class Found:
    """What a journal held when it was opened. ``record_count``: before CUT and EPOCH of this opening.

    ``cut``: what was moved away, None for nothing. ``last_epoch``: 0 if there was none.
    """

    session: str
    record_count: int
    last_epoch: int
    cut: Cut | None


class Journal:
    """A journal that is open for appending. ``seq``: of the next record. ``segment``: number of the current one."""

    def __init__(self, disk: Disk, folder: str, sizes: SegmentSizes, epoch: int) -> None:
        self._disk = disk
        self._folder = folder
        self._sizes = sizes
        self.epoch = epoch
        self.session = ""
        self.seq = 0
        self.segment = 0
        self._file: File
        self._size = 0  # as the header says it; the file may have been cut short since
        self._position = 0
        self._offset = 0
        self._limit = 0
        self._crc = 0
        self._chain = hashlib.blake2b(digest_size=CHAIN_BYTES)
        self._to_chain = CHAIN_RECORDS
        self._unsynced: list[tuple[File, int, int]] = []  # segments before: file, position, end of the records
        self._next: File | None = None
        self._is_preparing = False
        self._blocked: OSError | None = None
        self._failure: OSError | None = None
        self._lock = disk.lock(f"{folder}/{LOCK}")

    @classmethod
    def create(
        cls, disk: Disk, folder: str, session: str, epoch: int, *, sizes: SegmentSizes | None = None
    ) -> "Journal":
        """Begin a journal in an empty folder with a record EPOCH, synced. FileExistsError if there is one."""
        assert epoch > 0, f"epochs count from 1: {epoch}"
        journal = cls(disk, folder, sizes or SegmentSizes(), epoch)
        journal.session = session
        with journal._released_on_failure():
            journal._begin()
        return journal

    def _begin(self) -> None:
        """Make the first segment."""
        disk, folder = self._disk, self._folder
        path = f"{folder}/{segment_name(1)}"
        try:
            self._next = disk.create(path, self._sizes.of(1))
        except FileExistsError:
            scan = JournalScan(disk, folder)
            if any(True for _ in scan) or (scan.fault is not None and scan.fault.kind is FaultKind.CORRUPT):
                raise
            # An earlier attempt ended before its EPOCH was synced: nothing was ever sent under it.
            self._next = disk.open(path)
            self._next.write(0, bytes(self._next.size))
        self._begin_segment(CHAIN_START)
        self._write_epoch()

    @classmethod
    def open(
        cls, disk: Disk, folder: str, epoch: int = NEXT_EPOCH, *, sizes: SegmentSizes | None = None
    ) -> tuple["Journal", Found]:
        """Open a journal to go on with it: verify all of it, cut a broken tail, append EPOCH, sync.

        ``epoch`` has to be above the last one. Raises JournalCorrupt, LayoutDiffers, FileNotFoundError, OSError;
        BlockingIOError while another process writes it.
        """
        _expect_segments(disk, folder)
        journal = cls(disk, folder, sizes or SegmentSizes(), epoch)
        with journal._released_on_failure():
            found = journal._continue()
        return journal, found

    def _continue(self) -> Found:
        """Take over the journal that is there."""
        disk, folder = self._disk, self._folder
        scan = JournalScan(disk, folder)
        last_epoch, layout = 0, ""
        for record in scan:
            if record.kind == RecordKind.EPOCH:
                said = json.loads(record.payload)
                last_epoch, layout = int(said["epoch"]), str(said["layout"])
        header = scan.header_to_go_on(folder)
        last_epoch = max(last_epoch, header.epoch)  # the records of a reduced journal may be gone
        facts.check_layout(header.layout, layout)
        if self.epoch == NEXT_EPOCH:
            self.epoch = last_epoch + 1
        if self.epoch <= last_epoch:
            raise JournalError(f"epoch {self.epoch} was used: the last one of this journal is {last_epoch}")
        self._take_over(scan, header)
        found = Found(header.session, scan.seq, last_epoch, self._cut(scan))
        self._write_epoch()
        return found

    @classmethod
    def cut(cls, disk: Disk, folder: str) -> Cut | None:
        """Cut a broken tail and nothing else, for a person who looks at a session that does not run.

        Return what was moved, None if there was nothing to cut. Raises as ``open`` does.
        """
        _expect_segments(disk, folder)
        journal = cls(disk, folder, SegmentSizes(), NEXT_EPOCH)
        with journal._released_on_failure():
            scan = JournalScan(disk, folder)
            for _ in scan:
                pass
            header = scan.header_to_go_on(folder)
            journal.epoch = header.epoch
            journal._take_over(scan, header)
            cut = journal._cut(scan)
            journal.close()
        return cut

    def append(self, kind: int, payload: Payload, flags: int = 0, *, is_reserved: bool = False) -> int:
        """Append a record and return its seq. Raises JournalFull; nothing is written then.

        ``is_reserved``: of records that an exit needs; they may use the reserve when the disk is full.
        """
        length = len(payload) + 4
        count = (length + 15) & ~7
        assert count <= FRAMES_BYTES_MAX, f"a record of {count} bytes; at most {FRAMES_BYTES_MAX}"
        if self._offset + count > self._limit:
            self._make_way(count, is_reserved=is_reserved)
        end, file = self._offset + count, self._file
        ahead = end - file.synced_end + LAG_BYTES - 1  # this and what follows are `_lag` and `_write`, for every fact
        lag = self._lag(count) if self._unsynced else min(ahead // LAG_BYTES, LAG_UNKNOWN) if ahead > 0 else 0
        body = b"".join((_pack_body(kind, flags, lag), payload, _PADDING[-length & 7]))
        crc = crc32(body, self._crc ^ length)
        frame = _pack_head(length, crc) + body
        file.write(self._offset, frame)
        self._offset = end
        self._crc = crc
        self._chain.update(frame)
        seq = self.seq
        self.seq = seq + 1
        self._to_chain -= 1
        if not self._to_chain:
            self._write_chain()
        return seq

    def append_many(self, records: Sequence[tuple[int, Payload]], *, is_reserved: bool = False) -> int:
        """Append records (kind, payload) by one write, all in one segment; return the seq of the first.

        Raises JournalFull; nothing is written then.
        """
        count = 0
        for _, payload in records:
            count += (len(payload) + 19) & ~7
        assert count <= FRAMES_BYTES_MAX, f"records of {count} bytes; at most {FRAMES_BYTES_MAX} in one write"
        if self._offset + count > self._limit:
            self._make_way(count, is_reserved=is_reserved)
        crc, lag = self._crc, self._lag(count)
        parts: list[bytes] = []
        for kind, payload in records:
            length = len(payload) + 4
            body = b"".join((_pack_body(kind, 0, lag), payload, _PADDING[-length & 7]))
            crc = crc32(body, crc ^ length)
            parts += (_pack_head(length, crc), body)
        self._write(b"".join(parts), crc)
        seq = self.seq
        self.seq = seq + len(records)
        self._to_chain -= len(records)
        if self._to_chain <= 0:
            self._write_chain()
        return seq

    def make_room(self, count: int, *, is_reserved: bool = False) -> int:
        """Return the segment that the next ``count`` bytes of frames will be in; begin the next one if they must.

        A frame has ``padded(bytes of payload)`` bytes. Raises JournalFull as an append of that size would.
        """
        if self._offset + count > self._limit:
            self._make_way(count, is_reserved=is_reserved)
        return self.segment

    def room(self) -> int:
        """Return the bytes that frames may take before the next segment is needed."""
        return self._file.size - self._offset

    def sync(self) -> None:
        """Return when all records survive the loss of power. Raises OSError, and again every time after that."""
        if self._failure is not None:
            raise self._failure
        try:
            for file, _, _ in self._unsynced:
                file.sync()
            self._file.sync()
        except OSError as error:
            self._failure = error
            raise
        self._forget_synced()

    def sync_behind(self) -> None:
        """Ask for the same without waiting for it."""
        self._forget_synced()
        self._file.sync_behind()

    @property
    def written(self) -> int:
        """Where the next record will stand, in bytes of the session's journal."""
        return self._position + self._offset

    @property
    def synced(self) -> int:
        """Up to where records are known to survive the loss of power, counted as ``written`` is."""
        self._forget_synced()
        if self._unsynced:
            file, position, _ = self._unsynced[0]
            return position + file.synced_end
        return self._position + self._file.synced_end

    def failure(self) -> OSError | None:
        """Return the first error of a sync, None if none failed."""
        if self._failure is None:
            found = (file.failure() for file in (*(one for one, _, _ in self._unsynced), self._file))
            self._failure = next((error for error in found if error is not None), None)
        return self._failure

    @property
    def is_full(self) -> bool:
        """Whether no next segment could be made, so that entries have to stop."""
        return self._blocked is not None

    def try_again(self) -> bool:
        """Try to make the next segment after it failed; return whether there is room again."""
        if self._blocked is not None:
            self._blocked = None
            self._secure_next(0)
        return self._blocked is None

    @property
    def reserve_left(self) -> float:
        """The share of the reserve that is not used, 1 while there is a next segment or none is needed yet."""
        size = self._file.size
        return 1.0 if self._blocked is None else min(1.0, (size - self._offset) / self._sizes.reserve_of(size))

    def lack_of_room(self, need: int = ROOM_BYTES) -> OSError | None:
        """Ask the disk for room and return what is wrong with it, None for nothing; a journal that was full goes on.

        A full journal needs its next segment; before that, ``need`` bytes of what a session writes beside it.
        """
        if self._blocked is not None:
            need = max(need, self._sizes.of(self.segment + 1))
        try:
            self._disk.check_room(self._folder, need)
        except OSError as error:
            return error
        self.try_again()
        return self._blocked

    def close(self) -> None:
        """Close the files after a sync. Raises OSError of the sync, with the files released."""
        try:
            self.sync()
        finally:
            for file, _, _ in self._unsynced:
                file.close()
            self._unsynced.clear()
            self._file.close()
            if self._next is not None:
                self._next.close()
            self._lock.release()

    @contextlib.contextmanager
    def _released_on_failure(self) -> Iterator[None]:
        """Free the lock if the journal cannot be opened."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._lock.release)
            yield
            stack.pop_all()

    # Frames

    def _write(self, frames: bytes, crc: int) -> None:
        self._file.write(self._offset, frames)
        self._offset += len(frames)
        self._crc = crc
        self._chain.update(frames)

    def _write_chain(self) -> None:
        """Write what has been hashed, if there is room; the header of the next segment says it otherwise."""
        if self._offset + padded(CHAIN_BYTES) > self._limit:
            self._to_chain = CHAIN_RECORDS
            return
        digest, length = self._chain.digest(), CHAIN_BYTES + 4
        self._chain = hashlib.blake2b(digest, digest_size=CHAIN_BYTES)
        body = b"".join((_pack_body(RecordKind.CHAIN, 0, self._lag(0)), digest, _PADDING[-length & 7]))
        crc = crc32(body, self._crc ^ length)
        self._write(_pack_head(length, crc) + body, crc)
        self._to_chain = CHAIN_RECORDS

    def _write_epoch(self) -> None:
        said = {"epoch": self.epoch, "session": self.session, "layout": facts.LAYOUT_TEXT}
        self.append(RecordKind.EPOCH, json.dumps(said).encode(), is_reserved=True)
        self.sync()

    def _lag(self, count: int) -> int:
        """Return how much is not known to be synced after ``count`` more bytes, in units of 64 bytes, rounded up.

        Of a batch every frame says what the last one would: more than it has to, and so never too little.
        """
        end = self._offset + count
        if self._unsynced:
            file, position, last = self._unsynced[0]
            end += self._position - position - min(file.synced_end, last)
        else:
            end -= self._file.synced_end
        return 0 if end < 0 else min((end + LAG_BYTES - 1) // LAG_BYTES, LAG_UNKNOWN)

    # Segments

    def _make_way(self, count: int, *, is_reserved: bool) -> None:
        """Make room for a write of ``count`` bytes that passes the limit up to which nothing has to be looked at."""
        size = self._file.size
        entry_limit = size - self._sizes.reserve_of(size)
        end = self._offset + count
        if not self._is_preparing and self._next is None and self._blocked is None:
            self._is_preparing = True
            number = self.segment + 1
            self._disk.prepare(f"{self._folder}/{segment_name(number)}", self._sizes.of(number))
        if end <= entry_limit:
            self._limit = entry_limit
            return
        if self._next is None and self._blocked is None:
            self._secure_next(count)
        if self._next is not None:
            self._limit = size
            if end > size:
                self._begin_segment(self._chain.digest(), count)
        elif end > size or not is_reserved:
            raise JournalFull(*self._why()) from self._blocked

    def _why(self) -> tuple[int, str]:
        error = self._blocked
        assert error is not None
        return error.errno or 0, f"no room in segment {self.segment}, and no next one: {error.strerror or error}"

    def _secure_next(self, count: int) -> None:
        """Take the next segment, which has been prepared; remember why it cannot be made."""
        number = self.segment + 1
        path = f"{self._folder}/{segment_name(number)}"
        size = max(self._sizes.of(number), HEADER_BYTES + 2 * count)
        try:
            self._next = _made(self._disk, path, -(-size // _PAGE_BYTES) * _PAGE_BYTES)
        except OSError as error:
            self._blocked = error
        self._is_preparing = False

    def _begin_segment(self, chain: bytes, count: int = 0) -> None:
        """Begin the next segment, large enough for ``count`` bytes."""
        assert self._next is not None
        if self._next.size < HEADER_BYTES + count:
            self._replace_next(count)
        if self.segment:
            self._file.sync_behind()
            self._unsynced.append((self._file, self._position, self._offset))
            self._position += self._size
        self.segment += 1
        self._file, self._next = self._next, None
        self._size = self._file.size
        header = Header(
            self.segment, self.epoch, self.seq, self._position, self._size, self.session, facts.LAYOUT, chain
        ).packed()
        self._file.write(0, header)
        self._offset, self._crc, self._to_chain = len(header), header_crc(header), CHAIN_RECORDS
        self._chain = hashlib.blake2b(header, digest_size=CHAIN_BYTES)
        self._limit = self._file.size // 2

    def _replace_next(self, count: int) -> None:
        """Make the next segment anew, larger; it was prepared before a record of this size was known."""
        assert self._next is not None
        path = f"{self._folder}/{segment_name(self.segment + 1)}"
        self._next.close()
        self._next = None
        self._disk.remove(path)
        self._secure_next(count)
        if self._next is None:
            raise JournalFull(*self._why()) from self._blocked

    def _forget_synced(self) -> None:
        """Close the segments before that are synced by now."""
        while self._unsynced and self._unsynced[0][0].synced_end >= self._unsynced[0][2]:
            file, _, _ = self._unsynced.pop(0)
            file.close()

    # Opening

    def _take_over(self, scan: JournalScan, header: Header) -> None:
        """Open the segment in which a scan has ended, to go on there."""
        self.session, self.seq, self.segment = header.session, scan.seq, header.number
        # The process before may have left segments that the disk does not have yet; records say that they are synced.
        for number in range(first_left(self._disk, self._folder), header.number):
            before = self._disk.open(f"{self._folder}/{segment_name(number)}")
            before.sync()
            before.close()
        self._file = self._disk.open(f"{self._folder}/{scan.file}")
        self._size, self._position = header.size, header.position
        self._offset, self._crc = scan.offset, scan.crc
        self._chain, self._to_chain = scan.chain, max(1, CHAIN_RECORDS - scan.since_chain)
        self._limit = self._file.size // 2

    def _cut(self, scan: JournalScan) -> Cut | None:
        """Move a broken tail away, and say so in a record."""
        cut = cut_tail(self._disk, self._folder, scan, self._file)
        if cut is not None:
            self.append(RecordKind.CUT, json.dumps(cut.plain()).encode(), is_reserved=True)
            self.sync()
        return cut


def _expect_segments(disk: Disk, folder: str) -> None:
    """Raise FileNotFoundError where there is no journal, before a lock makes the folder."""
    if not segment_numbers(disk, folder):
        raise FileNotFoundError(f"{folder} holds no journal")


def _made(disk: Disk, path: str, size: int) -> File:
    """Return the next segment, which an earlier process may have prepared."""
    try:
        return disk.create(path, size)
    except FileExistsError:
        return disk.open(path)
