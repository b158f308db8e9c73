"""Old market facts out of a journal: what was decided and executed stays, and a base snapshot stands for the rest.

Theory of operation. A session saves a *base* each time it begins a segment. When the newest base that is old enough is
N, the segments that end before its record are *reduced*: beside ``000007.tlj`` comes ``000007.tlr``, with all records
but market facts, and then the segment goes. Segments go from the first one on, after all their reduced files are there;
so a crash in between leaves a journal that begins with some segment, has all that follow, and reduced files for all
that lack. A segment that lacks without one is corruption, as ever.

A base is no cache: a repetition begins with the first one at or after the first record that is left, and nothing makes
it again. So before segments go the journal gets a record SNAPSHOT with its seq and hash, in the chain like all others.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tightloop.core.domain.enums import EventKind
from tightloop.ports.disk import Disk
from tightloop.runtime.session.journal.layout import (
    HEADER_BYTES,
    JournalCorrupt,
    JournalRecord,
    RecordKind,
    reduced_name,
    segment_name,
)
from tightloop.runtime.session.journal.reading import events, first_seq
from tightloop.runtime.session.journal.reduced_segments import packed
from tightloop.runtime.session.journal.scan import segment_numbers
from tightloop.runtime.session.journal.snapshots import Snapshot, SnapshotDamaged, names, unpack

MARKET = frozenset(
    {
        0, EventKind.BAR_OPENED, EventKind.BAR_CLOSED, EventKind.TRADE, EventKind.QUOTE, EventKind.BOOK_LEVEL,
        EventKind.MARK_REPORTED,
    }
)  # fmt: skip
"""Kinds of facts that go, time that passed (0) among them."""
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Base:
    """A base snapshot. ``name``: of its file; ``digest``: of its bytes, hex."""

    name: str
    snapshot: Snapshot
    digest: str


def first_base(disk: Disk, folder: str, seq: int, session: str) -> Base:
    """Return the first base at or after a record, the first that is left. Raises JournalCorrupt if there is none."""
    why = "there is none"
    for name in sorted(names(disk, folder)):
        try:
            raw = disk.read(f"{folder}/{name}")
            found = unpack(raw)
        except (SnapshotDamaged, OSError) as error:
            why = f"{name}: {error}"
            continue
        if found.seq >= seq and found.session == session:
            return Base(name, found, _digest(raw))
    text = f"records before {seq} were reduced, and the base snapshot that stands for them is missing; {why}"
    raise JournalCorrupt(folder, 0, text)


def proved(base: Base, found: Iterator[tuple[JournalRecord, bytes]]) -> Iterator[tuple[JournalRecord, bytes]]:
    """Yield the same; raises JournalCorrupt where the journal says that the base was another."""
    for record, event in found:
        if record.kind == RecordKind.SNAPSHOT:
            said = json.loads(record.payload)
            if int(said["seq"]) == base.snapshot.seq and said["digest"] != base.digest:
                text = f"the base snapshot of record {base.snapshot.seq} is not the one that was written"
                raise JournalCorrupt(record.file, record.offset, text)
        yield record, event


def old_segments(disk: Disk, folder: str, seq: int, current: int) -> list[int]:
    """Return the segments that end before a record. ``current``: the segment that is being written."""
    begun = [number for number in segment_numbers(disk, folder) if number <= current]
    return [number for number, later in itertools.pairwise(begun) if first_seq(disk, folder, later) <= seq]


def base_record(disk: Disk, bases: str, name: str) -> bytes:
    """Return the payload of the record SNAPSHOT that has to be in the journal, synced, before segments go."""
    raw = disk.read(f"{bases}/{name}")
    found = unpack(raw)
    last_ns = int(json.loads(found.parts["said"])["last_ns"])
    return json.dumps({"seq": found.seq, "digest": _digest(raw), "base": name, "last_ns": last_ns}).encode()


def reduce_segments(disk: Disk, folder: str, numbers: Sequence[int], bases: str, name: str) -> None:
    """Reduce segments, the first that are left, to what is no market fact; older bases than ``name`` go with them."""
    for number in numbers:
        disk.replace(f"{folder}/{reduced_name(number)}", _reduced(disk, folder, number))
    for number in numbers:
        disk.remove(f"{folder}/{segment_name(number)}")
    for older in names(disk, bases):
        if older < name:
            disk.remove(f"{bases}/{older}")


def _reduced(disk: Disk, folder: str, number: int) -> bytes:
    """Return the bytes of a reduced segment."""
    file, begin, kept = segment_name(number), first_seq(disk, folder, number), []
    for record, event in events(disk, folder, begin):
        if record.file != file:
            break
        if record.kind != RecordKind.FACT or int.from_bytes(event[:8], "little") not in MARKET:
            kept.append((record, event))
    return packed(disk.read(f"{folder}/{file}")[:HEADER_BYTES], kept)


def _digest(raw: bytes) -> str:
    return hashlib.blake2b(raw, digest_size=_DIGEST_BYTES).hexdigest()
