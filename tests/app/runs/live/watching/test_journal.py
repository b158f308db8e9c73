"""A disk that fails: entries end at once and it is said, exits go on, and what was done is in the journal."""

import asyncio
import contextlib
import resource
import subprocess
import sys
import threading
import time
import zlib

import numpy as np
import pytest
from tests.app.runs.live.trading import Live, Twin, always_in
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told, plan_of, pumped, run
from tests.runtime.session.simulated_disk import SimulatedDisk

from tightloop.app.runs.live.outside import asked
from tightloop.app.runs.live.watching.journal import JournalWatch
from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.types import LOG_ROW
from tightloop.runtime.session.driver.operator import Operator, gate_of
from tightloop.runtime.session.driver.session import Repetition, Session, state_hash
from tightloop.runtime.session.journal import Journal, RecordKind, SegmentSizes, events
from tightloop.runtime.session.journal.writer import ROOM_AGAIN_BYTES, ROOM_BYTES
from tightloop.runtime.session.market.intake import Intake

RESERVE = 200_000


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return pumped(tmp_path_factory.mktemp("ticks"))


def begun(market, disk, world, sizes=None):
    plan = plan_of(market)
    journal = Journal.create(disk, "journal", "one", 1, sizes=sizes)
    return Session(plan, journal, Intake(world.clock), world.clock), journal


def refused_by(session, journal):
    said = []
    operator = Operator(session, journal, said.append, lambda: None)

    def refuse_entries(why):
        operator.refuse_entries()
        said.append(why)

    def allow_entries(why):
        operator.allow_entries()
        said.append(why)

    # That it ends with half of the reserve left is of a session with positions at a venue (gates/test_full_disk.py).
    return JournalWatch(journal, refuse_entries, allow_entries, refuse_entries, lambda _: None), said


def submits_in(found):
    """Return (offset of the record, rows) of all SUBMIT rows of a journal, record by record."""
    for record, _ in found:
        if record.kind == RecordKind.ROWS:
            rows = np.frombuffer(zlib.decompress(record.payload), LOG_ROW)
            yield record, rows[rows["kind"] == int(RowKind.SUBMIT)]


def test_on_a_full_disk_entries_end_and_the_rest_goes_on_in_the_reserve(market):
    facts, roomy = facts_of(market[0], plan_of(market)), SimulatedDisk()
    session, _ = begun(market, roomy, world := Told(facts), SegmentSizes())
    run(session, world, len(facts))
    # The disk is full just after an entry was sent, when what protects the position is not.
    sent = submits_in(events(roomy, "journal"))
    end = 600 + next(
        at.offset for at, rows in sent if at.offset > 3 * RESERVE and len(rows) and rows["reduce_only"][-1] == 0
    )

    world, disk = Told(facts), SimulatedDisk(capacity=end + RESERVE + 4_096)
    session, journal = begun(market, disk, world, SegmentSizes(end + RESERVE, end + RESERVE, RESERVE))
    watch, said = refused_by(session, journal)
    since = None
    while journal.seq < (since or journal.seq) + 2_000:
        before = journal.seq
        world.tell(session.intake, 37)
        while session.take_batch():
            watch.look()
        world.now_ns += 1_000
        session.advance()
        if said and since is None:
            since = before
    assert said == ["the disk takes no more of the journal; free some space, and entries go on by themselves"]
    assert gate_of(session.plan).is_not_ready

    # There is space again: the journal goes on in a new segment, and entries are taken.
    watch.look_for_room()
    assert len(said) == 1, "nothing has changed"
    disk.capacity = None
    watch.look_for_room()
    while session.take_batch():
        watch.look()
    assert said[1:] == ["there is space for the journal again"]
    assert not gate_of(session.plan).is_not_ready
    until = journal.seq
    while journal.seq < until + 2_000 and world.at < len(facts):
        world.tell(session.intake, 37)
        while session.take_batch():
            watch.look()
        world.now_ns += 1_000
        session.advance()
    assert journal.seq > until

    found = list(events(disk, "journal"))
    repetition = Repetition(plan_of(market))
    repetition.run(found)
    assert state_hash(repetition.plan) == state_hash(session.plan)
    sent = np.concatenate([rows for record, rows in submits_in(found) if since <= record.seq < until])
    assert len(sent), "exits were sent"
    assert (sent["reduce_only"] == 1).all()


def test_a_failed_sync_ends_entries_once(market):
    world, disk = Told(facts_of(market[0], plan_of(market))), SimulatedDisk()
    session, journal = begun(market, disk, world)
    watch, said = refused_by(session, journal)
    world.tell(session.intake, 37)
    session.take_batch()
    disk.fail_syncs = 1
    asyncio.run(asyncio.wait_for(watch.follow(), 5.0))
    session.take_batch()
    watch.look()
    assert len(said) == 1
    assert "cannot be synced" in said[0]
    assert gate_of(session.plan).is_not_ready


