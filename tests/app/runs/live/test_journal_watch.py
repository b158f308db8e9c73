"""A disk that fails: entries end at once and it is said, exits go on, and what was done is in the journal."""

import asyncio
import zlib

import numpy as np
import pytest
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told, plan_of, pumped, run
from tests.runtime.session.simulated_disk import SimulatedDisk

from tightloop.app.runs.live.journal_watch import JournalWatch
from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.types import LOG_ROW
from tightloop.runtime.session.driver.operator import Operator, gate_of
from tightloop.runtime.session.driver.session import Repetition, Session, state_hash
from tightloop.runtime.session.journal import Journal, RecordKind, SegmentSizes, events
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

    return JournalWatch(journal, refuse_entries), said


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
    assert said == ["the disk takes no more of the journal"]
    assert gate_of(session.plan).is_not_ready

    found = list(events(disk, "journal"))
    repetition = Repetition(plan_of(market))
    repetition.run(found)
    assert state_hash(repetition.plan) == state_hash(session.plan)
    sent = np.concatenate([rows for record, rows in submits_in(found) if record.seq >= since])
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
