"""What `tightloop doctor` says of a machine."""

from pathlib import Path

import pytest

from tightloop.app.runs.doctor import machine
from tightloop.core.native import image

GIB = 2**30
MOUNTS = """/dev/sda1 / ext4 rw 0 0
server:/net /net nfs4 rw 0 0
tmpfs /ram/my\\040disk tmpfs rw 0 0
broken
"""


def test_this_machine_has_no_problem_and_its_disk_is_measured(tmp_path):
    found = {one.name: one for one in machine.look(tmp_path / "not" / "there")}
    assert set(found) >= {"python", "machine code", "file system", "space", "disk"}
    assert found["disk"].figures["sync_p50_s"] > 0.0
    assert found["python"].verdict == "ok"
    assert list(tmp_path.iterdir()) == [], "what it wrote is gone"


def test_a_python_that_was_not_tried_is_told():
    assert machine.python((3, 11)).verdict == "ok"
    assert machine.python((3, 10)).verdict == machine.python((3, 14)).verdict == "warning"


def test_without_an_image_the_compiler_decides(monkeypatch):
    monkeypatch.setattr(image, "loaded", lambda: None)
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda _: object())
    assert machine.machine_code().verdict == "warning"
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda _: None)
    assert machine.machine_code().verdict == "problem"
    assert "dev.py setup" in machine.machine_code().remedy


@pytest.mark.parametrize(("count", "verdict"), [(64, "problem"), (512, "warning"), (1_024, "ok")])
def test_few_open_files_are_told(count, verdict):
    assert machine.open_files(count).verdict == verdict


@pytest.mark.parametrize(("free", "verdict"), [(0.5 * GIB, "problem"), (5 * GIB, "warning"), (50 * GIB, "ok")])
def test_little_space_is_told(free, verdict):
    assert machine.space(int(free), Path()).verdict == verdict


def test_a_slow_disk_is_told():
    assert machine.judged_syncs([0.004] * 20).verdict == "ok"
    assert machine.judged_syncs([0.030] * 20).verdict == "warning"
    assert machine.judged_syncs([0.004] * 19 + [0.6]).verdict == "warning"


def test_a_disk_that_cannot_be_written_is_a_problem(tmp_path, monkeypatch):
    def refuse(_place):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(machine, "_sync_times", refuse)
    assert "Read-only file system" in machine.syncs(tmp_path).text
    assert machine.syncs(tmp_path).verdict == "problem"


def test_network_file_systems_are_a_problem_and_memory_a_warning():
    assert machine.system_of(Path("/net/me/.tightloop"), MOUNTS) == "nfs4"
    assert machine.system_of(Path("/nets/me"), MOUNTS) == "ext4"
    assert machine.system_of(Path("/ram/my disk/h"), MOUNTS) == "tmpfs"
    assert machine.system_of(Path("/net/me"), "") == ""
    assert machine.file_system("nfs4", Path("/net")).verdict == "problem"
    assert machine.file_system("tmpfs", Path("/ram")).verdict == "warning"
    assert machine.file_system("", Path("/")).verdict == "ok"