@pytest.mark.parametrize("trouble", ["readonly", "full"])
def test_a_disk_without_room_is_noticed_before_the_journal_needs_it(market, trouble):
    world, disk = Told(facts_of(market[0], plan_of(market))), SimulatedDisk()
    session, journal = begun(market, disk, world)
    watch, said = refused_by(session, journal)
    world.tell(session.intake, 37)
    session.take_batch()
    watch.look_for_room()
    assert not said
    for _ in range(2):
        if trouble == "readonly":
            disk.is_readonly = True
        else:
            disk.capacity = disk.used() + 4_096
        watch.look_for_room()
        watch.look_for_room()
        session.take_batch()
        assert gate_of(session.plan).is_not_ready
        disk.is_readonly, disk.capacity = False, None
        watch.look_for_room()
        session.take_batch()
        assert not gate_of(session.plan).is_not_ready
    words = {"readonly": "Read-only file system", "full": "No space left on device"}[trouble]
    assert [line.count(words) for line in said] == [1, 0, 1, 0]


def test_a_disk_that_is_only_just_not_full_any_more_lets_no_entries_come_and_go(market):
    world, disk = Told(facts_of(market[0], plan_of(market))), SimulatedDisk()
    session, journal = begun(market, disk, world)
    watch, said = refused_by(session, journal)
    for free in (ROOM_BYTES - 1, ROOM_BYTES, ROOM_AGAIN_BYTES - 1, ROOM_BYTES - 1):
        disk.capacity = disk.used() + free
        watch.look_for_room()
    assert len(said) == 1
    for free in (ROOM_AGAIN_BYTES, ROOM_BYTES):
        disk.capacity = disk.used() + free
        watch.look_for_room()
    assert said[1:] == ["there is space for the journal again"]


# A session in a process, on a disk of a real system ------------------------------------------------------------------

ENTRIES_END_WITHIN_S = 1.0
FULL_WITHIN_S, NEXT_WITHIN_S = 10.0, 30.0


@contextlib.contextmanager
def small_disk(folder):
    """Yield (what it is, home, fill, free) of a file system of 8 MiB, or of a limit of the process where none is.

    It is filled until ``free``, whatever is removed there meanwhile: the process of ``index.db`` gives up on a full
    disk, and with it goes its WAL.
    """
    home = folder / "home"
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(home)]
    is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    ballast, is_full, is_over = home / "ballast", threading.Event(), threading.Event()

    def keep_full():
        with ballast.open("wb", buffering=0) as file:
            while not is_over.is_set():
                try:
                    file.write(bytes(65_536))
                except OSError:
                    is_full.set()
                    is_over.wait(0.02)
        ballast.unlink()

    filling = threading.Thread(target=keep_full, daemon=True)

    def fill(_pid):
        filling.start()
        assert is_full.wait(FULL_WITHIN_S)

    def free(_pid):
        is_over.set()
        filling.join()

    def limit(pid, most):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    try:
        if is_mounted:
            yield "a file system of 8 MiB", home, fill, free
        else:
            yield (
                "RLIMIT_FSIZE", home, lambda pid: limit(pid, 65_536), lambda pid: limit(pid, resource.RLIM_INFINITY)
            )  # fmt: skip
    finally:
        if is_mounted:
            is_over.set()
            subprocess.run(["umount", "--lazy", str(home)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="crash and disk tests run on Linux")
def test_a_session_on_a_full_disk_ends_entries_within_a_second_and_goes_on_when_there_is_space(tmp_path, capfd):
    # It always wants a position, and keeps it until it is told to close it.
    twin, keeps = Twin("10"), tmp_path / "keeps.yaml"
    keeps.write_text(always_in(), "utf-8")
    with small_disk(tmp_path) as (what, home, fill, free):
        with capfd.disabled():
            print(f"\ndisk full: {what}")
        session = Live(home, twin.url, file=keeps)
        try:
            session.until(lambda shown: shown["positions"])
            fill(session.process.pid)
            filled_s = time.monotonic()
            while not any("no entries" in line or "not ready" in line for line in session.said):
                assert time.monotonic() - filled_s < ENTRIES_END_WITHIN_S, session.said
                time.sleep(0.01)
            held = session.until(lambda shown: shown["held"], NEXT_WITHIN_S)
            assert "free some space" in held["held"]["disk"]
            assert not asked(home, "last", {"what": "show"})["is_ready"]
            since_ns = twin.truth()["now_ns"]
            asked(home, "last", {"what": "kill"})
            session.until(lambda shown: not shown["positions"], NEXT_WITHIN_S)
            sent = [one for one in twin.orders_asked() if one["ts_ns"] > since_ns]
            assert sent, "exits were sent"
            assert all(one["params"]["reduceOnly"] == "true" for one in sent)
            asked(home, "last", {"what": "rearm"})
            assert session.shown["held"], session.said
            free(session.process.pid)
            session.until(lambda shown: not shown["held"] and shown["positions"], NEXT_WITHIN_S)
            asked(home, "last", {"what": "stop", "keep": False})
            assert session.end() == 0
        finally:
            session.kill()
            twin.close()
