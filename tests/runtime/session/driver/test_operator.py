"""Requests of an operator: carried out as facts, once for each key."""

import zlib

import numpy as np
import pytest
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told, begun, plan_of, pumped, run

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.core.domain.enums import Reason, RowKind
from tightloop.core.domain.types import LOG_ROW
from tightloop.runtime.session.driver.operator import Gate, Operator, OperatorRequest, answers_in, gate_of
from tightloop.runtime.session.journal import RecordKind, events, records


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return pumped(tmp_path_factory.mktemp("ticks"))


@pytest.fixture
def world(market):
    return Told(facts_of(market[0], plan_of(market)))


@pytest.fixture
def asked(market, world, tmp_path):
    """A session to which a third of the market was told, its journal, an operator, and what the operator called."""
    session, journal = begun(market, tmp_path, world)
    called = []
    operator = Operator(session, journal, called.append, lambda: called.append("stop"))
    run(session, world, len(world.facts) // 3)
    return session, journal, operator, called


def rows_since(folder, seq):
    found = [
        np.frombuffer(zlib.decompress(record.payload), LOG_ROW)
        for record, _ in events(LocalDisk(folder), "journal", seq)
        if record.kind == RecordKind.ROWS
    ]
    return np.concatenate(found) if found else np.zeros(0, LOG_ROW)


def submits(rows):
    return int((rows["kind"] == int(RowKind.SUBMIT)).sum())


def test_a_paused_session_takes_no_entries_until_it_is_resumed(asked, world, tmp_path):
    session, journal, operator, called = asked
    assert operator.take(OperatorRequest(what="pause")) == {"outcome": "done"}
    since = journal.seq
    run(session, world, len(world.facts) - world.at)
    rows = rows_since(tmp_path, since)
    assert submits(rows) == 0
    assert (rows["reason"] == int(Reason.PAUSED)).any(), "entries were wanted, and denied"
    operator.take(OperatorRequest(what="resume"))
    assert called == [True, False]


def test_a_request_is_carried_out_once_for_its_key(asked):
    _, journal, operator, called = asked
    first = operator.take(OperatorRequest(what="pause", key="k"))
    before = journal.seq
    assert operator.take(OperatorRequest(what="resume", key="k")) == first
    assert (called, journal.seq) == ([True], before)


def test_the_kill_switch_leaves_nothing_open(asked, world):
    session, _, operator, _ = asked
    operator.take(OperatorRequest(what="kill"))
    run(session, world, len(world.facts) - world.at)
    state = session.plan.states[0]
    assert (int(state["open_position_count"]), int(state["order_count"])) == (0, 0)


def test_what_is_not_there_is_named(asked):
    _, _, operator, _ = asked
    assert "there is no symbol 'X'" in operator.take(OperatorRequest(what="kill", scope="symbol:X"))["error"]
    assert "strategy:1 to strategy:1" in operator.take(OperatorRequest(what="kill", scope="strategy:2"))["error"]
    assert "is no request" in operator.take(OperatorRequest(what="dance"))["error"]


def test_an_end_without_positions_has_come_when_nothing_is_open(asked, world):
    session, _, operator, called = asked
    operator.take(OperatorRequest(what="stop", keep=False))
    assert called == ["stop"]
    run(session, world, len(world.facts) - world.at)
    assert operator.has_ended()
    assert int(session.plan.states[0]["open_position_count"]) == 0


def test_an_answer_is_given_when_what_was_asked_for_is_in_the_journal(asked, world, tmp_path):
    session, journal, operator, _ = asked
    world.tell(session.intake, 700)
    operator.take(OperatorRequest(what="pause", key="k"))
    assert len(session.intake) == 0
    *_, fact, said = [record for record, _ in events(LocalDisk(tmp_path), "journal") if record.kind != RecordKind.ROWS]
    assert (fact.kind, said.kind, said.seq) == (RecordKind.FACT, RecordKind.OPERATOR, journal.seq - 1)
    assert gate_of(session.plan) == Gate(is_not_ready=False, is_paused=True, is_stopping=False, is_flattened=False)


def test_a_key_holds_in_the_next_process(asked, tmp_path):
    session, journal, operator, called = asked
    first = operator.take(OperatorRequest(what="kill", scope="symbol:X", key="k"))
    answers = answers_in(records(LocalDisk(tmp_path), "journal"))
    following = Operator(session, journal, called.append, called.clear, answers)
    assert following.take(OperatorRequest(what="pause", key="k")) == first
    assert called == []


@pytest.mark.parametrize("keeps", [True, False])
def test_an_end_that_was_begun_is_seen_in_state_and_goes_on(keeps, asked, world):
    session, journal, operator, called = asked
    operator.take(OperatorRequest(what="stop", keep=keeps))
    gate = gate_of(session.plan)
    assert gate.is_stopping
    assert gate.is_flattened is not keeps
    following = Operator(session, journal, called.append, called.clear)
    following.go_on_ending(is_flat=gate.is_flattened)
    seq = journal.seq
    following.end(keeps=True)
    assert journal.seq == seq
    run(session, world, 37 * 40)
    assert following.has_ended()
