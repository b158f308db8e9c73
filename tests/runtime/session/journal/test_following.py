"""Following a journal: every record comes once, whole, in its order, while another thread writes."""

import random
import threading

from runtime.session.journal.journals import FOLDER, SIZES
from runtime.session.simulated_disk import SimulatedDisk
from tightloop.adapters.stores.disk import LocalDisk
from tightloop.core.domain.types import EVENT
from tightloop.runtime.session.journal import FactWriter, Journal, JournalFollower, RecordKind, events


def event(number):
    return number.to_bytes(8, "little") * (EVENT.itemsize // 8)


def test_what_was_appended_comes_once_and_in_its_order():
    disk = SimulatedDisk()
    follower = JournalFollower(disk, FOLDER)
    assert follower.read() == []
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    writer = FactWriter(journal)
    rng = random.Random(1)
    followers, found = [follower], {0: []}
    for turn in range(400):
        if rng.random() < 0.5:
            writer.append([(event(turn), b"r" * rng.randint(0, 200)) for _ in range(rng.randint(0, 5))])
        else:
            journal.append(RecordKind.ANSWER, rng.randbytes(rng.choice((10, 300, 5_000))))
        if turn % 50 == 49:
            followers.append(JournalFollower(disk, FOLDER, journal.seq - 20))
            found[len(followers) - 1] = []
        for number, one in enumerate(followers):
            found[number] += one.read(rng.choice((1, 7, 10_000)))
    for number, one in enumerate(followers):
        while more := one.read():
            found[number] += more
    whole = list(events(disk, FOLDER))
    assert found[0] == whole
    assert journal.segment > 10
    for number, got in found.items():
        assert got == whole[got[0][0].seq :], number
        assert followers[number].seq == journal.seq


def test_a_record_larger_than_a_block_comes_too():
    disk = SimulatedDisk()
    journal = Journal.create(disk, FOLDER, "s1", 1)
    payloads = [b"a" * 1_000_000, b"b", b"c" * 300_000]
    for payload in payloads:
        journal.append(RecordKind.ANSWER, payload)
    assert [record.payload for record, _ in JournalFollower(disk, FOLDER, 1).read()] == payloads


def test_a_record_that_is_not_whole_yet_is_waited_for():
    disk = SimulatedDisk()
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    journal.append(RecordKind.ASK, b"first")
    follower = JournalFollower(disk, FOLDER, 1)
    assert [record.payload for record, _ in follower.read()] == [b"first"]
    journal.append(RecordKind.ASK, b"second")
    (last,) = [record for record, _ in events(disk, FOLDER) if record.payload == b"second"]
    disk.flip(f"{FOLDER}/{last.file}", last.offset * 8 + 100)
    assert follower.read() == []
    disk.flip(f"{FOLDER}/{last.file}", last.offset * 8 + 100)
    assert follower.read() == [(last, b"")]


def test_a_second_thread_follows_the_files_of_this_machine(tmp_path):
    disk = LocalDisk(tmp_path)
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    found, is_done = [], threading.Event()

    def follow():
        follower = JournalFollower(LocalDisk(tmp_path), FOLDER)
        while True:
            was_done = is_done.is_set()
            got = follower.read()
            found.extend(got)
            if was_done and not got:
                break
        follower.close()

    thread = threading.Thread(target=follow)
    thread.start()
    writer = FactWriter(journal)
    for number in range(2_000):
        writer.append([(event(number), b"rows" * 10)])
    is_done.set()
    thread.join()
    assert [got for _, got in found if got] == [event(number) for number in range(2_000)]
    assert [record.seq for record, _ in found] == list(range(journal.seq))
    journal.close()
