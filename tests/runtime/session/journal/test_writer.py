"""Writing a journal: what survives a process and a loss of power, the next segment, a disk that is full or fails."""

import copy
import errno
import random

import pytest

from runtime.session.journal.journals import FOLDER, SIZES, read, written
from runtime.session.simulated_disk import SimulatedDisk, Stopped
from tightloop.runtime.session.journal import (
    FaultKind,
    Journal,
    JournalError,
    JournalFull,
    LayoutDiffers,
    RecordKind,
    check,
    facts,
    records,
)


def lived(disk, rng, payloads, synced, open_or_create):
    """A life of the session: it appends, syncs now and then, and stops where the disk says. Returns the journal."""
    journal = open_or_create()
    for _ in range(rng.randint(0, 120)):
        if rng.random() < 0.3:
            batch = [(RecordKind.FACT, rng.randbytes(rng.randint(0, 60))) for _ in range(rng.randint(1, 6))]
            first = journal.append_many(batch)
            payloads.update({first + place: payload for place, (_, payload) in enumerate(batch)})
        else:
            payload = rng.randbytes(rng.randint(0, 300))
            payloads[journal.append(RecordKind.ASK, payload)] = payload
        if rng.random() < 0.1:
            journal.sync()
            synced[0] = journal.seq
        elif rng.random() < 0.2:
            journal.sync_behind()
    return journal


def opened(disk):
    def begin():
        if not disk.names(FOLDER) or not read(disk):
            return Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
        return Journal.open(disk, FOLDER, sizes=SIZES)[0]

    return begin


@pytest.mark.parametrize("how", ["kill", "prefix", "sectors"])
def test_what_was_written_survives_the_process_and_what_was_synced_survives_a_loss_of_power(how):
    cut_count = 0
    for seed in range(40):
        rng = random.Random(seed)
        disk = SimulatedDisk()
        disk.is_behind_at_once = seed % 3 > 0
        payloads, synced = {}, [0]
        for _ in range(4):
            disk.stop_at = rng.randint(0, 200) if rng.random() < 0.7 else None
            disk.torn = rng.random()
            try:
                lived(disk, rng, payloads, synced, opened(disk))
            except Stopped:
                pass  # the process has died at some operation of the disk
            if how == "kill":
                synced[0] = max(payloads, default=-1) + 1
                disk.kill()
            else:
                disk.lose_power(rng, how)
            if not disk.names(FOLDER) or check(disk, FOLDER).epoch == 0:
                assert synced[0] == 0
                continue
            kept = {seq: payload for seq, payload in read(disk).items() if seq in payloads}
            assert max(read(disk)) + 1 >= synced[0], (seed, how)
            for seq, payload in list(payloads.items()):
                if seq in kept and payload == kept[seq]:
                    continue
                assert seq >= synced[0], (seed, how, seq)
                del payloads[seq]
            journal, found = Journal.open(disk, FOLDER, sizes=SIZES)
            cut_count += found.cut is not None
            synced[0] = journal.seq
            verdict = check(disk, FOLDER)
            assert verdict.is_sound, (seed, how, verdict)
            assert verdict.epoch == journal.epoch
            disk.kill()
    assert cut_count > 10


def test_a_cut_tail_lies_beside_the_journal_and_is_told():
    disk, payloads = written(count=20)
    last = list(records(disk, FOLDER))[-1]
    raw = disk.read(f"{FOLDER}/{last.file}")
    disk.flip(f"{FOLDER}/{last.file}", last.offset * 8 + 3)
    journal, found = Journal.open(disk, FOLDER, 7, sizes=SIZES)
    assert (found.session, found.record_count, found.last_epoch) == ("s1", len(payloads) - 1, 1)
    assert (found.cut.file, found.cut.offset, found.cut.moved_to) == (last.file, last.offset, ("000001.tail",))
    moved = disk.read(f"{FOLDER}/000001.tail")
    changed = bytes((moved[0] ^ 8,)) + moved[1:]
    assert changed == raw[last.offset :].rstrip(b"\0")
    kinds = [record.kind for record in records(disk, FOLDER)][-2:]
    assert kinds == [RecordKind.CUT, RecordKind.EPOCH]
    assert journal.epoch == 7
    assert journal.seq == len(payloads) + 1
    disk.flip(f"{FOLDER}/{last.file}", list(records(disk, FOLDER))[-1].offset * 8 + 3)
    disk.kill()
    _, again = Journal.open(disk, FOLDER, 8, sizes=SIZES)
    assert again.cut.moved_to == ("000001.2.tail",)
    assert check(disk, FOLDER).cuts == (found.cut, again.cut)


