"""What a replica tells of a session: the same rows in whatever pieces it reads, and the values that State has."""

import math
from collections import defaultdict

import pytest
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told, plan_of, pumped, run

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.app.runs.live import files
from tightloop.core.domain.enums import Section
from tightloop.core.limits import MINUTE_NS, SECOND_NS
from tightloop.core.replay import ticks as replay_ticks
from tightloop.ports.read_model import TABLES
from tightloop.runtime.session.driver import snapshots
from tightloop.runtime.session.driver.session import Repetition, Session, state_hash
from tightloop.runtime.session.journal import Journal, JournalFollower, RecordKind, SegmentSizes
from tightloop.runtime.session.journal import snapshots as kept_states
from tightloop.runtime.session.journal.reducing import base_record, old_segments, reduce_segments
from tightloop.runtime.session.market.intake import Intake
from tightloop.runtime.session.read_model.live_values import LiveValues
from tightloop.runtime.session.read_model.records import SessionRecords

SIZES = SegmentSizes(first=32_768, last=32_768, reserve=4_096)
OF_STATE = ("equity", "bars", "value_rows", "closest")


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    found = pumped(tmp_path_factory.mktemp("ticks"))
    return found, facts_of(found[0], plan_of(found))


@pytest.fixture(scope="module")
def session(market, tmp_path_factory):
    """The folder of a session in many small segments with a base in each, and its hash at the end."""
    folder = tmp_path_factory.mktemp("session")
    world, disk = Told(market[1]), LocalDisk(folder)
    journal = Journal.create(disk, files.JOURNAL, "one", 1, sizes=SIZES)
    one, segment = Session(plan_of(market[0]), journal, Intake(world.clock), world.clock), 1
    while world.at < len(world.facts):
        run(one, world, 37)
        if journal.segment != segment:
            segment = journal.segment
            kept_states.save(disk, files.BASES, snapshots.snapshot_of(one, "one", journal.seq, "0"), 1_000)
    ended = one.finish()
    reading = journal, one
    yield folder, ended, reading
    journal.close()


class Read:
    """Reads a journal in pieces; keeps the last row of each key."""

    def __init__(self, market, folder, plan=None):
        self.tables, self.told = {table: {} for table in TABLES}, []
        plan = plan or plan_of(market[0])
        disk = LocalDisk(folder)
        repetition, self.from_seq = files.begun(plan, disk, "one", set(), None)
        assert isinstance(repetition, Repetition)
        self.records = SessionRecords(plan, "one", 5, None, repetition, self.from_seq)
        self.follower = JournalFollower(disk, files.JOURNAL)
        self.kept = None

    def all(self, count, *, is_looked_at=False):
        while found := self.follower.read(count):
            for record, event in found:
                if self.kept is not None and record.seq >= self.from_seq:
                    for row in self.records.resume(self.kept):
                        self.put(row.table, [dict(row.values)])
                    self.put("equity", [row for row in self.kept["equity"] if row["seq"] < self.from_seq])
                    self.put("closest", [row for row in self.kept["closest"] if row["seq"] < self.from_seq])
                    self.kept = None
                rows = self.records.take(record, event)
                self.told += [(record.seq, row) for row in rows]
                for row in rows:
                    self.put(row.table, [dict(row.values)])
            if is_looked_at:
                self.records.replica.is_stepped()
        self.follower.close()
        return self

    def put(self, table, rows):
        for row in rows:
            self.tables[table][tuple(row[name] for name in TABLES[table].keys)] = row

    def rows(self, table):
        return list(self.tables[table].values())


@pytest.fixture(scope="module")
def whole(market, session):
    return Read(market, session[0]).all(10_000)


def test_the_rows_are_the_same_in_whatever_pieces_the_journal_is_read(market, session, whole):
    for count, is_looked_at in ((13, False), (500, True)):
        again = Read(market, session[0]).all(count, is_looked_at=is_looked_at)
        assert again.told == whole.told
    assert all(whole.tables[table] for table in OF_STATE)


