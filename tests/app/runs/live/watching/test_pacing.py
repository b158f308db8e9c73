"""A journal at its own pace: each fact at its time, rows shown once they were made again, nothing left out."""

import zlib

import numpy as np
import pytest

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.app.runs.live.watching.pacing import Pace
from tightloop.core.domain.enums import EventKind, RowKind
from tightloop.core.domain.types import EVENT, LOG_ROW
from tightloop.model.times import SECOND_NS
from tightloop.runtime.session.journal import FactWriter, Journal, RecordKind, events

TIMES_S = (0, 4, 4.5, 60, 61)


@pytest.fixture
def journal(tmp_path):
    """Five facts, each with a row that says which."""
    made = Journal.create(LocalDisk(tmp_path), "journal", "s1", 1)
    facts, rows = np.zeros(len(TIMES_S), EVENT), np.zeros(len(TIMES_S), LOG_ROW)
    facts["kind"] = EventKind.TRADE.value
    facts["ts_init_ns"] = 10**18 + np.array([round(at * SECOND_NS) for at in TIMES_S])
    rows["kind"], rows["instrument"] = RowKind.FILL.value, np.arange(len(TIMES_S))
    FactWriter(made).append(
        [(one.tobytes(), zlib.compress(row.tobytes())) for one, row in zip(facts, rows, strict=True)]
    )
    made.close()
    return LocalDisk(tmp_path)


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_facts_come_at_their_time_and_their_rows_after_them(journal, speed):
    now_s, come, shown = [100.0], [], []

    def sleep(seconds):
        now_s[0] += seconds

    pace = Pace(speed, lambda row: shown.append((int(row["instrument"]), now_s[0])), lambda: now_s[0], sleep)
    for record, _ in pace.held(events(journal, "journal")):
        if record.kind == RecordKind.FACT:
            come.append(now_s[0])
            now_s[0] += 0.7 / speed  # the step takes its time, and the next fact comes no later for it
    due = [100.0 + at / speed for at in TIMES_S]
    assert come == pytest.approx([*due[:2], due[1] + 0.7 / speed, *due[3:]]), "the third was due before that"
    assert [at for at, _ in shown] == list(range(len(TIMES_S)))
    assert all(told_s >= due_s for (_, told_s), due_s in zip(shown, due, strict=True))


def test_all_records_pass_in_their_order(journal):
    slept = []
    found = list(Pace(1.0, lambda _: None, lambda: 0.0, slept.append).held(events(journal, "journal")))
    assert [record.seq for record, _ in found] == [record.seq for record, _ in events(journal, "journal")]
    assert slept == pytest.approx([at for at in TIMES_S if at])