def test_a_tail_over_several_segments_is_moved_whatever_stops_it_on_the_way():
    disk = SimulatedDisk()
    disk.is_behind_at_once = False
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    kept = 0
    while journal.segment < 4:
        journal.append(RecordKind.FACT, b"entry" * 8)
        if journal.segment == 1 and journal.room() > 2_000:
            journal.sync()
            kept = journal.seq
    first = disk.files[f"{FOLDER}/000001.tlj"]
    first.seen[2_560:] = bytes(len(first.seen) - 2_560)  # power was lost: these sectors had not been written
    disk.kill()
    assert check(disk, FOLDER).fault.kind is FaultKind.TAIL
    for stop_at in range(20):
        crashed = copy.deepcopy(disk)
        crashed.stop_at, crashed.torn = stop_at, 0.5
        try:
            Journal.open(crashed, FOLDER, sizes=SIZES)
        except Stopped:
            pass  # the crash
        crashed.kill()
        journal, _ = Journal.open(crashed, FOLDER, sizes=SIZES)
        verdict = check(crashed, FOLDER)
        assert verdict.is_sound, stop_at
        assert sorted(read(crashed))[:kept] == list(range(kept))
        assert journal.segment == 1
        moved = {name for name in crashed.names(FOLDER) if name.endswith(".tail")}
        assert {"000001.tail", "000002.tail", "000003.tail", "000004.tail"} <= moved


def test_cut_cuts_and_begins_no_epoch():
    disk, payloads = written(count=20)
    assert Journal.cut(disk, FOLDER) is None
    last = list(records(disk, FOLDER))[-1]
    disk.flip(f"{FOLDER}/{last.file}", last.offset * 8 + 3)
    assert Journal.cut(disk, FOLDER).offset == last.offset
    found = list(records(disk, FOLDER))
    assert [record.kind for record in found].count(RecordKind.EPOCH) == 1
    assert found[-1].kind == RecordKind.CUT
    assert len(found) == len(payloads)


def test_an_epoch_is_never_used_twice():
    disk, _ = written(count=3)
    with pytest.raises(JournalError, match="epoch 1 was used"):
        Journal.open(disk, FOLDER, 1, sizes=SIZES)
    assert Journal.open(disk, FOLDER, sizes=SIZES)[0].epoch == 2
    disk.kill()
    journal, found = Journal.open(disk, FOLDER, 5, sizes=SIZES)
    assert (found.last_epoch, journal.epoch) == (2, 5)
    journal.close()
    with pytest.raises(FileExistsError):
        Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    with pytest.raises(FileNotFoundError):
        Journal.open(disk, "elsewhere")


def test_the_epoch_is_on_the_disk_before_create_and_open_return():
    disk = SimulatedDisk()
    Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    disk.lose_power(random.Random(0), "sectors")
    assert check(disk, FOLDER).epoch == 1
    Journal.open(disk, FOLDER, sizes=SIZES)
    disk.lose_power(random.Random(1), "sectors")
    assert check(disk, FOLDER).epoch == 2


def test_facts_of_other_fields_are_refused_by_name(monkeypatch):
    disk, _ = written(count=3)
    monkeypatch.setattr(facts, "LAYOUT", b"another.")
    monkeypatch.setattr(facts, "LAYOUT_TEXT", facts.LAYOUT_TEXT.replace("is_maker:i8", "is_maker:u8") + " added:f8")
    with pytest.raises(LayoutDiffers, match="they lack is_maker:u8, added:f8; they have is_maker:i8"):
        Journal.open(disk, FOLDER, sizes=SIZES)
    assert check(disk, FOLDER).is_sound


