"""Whether a journal is sound: every byte of it, those of reduced segments among them."""

import json
from dataclasses import dataclass

from tightloop.ports.disk import Disk
from tightloop.runtime.session.journal.cutting import Cut
from tightloop.runtime.session.journal.layout import JournalCorrupt, JournalRecord, RecordKind
from tightloop.runtime.session.journal.reduced_segments import reduced_events
from tightloop.runtime.session.journal.scan import FaultKind, JournalFault, JournalScan, segment_numbers


@dataclass(frozen=True, slots=True)
class JournalVerdict:
    """What a look at all of a journal found. ``fault``: None if it is sound; ``cuts``: tails that were cut before.

    ``reduced_count``: records of segments without their market facts; ``record_count``: of the others.
    """

    session: str
    segment_count: int
    record_count: int
    epoch: int
    reduced_count: int
    fault: JournalFault | None
    cuts: tuple[Cut, ...]

    @property
    def is_sound(self) -> bool:
        """Whether every byte is what it was written as."""
        return self.fault is None


def check(disk: Disk, folder: str) -> JournalVerdict:
    """Look at every byte of a journal. FileNotFoundError if there is none."""
    scan = JournalScan(disk, folder)
    numbers = segment_numbers(disk, folder)
    if not numbers:
        raise FileNotFoundError(f"{folder} holds no journal")
    reduced_count, count, epoch, fault = 0, 0, 0, None
    cuts: list[Cut] = []
    try:
        for record, _ in reduced_events(disk, folder):
            reduced_count += 1
            epoch = _noted(record, epoch, cuts)
    except JournalCorrupt as error:
        fault = JournalFault(FaultKind.CORRUPT, error.file, error.offset, error.text)
    for record in scan:
        count += 1
        epoch = _noted(record, epoch, cuts)
    session = "" if scan.header is None else scan.header.session
    begun = 0 if scan.header is None else scan.header.number
    return JournalVerdict(session, begun, count, epoch, reduced_count, fault or scan.fault, tuple(cuts))


def _noted(record: JournalRecord, epoch: int, cuts: list[Cut]) -> int:
    """Append the cut that a record tells of; return the epoch it begins, or the one that goes on."""
    if record.kind == RecordKind.EPOCH:
        return int(json.loads(record.payload)["epoch"])
    if record.kind == RecordKind.CUT:
        said = json.loads(record.payload)
        cuts.append(Cut(**{**said, "moved_to": tuple(said["moved_to"])}))
    return epoch
