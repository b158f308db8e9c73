"""Reading a journal: every changed bit is found by file and place, a broken end is told from corruption."""

import random
import zlib

import pytest

from runtime.session.journal.journals import FOLDER, SIZES, read, spans, written
from runtime.session.simulated_disk import SimulatedDisk
from tightloop.runtime.session.journal import (
    FaultKind,
    Journal,
    JournalCorrupt,
    RecordKind,
    check,
    events,
    layout,
    records,
)


def place_of(found, name, byte):
    """Where a fault at a byte is expected: the beginning of the frame around it, or the byte itself."""
    return next((begin for file, begin, end in found if file == name and begin <= byte < end), byte)


def segments(disk):
    return [name for name in disk.names(FOLDER) if name.endswith(".tlj")]


def test_records_come_back_as_they_were_written_from_any_seq_on():
    disk, payloads = written()
    assert len(segments(disk)) > 3
    found = list(records(disk, FOLDER))
    assert [record.seq for record in found] == list(range(len(payloads)))
    assert [record.payload for record in found[1:]] == payloads[1:]
    assert found[0].kind == RecordKind.EPOCH
    for seq in (1, 57, 200, len(payloads) - 1, len(payloads)):
        assert sorted(read(disk, seq)) == list(range(seq, len(payloads)))
    verdict = check(disk, FOLDER)
    assert verdict.is_sound
    assert (verdict.session, verdict.record_count, verdict.epoch, verdict.cuts) == ("s1", len(payloads), 1, ())


def test_a_thousand_changed_bits_are_all_found_by_file_and_place():
    disk, _ = written()
    found = spans(disk)
    rng = random.Random(7)
    used = sum(end - begin for _, begin, end in found)
    for _ in range(1_000):
        if rng.random() < 0.8:  # in what was written; the others anywhere, in the zeros after it too
            at = rng.randrange(used)
            for name, begin, end in found:  # noqa: B007 the loop ends at the span that holds the byte
                if at < end - begin:
                    break
                at -= end - begin
            byte = begin + at
        else:
            name = rng.choice(segments(disk))
            byte = rng.randrange(len(disk.read(f"{FOLDER}/{name}")))
        bit = byte * 8 + rng.randrange(8)
        disk.flip(f"{FOLDER}/{name}", bit)
        fault = check(disk, FOLDER).fault
        assert fault is not None, (name, bit)
        assert (fault.file, fault.offset) == (name, place_of(found, name, byte)), (bit, fault)
        disk.flip(f"{FOLDER}/{name}", bit)
    assert check(disk, FOLDER).is_sound


def test_a_changed_bit_before_other_records_is_corruption_however_little_was_synced():
    for sync_each in (0, 1, 10):
        disk, payloads = written(count=60, sync_each=sync_each)
        rng = random.Random(3)
        all_spans = spans(disk)
        for name, begin, end in all_spans[:-1]:
            if name == segments(disk)[-1] and begin == 0:
                continue  # the header of a segment that was only prepared
            bit = rng.randrange(begin * 8, end * 8)
            disk.flip(f"{FOLDER}/{name}", bit)
            fault = check(disk, FOLDER).fault
            assert (fault.kind, fault.file, fault.offset) == (FaultKind.CORRUPT, name, begin), bit
            with pytest.raises(JournalCorrupt, match=f"{name} at byte {begin}:"):
                Journal.open(disk, FOLDER, sizes=SIZES)
            with pytest.raises(JournalCorrupt):
                list(records(disk, FOLDER))
            disk.flip(f"{FOLDER}/{name}", bit)
        assert sorted(read(disk)) == list(range(len(payloads)))


def test_a_changed_checksum_before_one_other_record_is_corruption():
    disk, _ = written(count=3, sync_each=0)
    for name, begin, _ in spans(disk)[1:-1]:
        for bit in range(32):
            disk.flip(f"{FOLDER}/{name}", begin * 8 + 32 + bit)
            fault = check(disk, FOLDER).fault
            assert (fault.kind, fault.offset) == (FaultKind.CORRUPT, begin) or begin == 0, bit
            disk.flip(f"{FOLDER}/{name}", begin * 8 + 32 + bit)


