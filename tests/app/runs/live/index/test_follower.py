"""`index.db` beside sessions in processes: what was followed is what a rebuild makes, whatever has happened."""

import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from tests.app.runs.live.trading import DEADLINE_S, QUICK, TIGHTLOOP, Live, Twin

from tightloop.adapters.stores.home import Home
from tightloop.adapters.stores.index import INDEX_FILE, SessionIndex
from tightloop.app.runs.live.index import keeping
from tightloop.ports.read_model import TABLES


@pytest.fixture(scope="module")
def twin():
    twin = Twin()
    yield twin
    twin.close()


def tables(home, session):
    """Return all rows of a session; and of what changed, but for its own row, whose time is that of its file."""
    index = SessionIndex(home)
    found = {table: index.rows(table, session) for table in TABLES}
    changes = index.rows("changes", session)
    index.close()
    found["changes"] = [(row["seq"], row["tbl"], row["key"]) for row in changes if row["tbl"] != "sessions"]
    return found


def rebuilt(home):
    for name in (INDEX_FILE, f"{INDEX_FILE}-wal", f"{INDEX_FILE}-shm"):
        (home / name).unlink(missing_ok=True)
    assert keeping.catch_up_all(home) == {}


def until(condition, within_s=DEADLINE_S):
    ends = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends, condition
        time.sleep(0.2)


def count(home, text):
    """Return the number that a query gives; 0 while there is no file."""
    try:
        link = sqlite3.connect(f"file:{home / INDEX_FILE}?mode=ro", uri=True)
        return link.execute(text).fetchone()[0]
    except sqlite3.OperationalError:
        return 0


class Paper:
    def __init__(self, home, url):
        command = [*TIGHTLOOP, "paper", str(QUICK), "--venue", "binance-usdm", "--url", url, "--home", str(home)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, number):
        self.process.send_signal(number)
        return self.process.communicate(timeout=DEADLINE_S)


def journal_is_read(home, session):
    """Whether rows up to the journal's last record are there, and the follower has seen that the process is gone."""
    index = SessionIndex(home)
    mark, (row,) = index.mark(session), index.rows("sessions", session)
    index.close()
    kept = keeping.KeptSession(Home(home), session, is_running=False)
    while kept.advance():
        pass
    last = kept._last
    kept.close()
    return mark == last and row["pid"] is None


def test_a_session_that_was_killed_has_the_rows_of_a_rebuild_and_goes_on_with_them(twin, tmp_path):
    home = tmp_path
    first = Paper(home, twin.url)
    until(lambda: count(home, "SELECT count(*) FROM fills") >= 2)
    assert count(home, "SELECT pid FROM sessions") == first.process.pid
    first.end(signal.SIGKILL)
    (session,) = Home(home).session_names()
    until(lambda: count(home, "SELECT pid IS NULL FROM sessions"))
    followed = tables(home, session)
    rebuilt(home)
    assert tables(home, session) == followed
    assert {name for name, rows in followed.items() if rows} >= {
        "sessions", "instruments", "instances", "orders", "fills", "positions", "signals", "conditions", "transitions",
        "equity", "value_rows", "closest",
    }  # fmt: skip

    fills = len(followed["fills"])
    second = Paper(home, twin.url)
    until(lambda: count(home, "SELECT count(*) FROM fills") >= fills + 2)
    (home / INDEX_FILE).unlink()  # while it runs
    until(lambda: count(home, "SELECT count(*) FROM fills") >= fills + 2)
    _, said = second.end(signal.SIGTERM)
    assert "index.db" not in said
    until(lambda: count(home, "SELECT ended_ts IS NOT NULL AND pid IS NULL FROM sessions"))
    followed = tables(home, session)
    assert followed["sessions"][0]["epoch"] == 2
    rebuilt(home)
    assert tables(home, session) == followed


def follower_of(session):
    """Return the pid of the process that keeps the rows of a session's process; 0 if there is none."""
    for task in Path(f"/proc/{session.process.pid}/task").iterdir():
        for pid in (task / "children").read_text().split():
            if b"index.follower" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
    return 0


def test_a_follower_that_was_killed_is_back_and_has_lost_no_row(twin, tmp_path):
    session = Paper(tmp_path, twin.url)
    until(lambda: count(tmp_path, "SELECT count(*) FROM fills") >= 1)
    killed = follower_of(session)
    os.kill(killed, signal.SIGKILL)
    until(lambda: follower_of(session) not in (0, killed))
    fills = count(tmp_path, "SELECT count(*) FROM fills")
    until(lambda: count(tmp_path, "SELECT count(*) FROM fills") > fills)
    printed, said = session.end(signal.SIGTERM)
    assert "stopped" in printed
    assert said.count("its process is begun again") == 1
    (name,) = Home(tmp_path).session_names()
    until(lambda: count(tmp_path, "SELECT ended_ts IS NOT NULL AND pid IS NULL FROM sessions"))
    followed = tables(tmp_path, name)
    rebuilt(tmp_path)
    assert tables(tmp_path, name) == followed
    assert followed["closest"]


def test_a_live_session_has_the_venue_s_names_in_its_rows_and_a_rebuild_the_same(twin, tmp_path):
    home = tmp_path
    live = Live(home, twin.url)
    until(lambda: count(home, "SELECT count(*) FROM fills WHERE venue_trade_id IS NOT NULL") >= 2)
    live.stop("--flatten")
    (session,) = Home(home).session_names()
    until(lambda: count(home, "SELECT ended_ts IS NOT NULL AND pid IS NULL FROM sessions"))
    followed = tables(home, session)
    truth = twin.truth()
    mine = [row for row in truth["fills"] if row["client_id"].startswith("tl")]
    theirs = {(str(row["trade_id"]), row["qty"], row["price"], round(row["fee"], 9)) for row in mine}
    ours = {(row["venue_trade_id"], row["qty"], row["price"], round(row["fee"], 9)) for row in followed["fills"]}
    assert ours == theirs
    clients = {row["client_id"] for row in followed["orders"]}  # of an order with several attempts, that of the last
    assert sum(row["client_id"] in clients for row in mine) >= len(mine) / 2
    assert [row for row in followed["positions"] if row["status"] == "open"] == []
    assert [row["command"] for row in followed["controls"]] == ["override paper criteria", "stop"]
    rebuilt(home)
    assert tables(home, session) == followed


def test_what_is_wrong_with_the_file_is_said_and_the_session_goes_on(twin, tmp_path):
    (tmp_path / INDEX_FILE).mkdir()
    session = Paper(tmp_path, twin.url)
    logs = (tmp_path / "sessions").glob
    until(lambda: any("is not kept, index.log says why" in file.read_text() for file in logs("*/logs/session.log")))
    assert any(INDEX_FILE in file.read_text() for file in logs("*/logs/index.log"))
    assert session.process.poll() is None
    printed, said = session.end(signal.SIGTERM)
    assert said.count("index.db is not kept") == 1
    assert "stopped" in printed
