"""States of a session as files, so that recovery need not begin at the first record.

A snapshot is made after the record ``seq - 1`` and before ``seq``: recovery takes the newest one that is sound and
reads the journal from its ``seq``. It has named parts (State, arena, desk, what strategies in Python saved), each
compressed and with a hash. Snapshots are caches: without them the journal gives the same state.

    file    8s magic, u32 bytes of the head, 32s blake2b of the head; head: JSON; the parts, zlib, one after the other
    head    session, seq, layouts of the parts that have one; name, bytes and blake2b of each part as it is in the file
"""

import hashlib
import json
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tightloop.ports.disk import Disk

MAGIC = b"TLSNAP\r\n"
KEPT = 2
COMPRESSION = 1  # a State is mostly zeros; more costs time and saves little
_HEAD = struct.Struct("<8sI32s")
_NAME = re.compile(r"(\d{12})\.tls")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state before record ``seq``. ``layouts``: of a part, what its bytes are laid out as, when that may change."""

    session: str
    seq: int
    parts: Mapping[str, bytes]
    layouts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundSnapshot:
    """What ``load`` found. ``snapshot``: None if none was usable. ``refused``: file and reason of the others."""

    snapshot: Snapshot | None
    refused: tuple[tuple[str, str], ...]


class SnapshotDamaged(ValueError):
    """A file that is no snapshot, or not the one that was written."""


def save(disk: Disk, folder: str, snapshot: Snapshot, kept: int = KEPT) -> str:
    """Write a snapshot, synced; remove all but the ``kept`` newest; return the file's name. Raises OSError.

    The journal up to its ``seq`` has to be synced before: a snapshot must not know more than the journal.
    """
    packed = {name: zlib.compress(part, COMPRESSION) for name, part in snapshot.parts.items()}
    head = json.dumps(
        {
            "session": snapshot.session,
            "seq": snapshot.seq,
            "layouts": dict(snapshot.layouts),
            "parts": [[name, len(packed[name]), _hash(packed[name]).hex()] for name in packed],
        }
    ).encode()
    name = f"{snapshot.seq:012d}.tls"
    begin = _HEAD.pack(MAGIC, len(head), _hash(head)) + head
    disk.replace(f"{folder}/{name}", b"".join((begin, *packed.values())))
    for older in names(disk, folder)[kept:]:
        disk.remove(f"{folder}/{older}")
    return name


def load(
    disk: Disk, folder: str, *, session: str, seq_max: int, layouts: Mapping[str, str] | None = None
) -> FoundSnapshot:
    """Return the newest snapshot that is sound, of this session, of these layouts, and not above ``seq_max``.

    ``seq_max``: seq of the journal's next record. A snapshot above it knows records that were lost with power.
    """
    refused = []
    for name in names(disk, folder):
        try:
            found = unpack(disk.read(f"{folder}/{name}"))
        except (SnapshotDamaged, OSError) as error:
            refused.append((name, str(error)))
            continue
        if reason := _refusal(found, session, seq_max, layouts or {}):
            refused.append((name, reason))
            continue
        return FoundSnapshot(found, tuple(refused))
    return FoundSnapshot(None, tuple(refused))


def names(disk: Disk, folder: str) -> list[str]:
    """Return the file names of the snapshots in a folder, the newest first."""
    return sorted((name for name in disk.names(folder) if _NAME.fullmatch(name)), reverse=True)


def damaged(disk: Disk, folder: str) -> list[tuple[str, str]]:
    """Return file name and reason of the snapshots in a folder that are not what was written."""
    found = []
    for name in names(disk, folder):
        try:
            unpack(disk.read(f"{folder}/{name}"))
        except (SnapshotDamaged, OSError) as error:
            found.append((name, str(error)))
    return found


def unpack(raw: bytes) -> Snapshot:
    """Return the snapshot in a file's bytes. Raises SnapshotDamaged."""
    if len(raw) < _HEAD.size:
        raise SnapshotDamaged(f"cut off after {len(raw)} bytes")
    magic, count, digest = _HEAD.unpack_from(raw)
    head = raw[_HEAD.size : _HEAD.size + count]
    if magic != MAGIC or _hash(head) != digest:
        raise SnapshotDamaged("the head is damaged")
    said = json.loads(head)
    parts, at = {}, _HEAD.size + count
    for name, size, digest in said["parts"]:
        part = raw[at : at + size]
        if len(part) != size or _hash(part).hex() != digest:
            raise SnapshotDamaged(f"part {name} is damaged")
        parts[name] = zlib.decompress(part)
        at += size
    if at != len(raw):
        raise SnapshotDamaged(f"{len(raw) - at} bytes after the last part")
    return Snapshot(said["session"], said["seq"], parts, said["layouts"])


def _refusal(found: Snapshot, session: str, seq_max: int, layouts: Mapping[str, str]) -> str:
    """Return why a sound snapshot is not usable; "" if it is."""
    if found.session != session:
        return f"of session {found.session}"
    if found.seq > seq_max:
        return f"made before record {found.seq}; the journal ends before {seq_max}"
    differing = [name for name, layout in layouts.items() if dict(found.layouts).get(name) != layout]
    return f"another layout of {', '.join(differing)}" if differing else ""


def _hash(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=32).digest()