def test_the_replica_ends_where_the_session_ended(session, whole):
    whole.records.replica.run()
    assert state_hash(whole.records.replica.plan) == session[1]


def test_equity_has_a_row_for_each_minute_and_each_record_with_fills(whole):
    rows = whole.rows("equity")
    of_fills = {seq for seq, row in whole.told if row.table == "fills"}
    assert {row["seq"] for row in rows} >= of_fills
    assert sum(row["ts"] % MINUTE_NS == 0 for row in rows) >= 3
    peak = -math.inf
    for row in sorted(rows, key=lambda row: row["ts"]):
        peak = max(peak, row["equity"])
        assert row["drawdown_pct"] >= 0.0
        assert row["cash"] is not None
    assert {round(row["equity"], 9) for row in rows} != {10_000.0}


def test_bars_of_a_minute_are_those_of_the_prints(market, whole):
    plan = plan_of(market[0])
    prints = defaultdict(list)
    for fact in market[1][market[1]["kind"] == 14]:
        key = str(plan.instruments[int(fact["instrument"])]), int(fact["ts_init_ns"]) // MINUTE_NS * MINUTE_NS
        prints[key].append((float(fact["price"]), float(fact["qty"])))
    found = whole.rows("bars")
    last_ns = max(int(ts) for ts in market[1]["ts_init_ns"]) // MINUTE_NS * MINUTE_NS
    assert {(row["instrument"], row["open_ts"]) for row in found} == {key for key in prints if key[1] < last_ns}
    for row in found:
        prices, qtys = zip(*prints[row["instrument"], row["open_ts"]], strict=True)
        assert (row["open"], row["high"], row["low"], row["close"]) == (
            prices[0], max(prices), min(prices), prices[-1],
        )  # fmt: skip
        assert row["volume"] == pytest.approx(sum(qtys), rel=1e-12)


