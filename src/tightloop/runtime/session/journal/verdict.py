"""Whether a journal is sound: every byte of its segments, of what is left of reduced ones, and of snapshots."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tightloop.ports.disk import Disk
from tightloop.runtime.session.journal import snapshots
from tightloop.runtime.session.journal.cutting import Cut
from tightloop.runtime.session.journal.layout import JournalCorrupt, RecordKind
from tightloop.runtime.session.journal.reducing import first_base, reduced_records
from tightloop.runtime.session.journal.scan import FaultKind, JournalFault, JournalScan, segment_numbers


@dataclass(frozen=True, slots=True)
class Beside:
    """Folders beside a journal. ``bases``: what stands for reduced segments; ``caches``: snapshots to begin from."""

    bases: str
    caches: str


@dataclass(frozen=True, slots=True)
class JournalVerdict:
    """What a look at all of a journal found. ``fault``: None if it is sound; ``cuts``: tails that were cut before.

    ``damaged``: path and reason of snapshots that are not needed, because another one or the journal gives the same.
    """

    session: str
    segment_count: int
    record_count: int
    epoch: int
    fault: JournalFault | None
    cuts: tuple[Cut, ...]
    damaged: tuple[tuple[str, str], ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether every byte is what it was written as."""
        return self.fault is None


def check(disk: Disk, folder: str, beside: Beside | None = None) -> JournalVerdict:
    """Look at every byte of a journal, and of what lies beside it if that is named.

    FileNotFoundError if there is none.
    """
    scan = JournalScan(disk, folder)
    numbers = segment_numbers(disk, folder)
    if not numbers:
        raise FileNotFoundError(f"{folder} holds no journal")
    begun, count, epoch, cuts, told = 0, 0, 0, [], []
    for record in scan:
        begun = record.seq if not count else begun
        count += 1
        if record.kind == RecordKind.EPOCH:
            epoch = int(json.loads(record.payload)["epoch"])
        elif record.kind == RecordKind.CUT:
            said = json.loads(record.payload)
            cuts.append(Cut(**{**said, "moved_to": tuple(said["moved_to"])}))
        elif record.kind == RecordKind.SNAPSHOT:
            told.append(record.payload)
    session = "" if scan.header is None else scan.header.session
    last = 0 if scan.header is None else scan.header.number
    fault, damaged = scan.fault, ()
    if beside is not None:
        fault = fault or _fault_before(disk, folder, beside.bases, begun, session, told)
        damaged = tuple(
            (f"{place}/{name}", text)
            for place in (beside.caches, beside.bases)
            for name, text in snapshots.damaged(disk, place)
            if fault is None or fault.file != name
        )
    return JournalVerdict(session, last, count, epoch, fault, tuple(cuts), damaged)


def _fault_before(
    disk: Disk, folder: str, bases: str, begun: int, session: str, told: Sequence[bytes]
) -> JournalFault | None:
    """Return what is wrong with what is left of the records before ``begun``.

    ``told``: payloads of SNAPSHOT records, which say what the bases are.
    """
    try:
        for _ in reduced_records(disk, folder):
            pass
        if begun:
            base = first_base(disk, bases, begun, session)
            digests = {int(said["seq"]): str(said["digest"]) for said in map(json.loads, told)}
            if digests.get(base.snapshot.seq, base.digest) != base.digest:
                raise JournalCorrupt(base.name, 0, "the base snapshot is not the one that was written")
    except JournalCorrupt as found:
        return JournalFault(FaultKind.CORRUPT, found.file, found.offset, found.text)
    return None
