"""The rows of a session in ``index.db``: kept while its journal is written and reduced, made again from the rest."""

import json

import numpy as np
import pytest
from tests.runtime.session.read_model.test_replica_on_bars import STRATEGY

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.adapters.stores.index import INDEX_FILE, SessionIndex
from tightloop.app.runs import strategies as runs_strategies
from tightloop.app.runs.live import files
from tightloop.app.runs.live.index import keeping
from tightloop.app.runs.live.index.keeping import KeptSession
from tightloop.core.domain.enums import Phase
from tightloop.core.limits import MINUTE_NS
from tightloop.ports.read_model import TABLES
from tightloop.runtime.session.driver import snapshots
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.journal import Journal, RecordKind, SegmentSizes
from tightloop.runtime.session.journal import snapshots as kept_states
from tightloop.runtime.session.journal.reducing import base_record, old_segments, reduce_segments
from tightloop.runtime.session.market.bars import closed_event
from tightloop.runtime.session.market.intake import Intake

SIZES = SegmentSizes(first=16_384, last=16_384, reserve=4_096)
BEGUN_NS = 1_704_110_400_000_000_000
NAMES = ("binance:BTCUSDT-perp", "binance:ETHUSDT-perp")
OFTEN = STRATEGY.replace('{rsi: "> 99.5"}', '{rsi: "> 55"}').replace(", 600]", ", 60]")
ABOUT = {
    "mode": "paper", "state": "RUNNING", "venue": "binance-usdm", "url": None, "key": "k", "lease": "paper-k",
    "instruments": [], "strategies": ["crosser.yaml"], "names": ["crosser"], "config_hash": ["c"], "account": None,
    "seed": 0, "rules": {name: {} for name in NAMES}, "made_ns": BEGUN_NS, "engine_version": "0",
    "since_ns": BEGUN_NS,
}  # fmt: skip


class BarSession:
    """A session on bars of a walk, in a home folder, whose journal has small segments with a base in each."""

    def __init__(self, root):
        self.home = Home(root)
        self.home.make()
        self.name = self.home.make_session(ABOUT, {"crosser.yaml": OFTEN.encode()})
        folder = self.home.folder(self.name)
        strategies = runs_strategies.load_strategies([folder / "strategies" / "crosser.yaml"])
        self.disk = LocalDisk(folder)
        self.now_ns, self.k = BEGUN_NS, 0
        self.journal = Journal.create(self.disk, files.JOURNAL, self.name, 1, sizes=SIZES)
        plan = files.plan_of(strategies, ABOUT)
        self.session = Session(plan, self.journal, Intake(self.clock), self.clock)
        self.closes = 1_000.0 + np.cumsum(np.random.default_rng(5).normal(0.0, 10.0, 10_000))
        self.segment, self.bases = 1, []

    def clock(self):
        return self.now_ns

    def run(self, count):
        for _ in range(count):
            close, before = self.closes[self.k + 1], self.closes[self.k]
            self.k += 1
            self.now_ns = BEGUN_NS + self.k * MINUTE_NS
            for at in range(len(NAMES)):
                bar = (before, max(before, close), min(before, close), close, 1.0)
                event = closed_event(at, bar, self.now_ns - MINUTE_NS)
                event["phase"] = int(Phase.DECIDE_ON_CLOSE | Phase.RECORD) if at else int(Phase.NONE)
                self.session.intake.put_event(event)
            while self.session.take_batch():
                pass
            self.now_ns += 1_000_000_000
            for at in range(len(NAMES)):  # what fills its orders
                self.session.intake.put_print(at, close, 50.0, self.k, 0, self.now_ns)
            while self.session.take_batch():
                pass
            self.session.advance()
            if self.journal.segment != self.segment:
                self.segment = self.journal.segment
                base = snapshots.snapshot_of(self.session, self.name, self.journal.seq, "0")
                self.bases.append(kept_states.save(self.disk, files.BASES, base, 1_000))

    def reduce(self):
        """Let the market facts before the last base but one go, as a session does."""
        base = self.bases[-2]
        seq = kept_states.unpack(self.disk.read(f"{files.BASES}/{base}")).seq
        self.journal.append(RecordKind.SNAPSHOT, base_record(self.disk, files.BASES, base))
        self.journal.sync()
        old = old_segments(self.disk, files.JOURNAL, seq, self.journal.segment)
        assert old
        reduce_segments(self.disk, files.JOURNAL, old, files.BASES, base)
        return seq


