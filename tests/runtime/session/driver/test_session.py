"""A session journals what it did, can be killed anywhere, and is repeated byte for byte."""

import gc

import numpy as np
import pytest
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told, begun, plan_of, pumped, recovered, run

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.core.domain.enums import RowKind
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.session.driver import snapshots
from tightloop.runtime.session.driver.session import NotRepeated, Repetition, Session, StepFailed, state_hash
from tightloop.runtime.session.journal import RecordKind, check, events


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return pumped(tmp_path_factory.mktemp("ticks"))


@pytest.fixture(scope="module")
def whole(market, tmp_path_factory):
    """An uninterrupted session over all facts: its folder, hash, facts and counts of rows."""
    folder = tmp_path_factory.mktemp("whole")
    facts = facts_of(market[0], plan_of(market))
    world = Told(facts)
    session, journal = begun(market, folder, world)
    run(session, world, len(facts))
    found = session.finish()
    journal.close()
    assert session.recent.counts[RowKind.FILL] > 3
    return folder, found, facts, session.recent.counts


def test_a_journal_gives_the_hash_of_its_session(market, whole):
    folder, found, *_ = whole
    repetition = Repetition(plan_of(market))
    repetition.run(events(LocalDisk(folder), "journal"))
    assert state_hash(repetition.plan) == found
    assert not len(repetition.rows_left)
    assert check(LocalDisk(folder), "journal").is_sound


@pytest.mark.parametrize("kills", [(37,), (37 * 140, 37 * 540), (37 * 900,)])
def test_a_killed_session_goes_on_as_if_nothing_had_happened(kills, market, whole, tmp_path):
    _, _, facts, uninterrupted = whole
    world = Told(facts)
    session, journal = begun(market, tmp_path, world)
    for place in kills:
        run(session, world, place - world.at)
        del session, journal  # no close, no sync: the process is gone
        gc.collect()
        session, journal = recovered(market, tmp_path, world)
    run(session, world, len(facts) - world.at)
    ended = session.finish()
    journal.close()
    assert repeated_hash(market, tmp_path) == ended
    assert list(session.recent.counts) == list(uninterrupted)  # stamps differ by some ns, so the hash does
    assert journal.epoch == 1 + len(kills)


def repeated_hash(market, folder):
    repetition = Repetition(plan_of(market))
    repetition.run(events(LocalDisk(folder), "journal"))
    return state_hash(repetition.plan)


def test_a_fact_that_was_changed_is_found_by_the_rows_that_follow(market, whole):
    folder, *_ = whole

    def changed():
        for record, event in events(LocalDisk(folder), "journal"):
            if record.kind == RecordKind.ROWS:
                continue
            yield record, event

    repetition = Repetition(plan_of(market))
    repetition.run(changed())
    assert len(repetition.rows_left), "rows that the journal does not have are kept"

    other = make_plan(market[1], market[0].rules, seed=0)
    other.states[0]["instances"]["costs"]["taker_rate"] *= 2.0
    other.venues[0]["costs"]["taker_rate"] *= 2.0
    with pytest.raises(NotRepeated, match="the journal has"):
        Repetition(other).run(events(LocalDisk(folder), "journal"))


def test_a_fact_at_which_the_step_fails_is_left_out_for_good(market, whole, tmp_path):
    facts = whole[2]
    world = Told(facts)
    session, journal = begun(market, tmp_path, world)
    run(session, world, 37 * 20)
    world.tell(session.intake, 3)
    session.intake.put_print(0, 1e300, 1.0, 10**9, 0, world.now_ns)
    world.tell(session.intake, 3)
    with pytest.raises(StepFailed, match="PRICE_MAX") as failed:
        session.take_batch()
    assert len(session.intake) == 0

    plan, disk = plan_of(market), LocalDisk(tmp_path)
    repetition = Repetition(plan, poisoned={failed.value.seq})
    repetition.run(events(disk, "journal"))
    session = Session(plan, journal, session.intake, world.clock, begun=repetition)
    run(session, world, len(facts) - world.at)
    ended = session.finish()
    journal.close()
    again = Repetition(plan_of(market), poisoned={failed.value.seq})
    again.run(events(disk, "journal"))
    assert state_hash(again.plan) == ended
    assert session.recent.counts[RowKind.FILL] > 300, "it goes on to trade"


def test_a_fact_at_which_the_step_fails_is_named_where_nothing_says_that_it_is_poisoned(market, whole, tmp_path):
    world = Told(whole[2])
    session, journal = begun(market, tmp_path, world)
    run(session, world, 37 * 20)
    world.tell(session.intake, 3)
    session.intake.put_print(0, 1e300, 1.0, 10**9, 0, world.now_ns)
    with pytest.raises(StepFailed) as failed:
        session.take_batch()
    journal.close()
    found = (one for one in events(LocalDisk(tmp_path), "journal") if one[0].kind != RecordKind.POISON)
    with pytest.raises(StepFailed, match="PRICE_MAX") as again:
        Repetition(plan_of(market)).run(found)
    assert again.value.seq == failed.value.seq


def test_two_sessions_that_receive_the_same_write_the_same_bytes(market, whole, tmp_path):
    folder, found, facts, _ = whole
    world = Told(facts)
    session, journal = begun(market, tmp_path, world)
    run(session, world, len(facts))
    assert session.finish() == found
    journal.close()
    names = LocalDisk(tmp_path).names("journal")
    assert names == LocalDisk(folder).names("journal")
    for name in names:
        assert _records(folder, name) == _records(tmp_path, name)


def _records(folder, name):
    """The bytes of a segment but for what it says of how far it was synced, which is the disk's affair."""
    return [
        (record.kind, record.payload)
        for record, _ in events(LocalDisk(folder), "journal")
        if record.file.endswith(name)
    ]


def test_a_snapshot_goes_on_as_its_session(market, whole, tmp_path):
    facts = whole[2]
    world = Told(facts)
    session, journal = begun(market, tmp_path, world)
    run(session, world, 37 * 500)
    snapshot = snapshots.snapshot_of(session, "one", journal.seq, "1")
    run(session, world, len(facts) - world.at)
    ended = session.finish()
    journal.close()
    repetition = snapshots.restored(plan_of(market), snapshot, frozenset())
    repetition.run(events(LocalDisk(tmp_path), "journal", snapshot.seq))
    assert state_hash(repetition.plan) == ended
    assert list(repetition.recent.counts) == list(session.recent.counts)
    assert repetition.fact_count == session.fact_count


def test_the_last_rows_are_kept_for_who_looks(market, whole):
    folder, *_ = whole
    repetition = Repetition(plan_of(market))
    repetition.run(events(LocalDisk(folder), "journal"))
    fills = repetition.recent.of(RowKind.FILL)
    assert len(fills) == repetition.recent.counts[RowKind.FILL]
    assert np.all(np.diff(fills["ts_ns"]) >= 0)
