"""The kill switch reaches every session there is, whatever is wrong with others, and outlives processes."""

import asyncio
import contextlib
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told, begun, plan_of, pumped, run

from tightloop.adapters.stores.home import KILL_FILE, Home
from tightloop.app.runs.live import control, outside
from tightloop.app.runs.live.watching.kills import KillSwitch
from tightloop.core.domain.enums import EventKind
from tightloop.model.errors import InputError
from tightloop.runtime.session.driver.operator import Operator

ABOUT = {"mode": "paper", "state": "RUNNING", "made_ns": 1, "strategies": [], "venue": "v"}


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return pumped(tmp_path_factory.mktemp("ticks"))


@pytest.fixture
def session(market, tmp_path):
    world = Told(facts_of(market[0], plan_of(market)))
    session, _ = begun(market, tmp_path / "session", world)
    run(session, world, 37)
    return session


@pytest.fixture
def home():
    with tempfile.TemporaryDirectory() as folder:  # a socket's path is short
        made = Home(Path(folder) / "h")
        made.make()
        yield made


def add_session(home, lease):
    return home.make_session({**ABOUT, "lease": lease, "key": lease}, {})


@contextlib.contextmanager
def served(path, operator):
    """A session's socket, served by a thread."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(control.serve(path, operator, dict))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def waiting_kills(session):
    rows, _, first, count = session.intake.batch()
    kinds = rows["kind"][first : first + count]
    return int(np.count_nonzero(kinds == int(EventKind.KILL_SWITCH)))


def test_a_session_that_runs_is_killed_though_others_are_damaged(home, session):
    damaged, without_journal, running = (add_session(home, name) for name in ("a", "b", "c"))
    (home.folder(damaged) / "session.json").write_text("{")
    lease = home.take("c")
    lease.write(running, 1)
    with served(home.socket(running), Operator(session, session.journal, lambda _: None, lambda: None)):
        found = outside.kill(home.root, "all")
    assert found["told"] == [{"id": running, "outcome": "done"}]
    assert sorted(row["id"] for row in found["failed"]) == sorted([damaged, without_journal])
    assert int(session.plan.states[0]["killed"]) == 1
    assert home.kills() == ["all"]
    lease.close()


def test_what_a_stopped_live_session_has_kept_is_named_until_the_next_one_of_its_account_begins(home):
    held = {"symbol": "BTCUSDT", "qty": -0.008, "entry": 60_000.0}
    common = {**ABOUT, "lease": "live-v-1", "key": "k", "kept": [held]}
    home.make_session({**common, "mode": "paper", "lease": "paper-v-1", "state": "STOPPED"}, {})
    kept = home.make_session({**common, "mode": "live", "state": "STOPPED"}, {})
    found = outside.kill(home.root, "all")
    assert found["open"] == [{"id": kept, "state": "STOPPED", **held}]
    assert found["failed"] == []
    home.make_session({**common, "mode": "live", "state": "STOPPED", "made_ns": 2, "kept": []}, {})
    assert outside.kill(home.root, "all")["open"] == []


def test_what_is_no_scope_is_refused_before_it_is_written(home):
    for scope in ("", "al", "strategy:0", "strategy:²", "symbol:"):
        with pytest.raises(InputError, match="no scope"):
            outside.kill(home.root, scope)
    assert home.kills() == []


def test_scopes_of_other_sessions_do_not_keep_one_from_starting(home, session):
    home.engage("symbol:NOTHERE")
    home.engage("strategy:99")
    switch = KillSwitch(home, session, [].append)
    switch.look()
    assert len(session.intake) == 0
    home.engage(f"symbol:{session.plan.instruments[0].symbol}")
    switch.look()
    switch.look()
    assert waiting_kills(session) == 1


def test_a_kill_that_no_socket_brought_is_found_in_the_file(home, session):
    switch = KillSwitch(home, session, [].append)
    switch.look()
    home.engage("all")
    switch.look()
    session.take_batch()
    assert int(session.plan.states[0]["killed"]) == 1


@pytest.mark.parametrize("text", ["", "{", "5", "[1]", '[{"who": "x"}]', '{"scope": "all"}', "null"])
def test_a_file_that_cannot_be_read_counts_as_engaged_over_everything(text, home, session):
    (home.root / KILL_FILE).write_text(text)
    said = []
    switch = KillSwitch(home, session, said.append)
    switch.look()
    switch.look()
    assert waiting_kills(session) == 1
    assert sum(KILL_FILE in line for line in said) == 1
    home.engage("symbol:X")
    assert home.kills() == ["all", "symbol:X"]


def test_kills_at_the_same_time_are_all_kept(home):
    threads = [threading.Thread(target=home.engage, args=(f"symbol:S{k}",)) for k in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(home.kills()) == sorted(f"symbol:S{k}" for k in range(12))
    home.release("symbol:S3")
    assert len(home.kills()) == 11
    home.release("all")
    assert home.kills() == []
