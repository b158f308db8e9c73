"""Snapshots: two are kept, a damaged one is named and the older one is taken."""

import random

import pytest

from runtime.session.simulated_disk import SimulatedDisk, Stopped
from tightloop.runtime.session.journal import snapshots
from tightloop.runtime.session.journal.snapshots import Snapshot

FOLDER = "sessions/s1/snapshots"


def made(seq, session="s1", layouts=None):
    rng = random.Random(seq)
    state = bytes(rng.randrange(50) if k % 17 == 0 else 0 for k in range(20_000))
    return Snapshot(
        session, seq, {"state": state, "arena": rng.randbytes(801), "desk": b"", "python": b"{}"}, layouts or {}
    )


def load(disk, seq_max=10**9, session="s1", layouts=None):
    return snapshots.load(disk, FOLDER, session=session, seq_max=seq_max, layouts=layouts)


def test_the_newest_of_two_kept_is_loaded_as_it_was():
    disk = SimulatedDisk()
    assert load(disk).snapshot is None
    for seq in (5, 900, 1_200_000):
        assert snapshots.save(disk, FOLDER, made(seq)) == f"{seq:012d}.tls"
    assert snapshots.names(disk, FOLDER) == ["000001200000.tls", "000000000900.tls"]
    found = load(disk)
    assert (found.snapshot, found.refused) == (made(1_200_000), ())
    assert len(disk.read(f"{FOLDER}/000001200000.tls")) < 6_000


def test_any_changed_bit_or_cut_is_found_and_the_older_one_is_taken():
    disk = SimulatedDisk()
    snapshots.save(disk, FOLDER, made(10))
    path = f"{FOLDER}/{snapshots.save(disk, FOLDER, made(20))}"
    whole = disk.read(path)
    rng = random.Random(4)
    for _ in range(400):
        disk.flip(path, bit := rng.randrange(8 * len(whole)))
        found = load(disk)
        assert found.snapshot == made(10), bit
        assert [name for name, _ in found.refused] == ["000000000020.tls"]
        disk.flip(path, bit)
    for _ in range(50):
        disk.replace(path, whole[: rng.randrange(len(whole))])
        assert load(disk).snapshot == made(10)
    disk.replace(path, whole + b"\0")
    assert load(disk).snapshot == made(10)


def test_a_snapshot_that_does_not_fit_is_refused_with_its_reason():
    disk = SimulatedDisk()
    snapshots.save(disk, FOLDER, made(10, layouts={"state": "a"}))
    snapshots.save(disk, FOLDER, made(20, layouts={"state": "b"}))
    assert load(disk, layouts={"state": "b"}).snapshot.seq == 20
    found = load(disk, layouts={"state": "a"})
    assert found.snapshot.seq == 10
    assert found.refused == (("000000000020.tls", "another layout of state"),)
    found = load(disk, seq_max=15)
    assert found.snapshot.seq == 10
    assert found.refused == (("000000000020.tls", "made before record 20; the journal ends before 15"),)
    assert load(disk, session="s2").refused[0] == ("000000000020.tls", "of session s1")


@pytest.mark.parametrize("how", ["kill", "sectors"])
def test_a_crash_while_one_is_written_leaves_one_that_can_be_loaded(how):
    for stop_at in range(4):
        disk = SimulatedDisk()
        snapshots.save(disk, FOLDER, made(10))
        snapshots.save(disk, FOLDER, made(20))
        disk.stop_at = stop_at
        try:
            snapshots.save(disk, FOLDER, made(30))
        except Stopped:
            pass  # the crash
        if how == "kill":
            disk.kill()
        else:
            disk.lose_power(random.Random(stop_at), how)
        found = load(disk)
        assert found.snapshot == made(30 if stop_at else 20)
        assert found.refused == ()