def test_segments_double_up_to_the_last_size_and_hold_a_record_larger_than_they_are():
    disk = SimulatedDisk()
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    payloads = {}
    for count in (100, 3_000, 6_000, 40_000, 10, 15_000, 15_000, 15_000):
        payloads[journal.append(RecordKind.ANSWER, bytes([count % 251]) * count)] = count
    journal.close()
    assert {seq: len(payload) for seq, payload in read(disk).items() if seq} == payloads
    assert check(disk, FOLDER).is_sound
    sizes = [len(disk.read(f"{FOLDER}/{name}")) for name in disk.names(FOLDER)]
    assert sizes[0] == 4_096
    assert max(sizes) > 40_000


def test_many_records_are_chained():
    disk = SimulatedDisk()
    journal = Journal.create(disk, FOLDER, "s1", 1)
    journal.append_many([(RecordKind.FACT, b"x" * (k % 50)) for k in range(5_000)])
    for k in range(9_000):
        journal.append(RecordKind.ROWS, b"y" * (k % 30))
    journal.close()
    raw = disk.read(f"{FOLDER}/000001.tlj")
    assert len(read(disk)) == 14_001
    journal, found = Journal.open(disk, FOLDER)
    assert found.record_count == 14_001
    for _ in range(5_000):
        journal.append(RecordKind.ROWS, b"z")
    journal.close()
    assert check(disk, FOLDER).record_count == 19_002
    assert len(raw) == 4 * 2**20


def fill(journal, payload, *, is_reserved=False):
    """Append until there is no room."""
    while True:
        journal.append(RecordKind.ASK, payload, is_reserved=is_reserved)


def test_a_full_disk_keeps_a_reserve_for_exits_and_says_why():
    disk = SimulatedDisk(capacity=4_096)
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    with pytest.raises(JournalFull) as told:
        fill(journal, b"entry" * 8)
    assert told.value.errno == errno.ENOSPC
    assert journal.is_full
    seq, room = journal.seq, journal.room()
    assert 900 < room <= 1_024 + 60
    with pytest.raises(JournalFull):
        journal.append_many([(RecordKind.ASK, b"entry" * 8)])
    assert journal.seq == seq
    with pytest.raises(JournalFull):
        fill(journal, b"exit" * 10, is_reserved=True)
    assert journal.seq - seq >= 900 // 56
    assert journal.room() < 56
    assert check(disk, FOLDER).is_sound
    assert not journal.try_again()
    disk.capacity = None
    assert journal.try_again()
    journal.append(RecordKind.FACT, b"entry" * 8)
    journal.close()
    assert check(disk, FOLDER).is_sound


def test_a_disk_that_became_readonly_is_told_by_its_errno():
    disk = SimulatedDisk()
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    disk.is_readonly = True
    with pytest.raises(JournalFull) as told:
        fill(journal, b"entry" * 8)
    assert told.value.errno == errno.EROFS
    with pytest.raises(OSError, match="Read-only"):
        journal.sync()


def test_a_sync_that_failed_is_told_for_ever():
    disk = SimulatedDisk()
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    journal.append(RecordKind.FACT, b"a")
    journal.sync_behind()
    assert journal.failure() is None
    disk.fail_syncs = 1
    journal.append(RecordKind.FACT, b"b")
    journal.sync_behind()
    assert journal.failure().errno == errno.EIO
    journal.append(RecordKind.ASK, b"exit")
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            journal.sync()
    assert journal.failure().errno == errno.EIO


def test_a_sync_that_failed_in_a_segment_before_is_told():
    disk = SimulatedDisk()
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    disk.fail_syncs = 1
    while journal.segment == 1:
        journal.append(RecordKind.FACT, b"entry" * 8)
    assert journal.failure().errno == errno.EIO


def test_two_writers_of_one_journal_are_refused():
    disk = SimulatedDisk()
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    with pytest.raises(BlockingIOError):
        Journal.open(disk, FOLDER, sizes=SIZES)
    with pytest.raises(BlockingIOError):
        Journal.cut(disk, FOLDER)
    journal.append(RecordKind.FACT, b"a")
    journal.close()
    with pytest.raises(JournalError):
        Journal.open(disk, FOLDER, 1, sizes=SIZES)
    journal, _ = Journal.open(disk, FOLDER, sizes=SIZES)  # the refusal has freed it
    assert journal.epoch == 2
