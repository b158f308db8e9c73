"""Reading a journal: its records and its events."""

import json
from collections.abc import Iterator

from tightloop.ports.disk import Disk
from tightloop.runtime.session.journal.facts import FactDecoder, check_layout
from tightloop.runtime.session.journal.layout import (
    HEADER_BYTES,
    Header,
    JournalCorrupt,
    JournalRecord,
    RecordKind,
    segment_name,
    unpack_header,
)
from tightloop.runtime.session.journal.scan import FaultKind, JournalFault, JournalScan, first_left, segment_numbers

_FACT, _EPOCH = int(RecordKind.FACT), int(RecordKind.EPOCH)


def records(disk: Disk, folder: str, from_seq: int = 0) -> Iterator[JournalRecord]:
    """Yield the records from ``from_seq`` on; a broken tail is the end. Raises JournalCorrupt where it is met."""
    scan = JournalScan(disk, folder, first_number(disk, folder, from_seq))
    for record in scan:
        if record.seq >= from_seq:
            yield record
    _refuse(scan.fault)


def events(disk: Disk, folder: str, from_seq: int = 0) -> Iterator[tuple[JournalRecord, bytes]]:
    """Yield the same, each with the bytes of its EVENT; b"" of records that are no facts.

    Raises JournalCorrupt, and LayoutDiffers for facts of other fields.
    """
    scan, decoder = JournalScan(disk, folder, first_number(disk, folder, from_seq)), FactDecoder()
    text, checked = "", None
    for record in scan:
        event, kind = b"", record.kind
        if kind == _FACT:
            if scan.header is not checked:
                assert scan.header is not None
                check_layout(scan.header.layout, text)
                checked = scan.header
            event = decoder.decode(record.payload)
        elif kind == _EPOCH:
            text = json.loads(record.payload)["layout"]
        if record.seq >= from_seq:
            yield record, event
    _refuse(scan.fault)


def _refuse(fault: JournalFault | None) -> None:
    if fault is not None and fault.kind is FaultKind.CORRUPT:
        raise JournalCorrupt(fault.file, fault.offset, fault.text)


def first_number(disk: Disk, folder: str, from_seq: int) -> int:
    """Return the last segment that begins at or before a record; the first one when a header cannot be read."""
    first = first_left(disk, folder)
    for number in segment_numbers(disk, folder) if from_seq else ():
        file = disk.open(f"{folder}/{segment_name(number)}")
        header = unpack_header(file.read(0, HEADER_BYTES))
        file.close()
        if not isinstance(header, Header) or header.first_seq > from_seq:
            break
        first = number
    return first


def first_seq(disk: Disk, folder: str, number: int = 0) -> int:
    """Return the seq of the first record of a segment (0: of the first that is left). Raises JournalCorrupt."""
    name = segment_name(number or first_left(disk, folder))
    try:
        file = disk.open(f"{folder}/{name}")
    except FileNotFoundError:
        return 0
    header = unpack_header(file.read(0, HEADER_BYTES))
    file.close()
    if not isinstance(header, Header):
        raise JournalCorrupt(name, 0, header)
    return header.first_seq
