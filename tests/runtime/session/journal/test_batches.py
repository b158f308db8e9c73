"""Facts and rows in one write: they come back as events, and each segment decodes alone."""

import numpy as np
import pytest

from runtime.session.journal.journals import FOLDER, SIZES
from runtime.session.simulated_disk import SimulatedDisk
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT
from tightloop.runtime.session.journal import (
    FactDecoder,
    FactWriter,
    Journal,
    JournalFull,
    RecordKind,
    check,
    events,
    records,
)


def made(count, seed=1):
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, EVENT)
    rows["kind"] = rng.choice([EventKind.TRADE.value, EventKind.QUOTE.value, EventKind.ORDER_FILLED.value], count)
    rows["instrument"] = rng.integers(0, 300, count)
    rows["ts_init_ns"] = 1_767_000_000_000_000_000 + np.cumsum(rng.integers(1, 10**10, count))
    rows["ts_event_ns"] = rows["ts_init_ns"] - rng.integers(0, 10**9, count)
    rows["order_id"] = rng.integers(0, 2**50, count)
    for name in ("price", "qty", "amount"):
        rows[name] = rng.random(count)
    rows["rate"][::3] = np.nan
    return [row.tobytes() for row in rows]


def test_events_and_rows_come_back_from_any_record_on():
    disk = SimulatedDisk()
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    writer = FactWriter(journal)
    written = [(event, b"r" * (k % 90) if k % 3 else b"") for k, event in enumerate(made(500))]
    expected = []
    for begin in range(0, len(written), 7):
        batch = written[begin : begin + 7]
        assert writer.append(batch) == journal.seq
        expected += [pair for event, rows in batch for pair in ((event, None), (None, rows)) if pair[0] or pair[1]]
        if begin % 35 == 0:
            expected.append((None, b"ask"))
            journal.append(RecordKind.ASK, b"ask")
    journal.close()
    found = [(event or None, None if event else record.payload) for record, event in events(disk, FOLDER)][1:]
    assert found == expected
    assert journal.segment >= 5
    for seq in (300, 501, 702):
        later = list(events(disk, FOLDER, seq))
        assert [record.seq for record, _ in later] == list(range(seq, journal.seq))
        assert [(event or None, None if event else record.payload) for record, event in later] == expected[seq - 1 :]


def test_each_segment_decodes_alone():
    disk = SimulatedDisk()
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    FactWriter(journal).append([(event, b"") for event in made(300)])
    journal.close()
    decoder, file, count = FactDecoder(), "", 0
    for record in records(disk, FOLDER):
        if record.file != file:
            decoder, file = FactDecoder(), record.file
        if record.kind == RecordKind.FACT:
            decoder.decode(record.payload)
            count += 1
    assert count == 300


def test_a_second_life_goes_on_in_the_middle_of_a_segment():
    disk = SimulatedDisk()
    journal = Journal.create(disk, FOLDER, "s1", 1)
    wanted = made(40)
    FactWriter(journal).append([(event, b"") for event in wanted[:20]])
    disk.kill()
    journal, _ = Journal.open(disk, FOLDER)
    FactWriter(journal).append([(event, b"") for event in wanted[20:]])
    assert [event for _, event in events(disk, FOLDER) if event] == wanted


def fill(writer, wanted):
    """Append events, each alone, until there is no room."""
    for event in wanted:
        writer.append([(event, b"")])


def test_after_a_refused_batch_the_facts_written_can_be_read():
    disk = SimulatedDisk(capacity=4_096)
    journal = Journal.create(disk, FOLDER, "s1", 1, sizes=SIZES)
    writer = FactWriter(journal)
    wanted = made(200)
    with pytest.raises(JournalFull):
        fill(writer, wanted)
    written = journal.seq - 1
    writer.append([(wanted[written], b"rows")], is_reserved=True)
    assert [event for _, event in events(disk, FOLDER) if event] == wanted[: written + 1]
    assert check(disk, FOLDER).is_sound
