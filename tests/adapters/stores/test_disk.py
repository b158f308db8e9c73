"""The disk of this machine: files of zeros, syncs on a thread, whole files or none, and errors by their number."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.runtime.session.journal import check, records

KIB = 1_024


def test_a_file_is_made_of_written_zeros_and_keeps_what_is_written(tmp_path):
    disk = LocalDisk(tmp_path)
    file = disk.create("a/b/one.bin", 64 * KIB)
    assert file.size == 64 * KIB
    assert disk.read("a/b/one.bin") == bytes(64 * KIB)
    assert (tmp_path / "a/b/one.bin").stat().st_blocks * 512 >= 64 * KIB
    file.write(100, memoryview(b"abc"))
    assert file.read(99, 5) == b"\0abc\0"
    assert disk.read("a/b/one.bin")[100:103] == b"abc", "another reader sees it at once"
    assert file.synced_end == 0
    file.sync()
    assert file.synced_end == 103
    file.write(103, b"d")
    file.sync_behind()
    file.close()
    assert disk.open("a/b/one.bin").read(100, 4) == b"abcd"
    assert disk.names("a/b") == ["one.bin"]
    assert disk.names("nowhere") == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes of folders")
def test_folders_are_for_the_user_alone(tmp_path):
    LocalDisk(tmp_path / "home").create("a/one.bin", KIB)
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "home/a").stat().st_mode & 0o777 == 0o700


def test_a_file_prepared_ahead_is_the_one_that_is_created(tmp_path):
    disk = LocalDisk(tmp_path)
    disk.prepare("one.bin", 4 * KIB)
    disk.prepare("one.bin", 4 * KIB)
    assert disk.create("one.bin", 4 * KIB).size == 4 * KIB
    disk.prepare("two.bin", 4 * KIB)
    assert disk.create("two.bin", 12 * KIB).size == 12 * KIB, "more is wanted than was prepared"
    with pytest.raises(FileExistsError):
        disk.create("one.bin", 4 * KIB)
    disk.prepare("one.bin", 4 * KIB)
    with pytest.raises(FileExistsError):
        disk.create("one.bin", 4 * KIB)
    with pytest.raises(FileNotFoundError):
        disk.open("three.bin")


def test_syncs_behind_are_run_by_a_thread_and_tell_how_far_they_came(tmp_path, monkeypatch):
    threads = []
    real = os.fdatasync if sys.platform.startswith("linux") else os.fsync
    monkeypatch.setattr(os, real.__name__, lambda fd: threads.append(threading.current_thread().name) or real(fd))
    file = LocalDisk(tmp_path).create("one.bin", 64 * KIB)
    threads.clear()
    for place in range(50):
        file.write(place * 8, b"12345678")
        file.sync_behind()
    deadline = time.monotonic() + 20
    while file.synced_end < 400 and time.monotonic() < deadline:
        time.sleep(0.002)
    assert file.synced_end == 400
    assert {name.rpartition("_")[0] for name in threads} == {"journal-sync"}
    assert 1 <= len(threads) <= 50
    assert file.failure() is None


def test_a_sync_that_failed_is_told_and_stays_failed(tmp_path, monkeypatch):
    name = "fdatasync" if sys.platform.startswith("linux") else "fsync"
    file = LocalDisk(tmp_path).create("one.bin", 64 * KIB)

    def broken(fd):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    file.write(0, b"x")
    with monkeypatch.context() as patch:
        patch.setattr(os, name, broken)
        file.sync_behind()
        with pytest.raises(OSError, match="Input/output"):
            file.sync()
    assert file.failure().errno == errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        file.sync()
    assert file.synced_end == 0
    file.close()


def test_replace_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    disk = LocalDisk(tmp_path)
    disk.replace("a/one", b"old")
    disk.replace("a/one", b"new")
    assert disk.read("a/one") == b"new"
    name = "fdatasync" if sys.platform.startswith("linux") else "fsync"

    def full(fd):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, name, full)
    with pytest.raises(OSError, match="No space"):
        disk.replace("a/one", b"newer")
    assert disk.read("a/one") == b"new"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["one"]
    disk.rename("a/one", "a/two")
    assert disk.names("a") == ["two"]
    disk.remove("a/two")
    assert disk.names("a") == []


@pytest.mark.skipif(sys.platform == "win32" or getattr(os, "geteuid", lambda: 1)() == 0, reason="root may write all")
def test_a_file_that_may_not_be_written_can_be_read(tmp_path):
    LocalDisk(tmp_path).create("one.bin", KIB)
    (tmp_path / "one.bin").chmod(0o400)
    file = LocalDisk(tmp_path).open("one.bin")
    assert file.read(0, 3) == bytes(3)
    with pytest.raises(OSError, match="Read-only"):
        file.write(0, b"x")


def test_a_lock_is_held_once_and_freed_with_its_process(tmp_path):
    script = "import sys, time; from tightloop.adapters.stores.disk import LocalDisk\n"
    script += "held = LocalDisk(sys.argv[1]).lock('a/held'); print('held', flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, env=environment())
    assert child.stdout.readline()
    with pytest.raises(BlockingIOError):
        LocalDisk(tmp_path).lock("a/held")
    child.kill()
    child.wait()
    child.stdout.close()
    held = LocalDisk(tmp_path).lock("a/held")
    with pytest.raises(BlockingIOError):
        LocalDisk(tmp_path).lock("a/held")
    held.release()
    LocalDisk(tmp_path).lock("a/held").release()


LIMITED = """
import resource, signal, sys
from tightloop.adapters.stores.disk import LocalDisk
from tightloop.runtime.session.journal import Journal, JournalFull, RecordKind, SegmentSizes, check
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
disk = LocalDisk(sys.argv[1])
journal = Journal.create(disk, "j", "s1", 1, sizes=SegmentSizes(4096, 65536, 1024))
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
count = 0
try:
    while True:
        journal.append(RecordKind.ASK, b"entry" * 10)
        count += 1
