"""What `tightloop doctor` says of a home folder: each fault is told with what to do."""

import os

import pytest

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.app.runs.doctor import sessions
from tightloop.runtime.session.journal import Journal, RecordKind


@pytest.fixture
def home(tmp_path):
    """A home with a session that was stopped."""
    home = Home(tmp_path / "home")
    home.make()
    make_session(home, "paper-1", "STOPPED", 1)
    return home


def make_session(home, name, state, made_ns):
    (home.folder(name) / "logs").mkdir(parents=True)
    home.write_session(name, {"id": name, "state": state, "lease": f"lease-{name}", "made_ns": made_ns})
    journal = Journal.create(LocalDisk(home.folder(name)), "journal", name, 1)
    for note in (b"one", b"two"):
        journal.append(RecordKind.OPERATOR, note)
        journal.sync()
    journal.close()


def found(home):
    return {one.name: one for one in sessions.look(home.root)}


def test_a_home_that_is_well_has_no_warning(home):
    assert {one.verdict for one in found(home).values()} == {"ok"}
    assert "1 is sound" in found(home)["journals"].text


def test_a_home_that_is_not_there_is_no_fault(tmp_path):
    (one,) = sessions.look(tmp_path / "nowhere")
    assert one.verdict == "ok"


def test_a_home_that_others_may_change_or_journals_they_may_read_are_a_problem(home):
    home.root.chmod(0o777)
    assert found(home)["permissions"].verdict == "problem"
    assert found(home)["permissions"].remedy == f"chmod 700 {home.root}"
    home.root.chmod(0o755)
    assert found(home)["permissions"].verdict == "ok"
    (home.root / "sessions").chmod(0o755)
    assert "may read" in found(home)["permissions"].text


def test_the_kill_switch_is_told_and_an_unreadable_one_counts_as_engaged(home):
    home.engage("all")
    assert found(home)["kill switch"].verdict == "warning"
    assert "rearm" in found(home)["kill switch"].remedy
    (home.root / "kill.json").write_text("{")
    assert found(home)["kill switch"].verdict == "problem"


def test_a_session_that_was_killed_is_told_and_one_that_runs_is_not(home):
    make_session(home, "paper-2", "RUNNING", 2)
    assert "paper-2" in found(home)["session paper-2"].remedy
    lease = home.take("lease-paper-2")
    lease.write("paper-2", 1)
    assert (found(home)["session paper-2"].verdict, found(home)["session paper-2"].text) == ("ok", "runs, running")
    home.write_session("paper-2", {**home.read_session("paper-2"), "state": "ERROR"})
    assert found(home)["session paper-2"].verdict == "problem"
    lease.close()


def flip(home, word):
    file = home.folder("paper-1") / "journal" / "000001.tlj"
    raw = bytearray(file.read_bytes())
    raw[raw.index(word)] ^= 1
    file.write_bytes(raw)


def test_a_broken_end_is_a_warning(home):
    flip(home, b"two")
    one = found(home)["journal of paper-1"]
    assert one.verdict == "warning"
    assert "journal cut paper-1" in one.remedy


def test_a_changed_byte_before_what_was_synced_is_a_problem(home):
    flip(home, b"one")
    one = found(home)["journal of paper-1"]
    assert one.verdict == "problem"
    assert "000001.tlj at byte" in one.text


def test_a_session_file_that_is_damaged_is_a_problem(home):
    (home.folder("paper-1") / "session.json").write_text("{")
    assert found(home)["session paper-1"].verdict == "problem"


def test_a_home_of_another_user_is_a_problem(home, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4_242)
    assert "another user" in found(home)["permissions"].text
