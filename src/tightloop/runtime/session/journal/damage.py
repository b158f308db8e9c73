"""Whether anything valid follows a damaged place, and whether a loss of power explains the damage.

A frame can be checked by the crc before it alone. So what follows a bad frame at ``o`` is found by three guesses for
each place where a frame could stand: its crc goes on from the one stored at ``o`` (payload or length of ``o`` are
damaged), from the one computed at ``o`` (its crc is damaged), or from that of another possible frame just before it.
A single changed bit is found by one of the first two whenever one record follows.

A loss of power may lose any sector that was not synced, while later ones are kept: then the lost sector is as it was,
zeros to its end, and no record after it says that it was synced. A changed bit leaves no such sector.
"""

import zlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from tightloop.runtime.session.journal.layout import (
    FRAME,
    FRAME_BYTES,
    FRAMES_BYTES_MAX,
    HEADER_BYTES,
    LAG_BYTES,
    LAG_UNKNOWN,
    RecordKind,
    header_crc,
)

SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class Follower:
    """The first valid frame after a place. ``synced_end``: up to where frames from it on say that all was synced.

    Both count from the beginning of the file; ``synced_end`` may be below 0, which is in the segments before.
    """

    offset: int
    synced_end: int | None


def valid_after(raw: bytes, offset: int, crc: int) -> Follower | None:
    """Return the first valid frame after the bad one (at 0: the bad header) at ``offset``; None if there is none.

    ``crc``: of the frame before ``offset``.
    """
    first: Follower | None = None
    while (found := _next_valid(raw, offset, crc)) is not None:
        synced, offset, crc = _walk(raw, *found)
        if first is None:
            first = Follower(found[0], synced)
        else:
            first = Follower(first.offset, _later(first.synced_end, synced))
    return first


def claims(raw: bytes) -> int | None:
    """Return up to where the frames of a segment with a sound header say that all was synced; None: not said."""
    synced, offset, crc = _walk(raw, HEADER_BYTES, header_crc(raw))
    rest = valid_after(raw, offset, crc)
    return synced if rest is None else _later(synced, rest.synced_end)


def has_lost_sector(raw: bytes, offset: int, reach: int) -> bool:
    """Return whether a sector in [offset, reach) is zeros to its end, as one that was never written."""
    for sector in range(offset // SECTOR_BYTES * SECTOR_BYTES, reach, SECTOR_BYTES):
        begin, end = max(offset, sector), sector + SECTOR_BYTES
        if end <= reach and raw.count(0, begin, end) == end - begin:
            return True
    return False


def _later(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else max(one, other)


def _next_valid(raw: bytes, offset: int, crc: int) -> tuple[int, int] | None:
    """Return place and previous crc of the first valid frame after a bad one; None if there is none."""
    view = memoryview(raw)
    before, begin = _crcs_of(view, offset, crc)
    ends: dict[int, set[int]] = defaultdict(set)
    for place in _possible(raw, begin):
        length, stored, _, _, _ = FRAME.unpack_from(raw, place)
        end = place + ((8 + length + 7) & ~7)
        for previous in before | ends.pop(place, set()):
            if zlib.crc32(view[place + 8 : end], previous ^ length) == stored:
                return place, previous
        ends[end].add(stored)
    return None


def _crcs_of(view: memoryview, offset: int, crc: int) -> tuple[set[int], int]:
    """Return the crcs that the frame after a bad one may go on from, and where the first frame can stand."""
    if offset == 0:
        if len(view) < HEADER_BYTES:
            return set(), HEADER_BYTES
        return {header_crc(view), zlib.crc32(view[: HEADER_BYTES - 4])}, HEADER_BYTES
    if offset + FRAME_BYTES > len(view):
        return set(), len(view)
    length, stored, _, _, _ = FRAME.unpack_from(view, offset)
    end = offset + ((8 + length + 7) & ~7)
    found = {stored}
    if length >= 4 and end <= len(view):
        found.add(zlib.crc32(view[offset + 8 : end], crc ^ length))
    return found, offset + ((FRAME_BYTES + 7) & ~7)


def _possible(raw: bytes, begin: int) -> list[int]:
    """Return the places from ``begin`` on whose length and kind could be those of a frame."""
    count = (len(raw) - begin) // 8
    if count < 2:
        return []
    words = np.frombuffer(raw, "<u4", count * 2, begin).reshape(count, 2)
    lengths, kinds = words[:-1, 0], words[1:, 0] & 0xFF
    left = (count - np.arange(count - 1)) * 8 - 8
    is_kind = (kinds >= 1) & (kinds <= max(RecordKind))
    fits = (lengths >= 4) & (lengths <= left) & (lengths <= FRAMES_BYTES_MAX) & is_kind
    return [begin + 8 * int(place) for place in np.flatnonzero(fits)]


def _walk(raw: bytes, offset: int, crc: int) -> tuple[int | None, int, int]:
    """Follow valid frames; return what they say was synced, and place and crc at the first that is not valid."""
    view = memoryview(raw)
    synced: int | None = None
    while offset + FRAME_BYTES <= len(raw):
        length, stored, _, _, lag = FRAME.unpack_from(raw, offset)
        end = offset + ((8 + length + 7) & ~7)
        if length < 4 or end > len(raw) or zlib.crc32(view[offset + 8 : end], crc ^ length) != stored:
            break
        if lag != LAG_UNKNOWN:
            synced = _later(synced, offset - lag * LAG_BYTES)
        offset, crc = end, stored
    return synced, offset, crc
