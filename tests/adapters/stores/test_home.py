"""The home folder: one holder of a lease, sessions found again, nothing half written."""

import os
import subprocess
import sys
import threading

import pytest
from filelock import FileLock

from tightloop.adapters.stores.home import Home, Lease
from tightloop.model.errors import InputError


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.make()
    return made


def test_of_twenty_that_start_at_once_one_holds_the_lease_and_the_others_are_told_who(home):
    found, gate = [], threading.Barrier(20)

    def start():
        gate.wait()
        taken = home.take("one")
        if isinstance(taken, Lease):
            taken.write("paper-1", 7)
        found.append(taken)

    threads = [threading.Thread(target=start) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    leases = [taken for taken in found if isinstance(taken, Lease)]
    others = [taken for taken in found if not isinstance(taken, Lease)]
    assert len(leases) == 1
    assert {(row["session"], row["pid"], row["epoch"]) for row in others} == {("paper-1", os.getpid(), 7)}
    leases[0].close()
    assert isinstance(home.take("one"), Lease)


def test_a_lease_ends_with_its_process(home):
    code = (
        "import sys, time; from pathlib import Path; from tightloop.adapters.stores.home import Home; "
        "lease = Home(Path(sys.argv[1])).take('one'); lease.write('paper-1', 1); "
        "print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(home.root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    assert home.take("one")["pid"] == process.pid
    assert home.holder("one")["session"] == "paper-1"
    process.kill()
    process.communicate()
    assert home.holder("one") is None
    lease = home.take("one")
    assert isinstance(lease, Lease)
    lease.close()


def test_sessions_are_found_by_their_ids_and_the_newest_by_last(home):
    ids = [home.make_session({"mode": "paper", "made_ns": at}, {"strategy.yaml": b"name: a\n"}) for at in (5, 9, 7)]
    assert [about["id"] for about in home.sessions()] == [ids[0], ids[2], ids[1]]
    assert home.read_session("last")["id"] == ids[1]
    assert (home.folder(ids[0]) / "strategies" / "strategy.yaml").read_bytes() == b"name: a\n"
    with pytest.raises(InputError, match="there is no session 'paper-0'"):
        home.read_session("paper-0")


def test_the_folders_are_the_users_alone(home):
    assert (home.root / "sessions").stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be used as a home folder"):
        Home(tmp_path / "file" / "home").make()


def test_folders_that_were_there_are_closed_to_others(tmp_path):
    (tmp_path / "real" / "sessions").mkdir(parents=True)
    (tmp_path / "real").chmod(0o777)
    (tmp_path / "real" / "sessions").chmod(0o755)
    (tmp_path / "link").symlink_to("real")
    Home(tmp_path / "link").make()
    modes = [(tmp_path / "real" / name).stat().st_mode & 0o777 for name in ("", "sessions", "leases", "run")]
    assert modes == [0o755, 0o700, 0o700, 0o700]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_home_of_another_user_is_refused(tmp_path):
    (tmp_path / "home" / "sessions").mkdir(parents=True)
    os.chown(tmp_path / "home" / "sessions", 12_345, -1)
    with pytest.raises(InputError, match="belongs to another user"):
        Home(tmp_path / "home").make()


def test_a_home_whose_sockets_would_have_too_long_paths_is_named(tmp_path):
    with pytest.raises(InputError, match="too long"):
        Home(tmp_path / ("x" * 100)).make()


def test_a_lease_is_one_by_whatever_path_a_home_is_named(home):
    (home.root.parent / "link").symlink_to(home.root)
    lease = home.take("one")
    lease.write("paper-1", 1)
    assert Home(home.root.parent / "link").take("one")["session"] == "paper-1"


def test_who_looks_at_a_lease_keeps_nobody_from_taking_it(home):
    home.take("one").close()
    looks = FileLock(home.root / "leases" / "one.lock", thread_local=False)
    looks.acquire()
    threading.Timer(0.03, looks.release).start()
    assert isinstance(home.take("one"), Lease)


def test_a_damaged_session_is_named(home):
    session = home.make_session({"mode": "paper", "made_ns": 1}, {})
    (home.folder(session) / "session.json").write_text('{"mode":')
    assert home.session_names() == [session]
    with pytest.raises(InputError, match="is damaged"):
        home.sessions()
