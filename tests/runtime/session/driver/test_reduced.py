"""A session whose old market facts are gone: the same hash from its base, and nothing that was decided is lost."""

import random
import shutil
from collections import Counter

import pytest
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told, plan_of, pumped, run

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.app.runs.live import files
from tightloop.core.domain.enums import EventKind, SessionControl
from tightloop.model.errors import TightloopError
from tightloop.runtime.session import told
from tightloop.runtime.session.driver import snapshots
from tightloop.runtime.session.driver.session import Session, state_hash
from tightloop.runtime.session.journal import (
    Beside,
    FaultKind,
    Journal,
    JournalCorrupt,
    RecordKind,
    SegmentSizes,
    check,
    records,
    whole_events,
)
from tightloop.runtime.session.journal import snapshots as kept
from tightloop.runtime.session.journal.reduced_segments import reduced_events
from tightloop.runtime.session.journal.reducing import base_record, old_segments, reduce_segments
from tightloop.runtime.session.market.intake import Intake

SIZES = SegmentSizes(first=32_768, last=32_768, reserve=4_096)


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    found = pumped(tmp_path_factory.mktemp("ticks"))
    return found, facts_of(found[0], plan_of(found))


def reduce(disk, journal, name, seq):
    journal.append(RecordKind.SNAPSHOT, base_record(disk, files.BASES, name))
    reduce_segments(disk, files.JOURNAL, old_segments(disk, files.JOURNAL, seq, journal.segment), files.BASES, name)


@pytest.fixture(scope="module")
def whole(market, tmp_path_factory):
    """The folder of a session in many small segments with a base in each, its hash, its records by kind."""
    folder = tmp_path_factory.mktemp("session")
    world, disk = Told(market[1]), LocalDisk(folder)
    journal = Journal.create(disk, files.JOURNAL, "one", 1, sizes=SIZES)
    session, segment = Session(plan_of(market[0]), journal, Intake(world.clock), world.clock), 1
    while world.at < len(world.facts):
        run(session, world, 37)
        if journal.segment != segment:
            segment = journal.segment
            kept.save(disk, files.BASES, snapshots.snapshot_of(session, "one", journal.seq, "0"), 1_000)
    ended = session.finish()
    assert journal.segment > 6
    middle = sorted(kept.names(disk, files.BASES))[3]
    counts = Counter(record.kind for record in records(disk, files.JOURNAL))
    seq = kept.unpack(disk.read(f"{files.BASES}/{middle}")).seq
    whole = folder.with_name("whole")
    shutil.copytree(folder, whole)
    reduce(disk, journal, middle, seq)
    journal.close()
    return folder, whole, ended, counts


def repeated(market, folder):
    return files.repeated(plan_of(market[0]), LocalDisk(folder), "one")


def test_a_repetition_from_the_base_gives_the_same_hash(market, whole):
    folder, _, ended, _ = whole
    disk = LocalDisk(folder)
    assert "000001.tlj" not in disk.names(files.JOURNAL)
    found = repeated(market, folder)
    assert state_hash(found.plan) == ended
    assert not len(found.rows_left)
    assert check(disk, files.JOURNAL).is_sound
    assert next(iter(records(disk, files.JOURNAL))).seq > 100


def test_what_was_decided_and_executed_is_kept(whole):
    folder, _, _, counts = whole
    disk = LocalDisk(folder)
    gone = Counter(record.kind for record, _ in reduced_events(disk, files.JOURNAL))
    left = Counter(record.kind for record in records(disk, files.JOURNAL))
    for kind in (RecordKind.ROWS, RecordKind.EPOCH, RecordKind.TICKED):
        assert gone[kind] + left[kind] == counts[kind]
    assert gone[RecordKind.FACT] == 0
    assert left[RecordKind.FACT] < counts[RecordKind.FACT]


def test_facts_that_are_not_of_the_market_stay(market, tmp_path):
    disk, world = LocalDisk(tmp_path), Told(market[1])
    journal = Journal.create(disk, files.JOURNAL, "one", 1, sizes=SIZES)
    session = Session(plan_of(market[0]), journal, Intake(world.clock), world.clock)
    run(session, world, 370)
    session.intake.put_event(told.control(SessionControl.PAUSED))
    while journal.segment < 3:
        run(session, world, 37)
    name = kept.save(disk, files.BASES, snapshots.snapshot_of(session, "one", journal.seq, "0"), 9)
    reduce(disk, journal, name, journal.seq)
    facts = [event for record, event in reduced_events(disk, files.JOURNAL) if record.kind == RecordKind.FACT]
    assert [int.from_bytes(fact[:8], "little") for fact in facts] == [int(EventKind.SESSION_CONTROL)]
    journal.close()


def test_a_session_that_was_reduced_goes_on(market, whole, tmp_path):
    folder = tmp_path / "on"
    shutil.copytree(whole[0], folder)
    disk = LocalDisk(folder)
    journal, found = Journal.open(disk, files.JOURNAL, sizes=SIZES)
    begun = files.repeated(plan_of(market[0]), disk, "one", seq_max=found.record_count)
    world = Told(market[1])
    world.now_ns = begun.last_ns
    session = Session(begun.plan, journal, Intake(world.clock), world.clock, begun=begun)
    session.intake.put_quote(0, 1.0, 1.0, 1.1, 1.0, 0)
    session.take_batch()
    ended = session.finish()
    journal.close()
    assert state_hash(repeated(market, folder).plan) == ended