except JournalFull as full:
    print("full", count > 100, full.errno, journal.segment)
journal.append(RecordKind.ASK, b"exit", is_reserved=True)
journal.close()
verdict = check(disk, "j")
print(verdict.is_sound, verdict.record_count - count, disk.names("j"))
"""
KILLED = """
import sys
from tightloop.adapters.stores.disk import LocalDisk
from tightloop.runtime.session.journal import Journal, RecordKind, SegmentSizes
disk = LocalDisk(sys.argv[1])
sizes = SegmentSizes(4096, 65536, 1024)
if disk.names("j"):
    journal, found = Journal.open(disk, "j", sizes=sizes)
else:
    journal = Journal.create(disk, "j", "s1", 1, sizes=sizes)
while True:
    seq = journal.append(RecordKind.ASK, b"%d" % journal.seq * 5)
    if seq % 50 == 0:
        journal.sync_behind()
    sys.stdout.write("%d\\n" % seq)
    sys.stdout.flush()
"""


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of resources")
def test_a_journal_on_a_full_disk_keeps_room_for_exits(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False, env=environment()
    )
    assert ended.returncode == 0, ended.stderr
    full, sound = ended.stdout.splitlines()
    assert full == f"full True {errno.EFBIG} 2"
    assert sound == "True 2 ['000001.tlj', '000002.tlj', 'journal.lock']"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_what_was_appended_survives_kill_9(tmp_path):
    disk = LocalDisk(tmp_path)
    for life in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, env=environment()
        )
        for _ in range(120 + 37 * life):
            assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        told = [int(line) for line in child.stdout.read().splitlines()]
        child.wait()
        child.stdout.close()
        found = list(records(disk, "j"))
        assert found[-1].seq >= max(told, default=0)
        assert all(record.payload == b"%d" % record.seq * 5 for record in found if record.kind == 3)
    verdict = check(disk, "j")
    assert verdict.is_sound
    assert verdict.epoch == 3
    assert verdict.record_count > 3 * 120


def test_names_leaves_out_files_that_are_being_made(tmp_path):
    (tmp_path / "one.bin.tmp").write_bytes(b"half")
    assert LocalDisk(Path(tmp_path)).names("") == []
