"""What is left of reduced segments: all records but market facts, in the files ``000007.tlr``.

    file    32s blake2b of what follows; zlib of: header of the segment (144 bytes), then of each record u64 seq, u8
            kind, u8 flags, u16 0, u32 bytes, payload; of a fact its EVENT, because the codec needs the facts that went

Who reads a journal whole reads these first. Their seqs have holes where facts went.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence

from tightloop.ports.disk import Disk
from tightloop.runtime.session.journal.layout import (
    HEADER_BYTES,
    Header,
    JournalCorrupt,
    JournalRecord,
    RecordKind,
    reduced_name,
    segment_name,
    unpack_header,
)
from tightloop.runtime.session.journal.reading import events
from tightloop.runtime.session.journal.scan import first_left

_RECORD = struct.Struct("<QBBHI")
_DIGEST_BYTES = 32


def packed(header: bytes, records: Sequence[tuple[JournalRecord, bytes]]) -> bytes:
    """Return the bytes of a reduced segment. ``header``: of the segment; each record comes with its EVENT."""
    parts = [header]
    for record, event in records:
        payload = event if record.kind == RecordKind.FACT else record.payload
        parts += (_RECORD.pack(record.seq, record.kind, record.flags, 0, len(payload)), payload)
    raw = zlib.compress(b"".join(parts))
    return hashlib.blake2b(raw, digest_size=_DIGEST_BYTES).digest() + raw


def reduced_names(disk: Disk, folder: str) -> list[str]:
    """Return the files of all segments that were reduced; a segment that is still there counts, its file does not."""
    return [reduced_name(number) for number in range(1, first_left(disk, folder))]


def reduced_events(disk: Disk, folder: str, names: Sequence[str] = ()) -> Iterator[tuple[JournalRecord, bytes]]:
    """Yield the records of reduced segments (none named: of all), each with its EVENT (b"": it is no fact).

    ``offset`` is the place in what was compressed. Raises JournalCorrupt.
    """
    for name in names or reduced_names(disk, folder):
        yield from _records_of(disk, folder, name)


def whole_events(disk: Disk, folder: str) -> Iterator[tuple[JournalRecord, bytes]]:
    """Yield all records that there are, those of reduced segments first. Raises JournalCorrupt, LayoutDiffers."""
    yield from reduced_events(disk, folder)
    yield from events(disk, folder)


def _records_of(disk: Disk, folder: str, name: str) -> Iterator[tuple[JournalRecord, bytes]]:
    plain, header = _plain(disk, folder, name)
    at, seq = HEADER_BYTES, header.first_seq - 1
    while at < len(plain):
        before, begin = seq, at
        try:
            seq, kind, flags, _, count = _RECORD.unpack_from(plain, at)
        except struct.error:
            raise JournalCorrupt(name, 0, "the reduced segment ends within a record") from None
        at += _RECORD.size
        payload = plain[at : at + count]
        if len(payload) < count or seq <= before:
            raise JournalCorrupt(name, 0, f"the reduced segment has no whole record after record {before}")
        yield JournalRecord(seq, kind, flags, payload, name, begin), payload if kind == RecordKind.FACT else b""
        at += count


def _plain(disk: Disk, folder: str, name: str) -> tuple[bytes, Header]:
    """Return what was compressed, and the header of the segment. Raises JournalCorrupt."""
    raw = disk.read(f"{folder}/{name}")
    if hashlib.blake2b(raw[_DIGEST_BYTES:], digest_size=_DIGEST_BYTES).digest() != raw[:_DIGEST_BYTES]:
        raise JournalCorrupt(name, 0, "the reduced segment is damaged: its digest differs")
    plain = zlib.decompress(raw[_DIGEST_BYTES:])
    header = unpack_header(plain[:HEADER_BYTES])
    if not isinstance(header, Header):
        raise JournalCorrupt(name, 0, header)
    if reduced_name(header.number) != name:
        raise JournalCorrupt(name, 0, f"the reduced segment is of {segment_name(header.number)}")
    return plain, header
