"""The bytes of a journal: names and headers of segments, frames of records, and what can be wrong with them.

A segment is a file of fixed size, made of zeros. It begins with a header of 144 bytes and goes on with frames, each at
a multiple of 8; a length of 0 ends them and all that follows is 0. Integers are little-endian.

    header   8s magic, u16 version, u16 size of the header, u32 number of the segment, u32 epoch in which it was begun,
             u32 0, u64 first seq, u64 position of the segment in the session's stream of bytes, u64 size of the file,
             48s session, 8s layout of facts, 32s chain, u32 0, u32 crc32 of all before
    frame    u32 length of what follows the crc, without the padding (4 and more), u32 crc32 of what follows with the
             padding, begun from (crc of the frame before) ^ length; u8 kind, u8 flags, u16 lag, payload, zeros to a
             multiple of 8

The crc of the first frame goes on from that of the header, so no frame can be left out, repeated or taken from another
file. The *chain* is a blake2b of all bytes since the last chain, headers included; the header has that of the segment
before, and a frame of kind CHAIN repeats it each 4,096 records. Such frames have no seq and are not records.

*lag* says how much of the journal was known to be synced when the frame was written: all but the last ``lag`` times 64
bytes before it (65,535: not said). It tells a stretch that a loss of power may have emptied from one that it cannot.
"""

import re
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from tightloop.model.errors import TightloopError

MAGIC = b"TLJRNL\r\n"
VERSION = 1
HEADER_BYTES = 144
FRAME_BYTES = 12
FRAMES_BYTES_MAX = 16 * 2**20
SESSION_BYTES_MAX = 48
CHAIN_BYTES = 32
CHAIN_RECORDS = 4_096
CHAIN_START = bytes(CHAIN_BYTES)
LAG_BYTES = 64
LAG_UNKNOWN = 65_535
MIB = 2**20

HEADER = struct.Struct("<8sHHIIIQQQ48s8s32sI")
FRAME = struct.Struct("<IIBBH")
_CRC = struct.Struct("<I")
assert HEADER.size + _CRC.size == HEADER_BYTES
_NAME = re.compile(r"(\d{6})\.tlj")


class RecordKind(IntEnum):
    """What a record says. Values are part of the format."""

    FACT = 1  # an event, by the codec of facts.py
    ROWS = 2  # what the step wrote
    ASK = 3  # a request as it left: client id, encoded call without signature and keys
    ANSWER = 4  # the bytes of a private answer or frame
    TICKED = 5  # seq and state_hash, now and then
    SNAPSHOT = 6
    EPOCH = 7  # a process took the journal over; synced before anything is sent
    OPERATOR = 8
    POISON = 9  # a fact that failed in the step
    CUT = 10  # a broken end was moved away
    CHAIN = 11  # the journal's check of itself; it has no seq and is not a record


class JournalRecord(NamedTuple):
    """A record. ``seq``: its ordinal in the session, from 0. ``file``: the name of its segment.

    It is a tuple because a recovery makes millions of them.
    """

    seq: int
    kind: int
    flags: int
    payload: bytes
    file: str
    offset: int


@dataclass(frozen=True, slots=True)
class SegmentSizes:
    """Bytes of the segments: the first, doubling up to ``last``; ``reserve`` of each is kept for when no next one is.

    The reserve is at most a quarter of a segment.
    """

    first: int = 4 * MIB
    last: int = 64 * MIB
    reserve: int = 8 * MIB

    def of(self, number: int) -> int:
        """Return the size of a segment by its number, which counts from 1."""
        return min(self.first << min(number - 1, 40), max(self.first, self.last))

    def reserve_of(self, size: int) -> int:
        """Return the bytes at the end of a segment that only reserved records use when the disk is full."""
        return min(self.reserve, size // 4)


class JournalError(TightloopError):
    """A journal that cannot be used as it is."""

    exit_code = 1


class JournalCorrupt(JournalError):
    """Bytes that were written and synced, or that valid records follow, are not what they were."""

    def __init__(self, file: str, offset: int, text: str) -> None:
        super().__init__(f"{file} at byte {offset}: {text}")
        self.file = file
        self.offset = offset
        self.text = text


class LayoutDiffers(JournalError):
    """The facts of a journal have fields other than those of this version."""


class JournalFull(OSError):
    """There is no room for a record, because no next segment could be made; ``__cause__`` says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a segment; ``crc`` is that of its bytes, the first frame's crc goes on from it."""

    number: int
    epoch: int
    first_seq: int
    position: int
    size: int
    session: str
    layout: bytes
    chain: bytes

    def packed(self) -> bytes:
        """Return the header as bytes."""
        name = self.session.encode()
        assert 0 < len(name) <= SESSION_BYTES_MAX, f"a session's id has 1 to {SESSION_BYTES_MAX} bytes: {self.session}"
        head = HEADER.pack(
            MAGIC, VERSION, HEADER_BYTES, self.number, self.epoch, 0, self.first_seq, self.position, self.size,
            name, self.layout, self.chain, 0,
        )  # fmt: skip
        return head + _CRC.pack(zlib.crc32(head))


def unpack_header(raw: bytes | memoryview) -> Header | str:
    """Return the header at the beginning of a segment, or in words what is wrong with it."""
    if len(raw) < HEADER_BYTES:
        return f"the header is cut off after {len(raw)} bytes"
    head = bytes(raw[: HEADER.size])
    if header_crc(raw) != zlib.crc32(head):
        return "the header is damaged: its checksum differs"
    magic, version, size, number, epoch, _, first_seq, position, file_size, name, layout, chain, _ = HEADER.unpack(head)
    if magic != MAGIC:
        return "this is no segment of a journal"
    if version != VERSION or size != HEADER_BYTES:
        return f"the format has version {version}; this program reads version {VERSION}"
    return Header(number, epoch, first_seq, position, file_size, name.rstrip(b"\0").decode(), layout, chain)


def header_crc(raw: bytes | memoryview) -> int:
    """Return the crc that stands at the end of a header."""
    crc: int = _CRC.unpack_from(raw, HEADER.size)[0]
    return crc


def padded(count: int) -> int:
    """Return the bytes of a frame with its padding, from the bytes of its payload."""
    return (count + FRAME_BYTES + 7) & ~7


def segment_name(number: int) -> str:
    """Return the file name of a segment."""
    return f"{number:06d}.tlj"


def reduced_name(number: int) -> str:
    """Return the file name of what is left of a segment without its market facts."""
    return f"{number:06d}.tlr"


def segment_number(name: str) -> int | None:
    """Return the number of a segment by its file name; None for other files."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None