def test_a_crash_between_two_removals_leaves_a_whole_journal(market, whole, tmp_path):
    folder, before, ended, _ = whole
    half = tmp_path / "half"
    shutil.copytree(before, half)
    for name in ("journal/000001.tlr", "journal/000002.tlr"):
        shutil.copy(folder / name, half / name)
    assert state_hash(repeated(market, half).plan) == ended
    (half / "journal/000001.tlj").unlink()
    assert state_hash(repeated(market, half).plan) == ended
    assert check(LocalDisk(half), files.JOURNAL).is_sound
    (half / "journal/000003.tlj").unlink()
    assert not check(LocalDisk(half), files.JOURNAL).is_sound


def test_any_changed_bit_of_what_stands_for_old_facts_is_found_by_its_file(whole, tmp_path):
    folder, disk, rng = tmp_path / "one", LocalDisk(tmp_path / "one"), random.Random(6)
    shutil.copytree(whole[0], folder)
    beside = Beside(files.BASES, files.SNAPSHOTS)
    assert check(disk, files.JOURNAL, beside).is_sound
    base = min((folder / files.BASES).iterdir())
    for file in [*sorted((folder / files.JOURNAL).glob("*.tlr")), base]:
        raw = bytearray(file.read_bytes())
        at, bit = rng.randrange(len(raw)), 1 << rng.randrange(8)
        raw[at] ^= bit
        file.write_bytes(raw)
        verdict = check(disk, files.JOURNAL, beside)
        found = [name for name, _ in verdict.damaged] if file == base else [verdict.fault.file]
        assert found == ([f"{files.BASES}/{base.name}"] if file == base else [file.name]), (file.name, at)
        raw[at] ^= bit
        file.write_bytes(raw)
    assert check(disk, files.JOURNAL, beside).is_sound
    for later in sorted((folder / files.BASES).iterdir())[1:]:
        later.unlink()
    base.write_bytes(base.read_bytes()[:-1])
    fault = check(disk, files.JOURNAL, beside).fault
    assert fault.file == files.BASES
    assert f"{base.name}: part " in fault.text


@pytest.mark.parametrize("fault", ["missing", "changed"])
def test_a_base_that_is_not_the_one_that_was_written_is_refused(fault, market, whole, tmp_path):
    folder = tmp_path / "one"
    shutil.copytree(whole[0], folder)
    bases = sorted((folder / "bases").iterdir())
    if fault == "missing":
        shutil.rmtree(folder / "bases")
    else:
        found = kept.unpack(bases[0].read_bytes())
        parts = dict(found.parts)
        parts["rows"] = b""
        kept.save(LocalDisk(folder), files.BASES, kept.Snapshot(found.session, found.seq, parts, found.layouts), 1_000)
    with pytest.raises((JournalCorrupt, TightloopError), match="base snapshot"):
        repeated(market, folder)
    found = check(LocalDisk(folder), files.JOURNAL, Beside(files.BASES, files.SNAPSHOTS)).fault
    assert "base snapshot" in found.text


def test_who_reads_all_of_a_journal_reads_what_was_reduced_first(whole):
    folder, before, _, counts = whole
    found = list(whole_events(LocalDisk(folder), files.JOURNAL))
    seqs = [record.seq for record, _ in found]
    assert seqs == sorted(set(seqs))
    assert seqs[0] == 0
    kept_kinds = Counter(record.kind for record, _ in found if record.kind != RecordKind.FACT)
    assert kept_kinds == {**{k: n for k, n in counts.items() if k != RecordKind.FACT}, RecordKind.SNAPSHOT: 1}
    rows = {r.seq: r.payload for r, _ in whole_events(LocalDisk(before), files.JOURNAL) if r.kind == RecordKind.ROWS}
    assert {record.seq: record.payload for record, _ in found if record.kind == RecordKind.ROWS} == rows
    verdict = check(LocalDisk(folder), files.JOURNAL)
    assert verdict.reduced_count + verdict.record_count == len(found)
    assert verdict.epoch == 1


@pytest.mark.parametrize("place", [0, 40, -1])
def test_a_changed_byte_of_a_reduced_segment_is_found(place, whole, tmp_path):
    folder = tmp_path / "one"
    shutil.copytree(whole[0], folder)
    file = folder / "journal/000002.tlr"
    raw = bytearray(file.read_bytes())
    raw[place] ^= 1
    file.write_bytes(raw)
    fault = check(LocalDisk(folder), files.JOURNAL).fault
    assert fault.kind is FaultKind.CORRUPT
    assert fault.file == "000002.tlr"
    with pytest.raises(JournalCorrupt, match=r"000002\.tlr"):
        list(whole_events(LocalDisk(folder), files.JOURNAL))


def test_a_reduced_segment_under_another_number_is_found(whole, tmp_path):
    folder = tmp_path / "one"
    shutil.copytree(whole[0], folder)
    shutil.copy(folder / "journal/000001.tlr", folder / "journal/000002.tlr")
    fault = check(LocalDisk(folder), files.JOURNAL).fault
    assert "000001.tlj" in fault.text