def test_a_forged_record_with_right_checksums_breaks_the_chain():
    disk, _ = written(sync_each=5)
    raw = bytearray(disk.read(f"{FOLDER}/000001.tlj"))
    crc = layout.header_crc(raw)
    for record in list(records(disk, FOLDER)):
        if record.file == "000001.tlj":
            at, length = record.offset, len(record.payload) + 4
            end = at + (8 + length + 7 & ~7)
            if record.seq == 3:
                raw[at + 12] ^= 255
            crc = zlib.crc32(raw[at + 8 : end], crc ^ length)
            raw[at + 4 : at + 8] = crc.to_bytes(4, "little")
    disk.replace(f"{FOLDER}/000001.tlj", bytes(raw))
    fault = check(disk, FOLDER).fault
    assert (fault.kind, fault.file) == (FaultKind.CORRUPT, "000001.tlj")
    assert "000002.tlj: its chain is not that of the segment before" in fault.text


def test_a_changed_bit_in_the_last_record_is_a_tail_at_its_place():
    disk, payloads = written(count=20)
    name, begin, _ = spans(disk)[-1]
    disk.flip(f"{FOLDER}/{name}", begin * 8 + 77)
    fault = check(disk, FOLDER).fault
    assert (fault.kind, fault.file, fault.offset) == (FaultKind.TAIL, name, begin)
    assert len(read(disk)) == len(payloads) - 1


def test_an_end_cut_off_at_any_byte_is_a_tail():
    rng = random.Random(5)
    for _ in range(60):
        disk, payloads = written(count=40)
        name = spans(disk)[-1][0]
        size = rng.randrange(144, 2_000)
        disk.truncate(f"{FOLDER}/{name}", size)
        for later in segments(disk)[segments(disk).index(name) + 1 :]:
            disk.remove(f"{FOLDER}/{later}")
        fault = check(disk, FOLDER).fault
        assert fault.kind is FaultKind.TAIL
        kept = read(disk)
        assert list(kept.values())[1:] == payloads[1 : len(kept)]
        journal, found = Journal.open(disk, FOLDER, sizes=SIZES)
        assert found.cut is not None
        assert found.record_count == len(kept)
        journal.append(RecordKind.ASK, b"on")
        journal.close()
        verdict = check(disk, FOLDER)
        assert verdict.is_sound
        assert verdict.cuts == (found.cut,)


def test_a_file_cut_short_in_the_middle_of_the_journal_is_corruption_if_records_are_lost():
    disk, _ = written()
    disk.truncate(f"{FOLDER}/000002.tlj", 300)
    fault = check(disk, FOLDER).fault
    assert (fault.kind, fault.file) == (FaultKind.CORRUPT, "000002.tlj")


def test_a_missing_segment_and_one_of_another_journal_are_corruption():
    disk, _ = written()
    other, _ = written(seed=2)
    whole = disk.read(f"{FOLDER}/000002.tlj")
    disk.remove(f"{FOLDER}/000002.tlj")
    fault = check(disk, FOLDER).fault
    assert (fault.kind, fault.file, fault.text) == (FaultKind.CORRUPT, "000002.tlj", "the segment is missing")
    disk.replace(f"{FOLDER}/000002.tlj", other.read(f"{FOLDER}/000002.tlj"))
    assert check(disk, FOLDER).fault.kind is FaultKind.CORRUPT
    disk.replace(f"{FOLDER}/000002.tlj", whole)
    assert check(disk, FOLDER).is_sound


def test_a_record_left_out_or_repeated_is_found():
    disk, _ = written(count=20)
    name, begin, end = spans(disk)[5]
    raw = disk.read(f"{FOLDER}/{name}")
    disk.replace(f"{FOLDER}/{name}", raw[:begin] + raw[end:] + bytes(end - begin))
    assert check(disk, FOLDER).fault.offset == begin
    disk.replace(f"{FOLDER}/{name}", raw[:end] + raw[begin : -(end - begin)])
    assert check(disk, FOLDER).fault.offset == end


def test_where_there_is_no_journal_a_look_says_so():
    with pytest.raises(FileNotFoundError):
        check(SimulatedDisk(), FOLDER)
    assert list(records(SimulatedDisk(), FOLDER)) == []
    assert list(events(SimulatedDisk(), FOLDER)) == []


def test_zeros_over_what_was_synced_are_corruption_not_a_loss_of_power():
    disk, _ = written(sync_each=1)
    raw = bytearray(disk.read(f"{FOLDER}/000002.tlj"))
    raw[1_024:2_048] = bytes(1_024)
    disk.replace(f"{FOLDER}/000002.tlj", bytes(raw))
    fault = check(disk, FOLDER).fault
    assert fault.kind is FaultKind.CORRUPT
    assert fault.offset < 1_024 + 132