HOLDS = {">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b}


def looked_at(market, folder):
    """Values of the variants of each instance at the end of each second in which something came, by plain stepping."""
    plan = plan_of(market[0])
    repetition = Repetition(plan)
    second = None
    for record, event in JournalFollower(LocalDisk(folder), files.JOURNAL).read(10_000_000):
        if record.kind == RecordKind.FACT:
            now = int.from_bytes(event[40:48], "little") // SECOND_NS
            if second is not None and now > second:
                replay_ticks.measure_put_off(plan.states, plan.arena, plan.table)
                yield plan
            second = now
        repetition.run([(record, event)])


def test_the_nearest_of_a_condition_is_the_least_distance_at_any_look(market, session, whole):
    """Of watches of S1 that no transition ended within the second before: each look compares as YAML reads."""
    plan = plan_of(market[0])
    state = plan.states[0]
    least = {}
    first_ns = min(int(ts) for ts in market[1]["ts_init_ns"])
    for plan in looked_at(market, session[0]):
        state = plan.states[0]
        for number in range(int(state["instance_count"])):
            instance = state["instances"][number]
            if int(instance["state"]) != 1 or int(instance["state_since_ns"]) > first_ns:
                continue
            at = int(instance["strategy"])
            names = list(plan.strategies[at].variants)
            first = int(state["strategies"][at]["section_first"][Section.S1])
            nodes = range(first, first + int(state["strategies"][at]["section_count"][Section.S1]))
            for place, node in enumerate([node for node in nodes if node in plan.conditions]):
                condition = plan.conditions[node]
                cell = state["value_slots"][int(instance["value_base"]) + names.index(condition.variant)]
                value, limit = float(plan.arena[cell]), condition.operands[0]
                if condition.operator not in HOLDS or isinstance(limit, str) or math.isnan(value):
                    continue
                distance = 0.0 if HOLDS[condition.operator](value, limit) else abs(value - limit)
                key = number, place
                least[key] = min(least.get(key, math.inf), distance)
    found = {
        (row["instance"], row["place"]): row["distance"] for row in whole.rows("closest")
        if row["section"] == "S1" and row["since_ts"] == 5
    }  # fmt: skip
    calm = {key: distance for key, distance in least.items() if key[0] != 0}
    assert len(calm) >= 2
    assert {key: found[key] for key in calm} == pytest.approx(calm)


def test_a_section_that_fired_had_all_its_conditions_at_no_distance(whole):
    fired = next(row for row in whole.rows("signals") if row["event"] == "fired" and row["section"] == "S1")
    rows = [
        row for row in whole.rows("closest")
        if row["instance"] == fired["instance"] and row["section"] == "S1" and row["since_ts"] == 5
    ]  # fmt: skip
    count = sum(1 for row in whole.rows("conditions") if row["seq"] == fired["seq"] and row["section"] == "S1")
    assert [row["distance"] for row in rows][:count] == [0.0] * count
    assert {row["others"] for row in rows[:count]} == {count - 1}


def test_a_session_that_cannot_be_repeated_says_so_once_and_tells_no_more(market, session):
    plan = plan_of(market[0])
    plan.states[0]["capital"] *= 2.0
    plan.states[0]["balances"][:] *= 2.0
    plan.states[0]["strategies"]["size_value"] *= 0.5
    told = Read(market, session[0], plan).all(10_000, is_looked_at=True)
    (risk,) = [row for row in told.rows("risk_events") if row["type"] == "NOT_REPEATED"]
    assert risk["severity"] == "CRITICAL"
    assert all(seq <= risk["seq"] for seq, row in told.told if row.table in OF_STATE)
    assert len(told.rows("fills")) > 0


def test_a_reduced_journal_gives_the_rows_that_were_followed(market, session, whole, tmp_path_factory):
    folder, _, (journal, _) = session
    disk = LocalDisk(folder)
    base = sorted(kept_states.names(disk, files.BASES))[3]
    seq = kept_states.unpack(disk.read(f"{files.BASES}/{base}")).seq
    newest = {}
    for row in whole.rows("value_rows"):
        if row["seq"] < seq:
            newest[row["instance"], row["key"]] = row
    kept = {table: whole.rows(table) for table in ("equity", "closest", "positions", "instances", "instruments")}
    journal.append(RecordKind.SNAPSHOT, base_record(disk, files.BASES, base))
    reduce_segments(disk, files.JOURNAL, old_segments(disk, files.JOURNAL, seq, journal.segment), files.BASES, base)
    again = Read(market, folder)
    assert again.from_seq == seq
    again.kept = {**kept, "value_rows": list(newest.values())}
    again.all(100)
    for table in TABLES:
        if table not in ("value_rows", "bars"):
            assert again.tables[table] == whole.tables[table], table
    of_after = {key: row for key, row in whole.tables["value_rows"].items() if row["seq"] >= seq}
    assert again.tables["value_rows"] == of_after
    assert again.tables["bars"].items() <= whole.tables["bars"].items()
    assert again.tables["bars"]


def test_the_latest_values_are_those_of_the_state_with_the_time_of_what_they_are_made_of(market, session):
    read = Read(market, session[0])
    values = LiveValues(read.records.replica, [str(name) for name in plan_of(market[0]).instruments])
    found = read.follower.read(4_000)
    values.note([event for record, event in found if record.kind == RecordKind.FACT])
    for record, event in found:
        read.records.take(record, event)
    assert read.records.replica.is_stepped()
    now, state = values.now(), read.records.replica.plan.states[0]
    assert float(now["equity"].value) == float(state["equity"])
    name = str(plan_of(market[0]).instruments[0])
    assert float(now[f"mark:{name}"].value) == float(state["instruments"][0]["mark"])
    facts = [event for record, event in found if record.kind == RecordKind.FACT]
    assert max(value.ts_ns or 0 for value in now.values()) <= int.from_bytes(facts[-1][40:48], "little")
    assert any(key.startswith("distance:0:S1.") for key in now)
    assert any(key.startswith("indicator:0:") for key in now)
    read.follower.close()