@pytest.fixture
def running(tmp_path):
    found = BarSession(tmp_path)
    yield found
    found.journal.close()


def read(kept):
    while kept.advance():
        pass


def rows_of(session):
    index = SessionIndex(session.home.root)
    found = {table: index.rows(table, session.name) for table in TABLES if table != "sessions"}
    index.close()
    return found


def rebuilt(session):
    for end in ("", "-wal", "-shm"):
        (session.home.root / f"{INDEX_FILE}{end}").unlink(missing_ok=True)
    assert keeping.catch_up_all(session.home.root) == {}
    return rows_of(session)


def test_a_journal_that_is_reduced_while_it_is_followed_gives_the_same_rows_again(running):
    kept = KeptSession(running.home, running.name, is_running=True)
    while len(running.bases) < 4:
        running.run(20)
        read(kept)
    before = rows_of(running)
    seq = running.reduce()
    running.run(30)
    read(kept)
    kept.close()
    followed = rows_of(running)
    assert all(row["seq"] >= seq for row in followed["value_rows"])
    assert len(followed["equity"]) > len(before["equity"]) > 50
    assert followed["equity"][: len(before["equity"])] == before["equity"]
    assert followed["closest"]
    assert followed["fills"]
    assert rebuilt(running) == followed
    running.run(40)
    assert keeping.catch_up_all(running.home.root) == {}
    assert len(rows_of(running)["equity"]) == len(followed["equity"]) + 40
    followed = rows_of(running)
    assert rebuilt(running) == followed


def test_a_mark_at_a_fact_that_was_reduced_is_gone_on_from(running):
    running.run(40)
    assert keeping.catch_up_all(running.home.root) == {}
    while len(running.bases) < 4:
        running.run(20)
    running.reduce()
    assert keeping.catch_up_all(running.home.root) == {}
    assert len(rows_of(running)["transitions"]) > 10
    index = SessionIndex(running.home.root)
    seqs = [row["seq"] for row in index.rows("changes", running.name) if row["tbl"] == "orders"]
    index.close()
    assert seqs == sorted(seqs)  # nothing was written a second time


def test_bars_and_values_go_when_market_facts_would(running):
    (running.home.root / "settings.yaml").write_text("keep_market_days: 0.01\n", encoding="utf-8")
    running.run(100)
    assert keeping.catch_up_all(running.home.root) == {}
    found = rows_of(running)
    oldest_ns = running.now_ns - round(0.01 * 86_400e9)
    assert {row["open_ts"] >= oldest_ns for row in found["bars"]} == {True}
    assert {row["ts"] >= oldest_ns for row in found["value_rows"]} == {True}
    assert len(found["bars"]) < 100
    assert len(found["equity"]) >= 100
    index = SessionIndex(running.home.root)
    told = [json.loads(row["key"]) for row in index.rows("changes", running.name) if row["tbl"] == "bars"]
    index.close()
    assert min(key[2] for key in told) >= oldest_ns - MINUTE_NS


def test_what_was_kept_is_not_overwritten_by_a_journal_that_cannot_be_read_to_its_end(running):
    while len(running.bases) < 4:
        running.run(20)
    assert keeping.catch_up_all(running.home.root) == {}
    file = running.home.folder(running.name) / "kept" / "equity.parquet"
    before = file.read_bytes()
    kept = KeptSession(running.home, running.name, is_running=False)
    kept.advance()
    kept.close()
    assert file.read_bytes() == before
