"""Whether a journal is sound: every byte of it, those of reduced segments and of snapshots among them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tightloop.ports.disk import Disk
from tightloop.runtime.session.journal import snapshots
from tightloop.runtime.session.journal.cutting import Cut
from tightloop.runtime.session.journal.layout import JournalCorrupt, JournalRecord, RecordKind
from tightloop.runtime.session.journal.reduced_segments import reduced_events
from tightloop.runtime.session.journal.reducing import first_base
from tightloop.runtime.session.journal.scan import FaultKind, JournalFault, JournalScan, segment_numbers


@dataclass(frozen=True, slots=True)
class Beside:
    """Folders beside a journal. ``bases``: what stands for reduced segments; ``caches``: snapshots to begin from."""

    bases: str
    caches: str


@dataclass(frozen=True, slots=True)
class JournalVerdict:
    """What a look at all of a journal found. ``fault``: None if it is sound; ``cuts``: tails that were cut before.

    ``reduced_count``: records of segments without their market facts; ``record_count``: of the others.
    ``damaged``: path and reason of snapshots that are not needed, because another one or the journal gives the same.
    """

    session: str
    segment_count: int
    record_count: int
    epoch: int
    reduced_count: int
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
    reduced_count, count, epoch, fault = 0, 0, 0, None
    cuts: list[Cut] = []
    told: list[bytes] = []
    damaged: list[tuple[str, str]] = []
    begun_seq = 0
    try:
        for record, _ in reduced_events(disk, folder):
            reduced_count += 1
            epoch = _noted(record, epoch, cuts)
    except JournalCorrupt as error:
        fault = JournalFault(FaultKind.CORRUPT, error.file, error.offset, error.text)
    for record in scan:
        begun_seq = begun_seq if count else record.seq
        count += 1
        epoch = _noted(record, epoch, cuts)
        if record.kind == RecordKind.SNAPSHOT:
            told.append(record.payload)
    session = "" if scan.header is None else scan.header.session
    begun = 0 if scan.header is None else scan.header.number
    fault = fault or scan.fault
    if beside is not None:
        fault = fault or _base_fault(disk, beside.bases, begun_seq, session, told)
        for place in (beside.caches, beside.bases):
            damaged += ((f"{place}/{name}", text) for name, text in snapshots.damaged(disk, place))
    return JournalVerdict(session, begun, count, epoch, reduced_count, fault, tuple(cuts), tuple(damaged))


def _base_fault(disk: Disk, bases: str, begun_seq: int, session: str, told: Sequence[bytes]) -> JournalFault | None:
    """Return what is wrong with the base that stands for the facts before ``begun_seq``.

    ``told``: payloads of SNAPSHOT records, which say what the bases are.
    """
    if not begun_seq:
        return None
    try:
        base = first_base(disk, bases, begun_seq, session)
    except JournalCorrupt as found:
        return JournalFault(FaultKind.CORRUPT, found.file, found.offset, found.text)
    digests = {int(said["seq"]): str(said["digest"]) for said in map(json.loads, told)}
    if digests.get(base.snapshot.seq, base.digest) == base.digest:
        return None
    return JournalFault(FaultKind.CORRUPT, base.name, 0, "the base snapshot is not the one that was written")


def _noted(record: JournalRecord, epoch: int, cuts: list[Cut]) -> int:
    """Append the cut that a record tells of; return the epoch it begins, or the one that goes on."""
    if record.kind == RecordKind.EPOCH:
        return int(json.loads(record.payload)["epoch"])
    if record.kind == RecordKind.CUT:
        said = json.loads(record.payload)
        cuts.append(Cut(**{**said, "moved_to": tuple(said["moved_to"])}))
    return epoch
