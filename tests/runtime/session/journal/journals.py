"""Journals for tests: small segments on a simulated disk, with known payloads."""

import random

from runtime.session.simulated_disk import SimulatedDisk
from tightloop.runtime.session.journal import Journal, RecordKind, SegmentSizes, records

FOLDER = "sessions/s1/journal"
SIZES = SegmentSizes(4_096, 16_384, 1_024)
KINDS = [kind for kind in RecordKind if kind is not RecordKind.CHAIN]


def written(seed=1, count=400, sync_each=10, disk=None, bytes_max=120):
    """A closed journal of random records; (disk, payloads by seq, the one of EPOCH left out)."""
    disk = disk or SimulatedDisk()
    rng = random.Random(seed)
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    payloads = [None]
    for number in range(count):
        payload = rng.randbytes(rng.randint(0, bytes_max))
        assert journal.append(rng.choice(KINDS[:6]), payload) == len(payloads)
        payloads.append(payload)
        if sync_each and number % sync_each == 0:
            journal.sync_behind()
    journal.close()
    return disk, payloads


def read(disk, from_seq=0):
    """Payloads by seq of what can be read."""
    return {record.seq: record.payload for record in records(disk, FOLDER, from_seq)}


def spans(disk):
    """(file, first byte, byte after the last) of every header and record."""
    found = [(name, 0, 144) for name in disk.names(FOLDER) if name.endswith(".tlj")]
    for record in records(disk, FOLDER):
        end = record.offset + (len(record.payload) + 12 + 7 & ~7)
        found.append((record.file, record.offset, end))
    return found
