"""Paper sessions on the sandbox, as a user runs them: killed, found again, replayed, exported, asked."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs.live import files, outside
from tightloop.runtime.session.driver.operator import Operator, OperatorRequest
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.journal import Journal, check
from tightloop.runtime.session.market.intake import Intake

QUICK = Path(__file__).parent / "quick.yaml"
TIGHTLOOP = (sys.executable, "-m", "tightloop.app.cli.main")
DEADLINE_S = 90.0


@pytest.fixture(scope="module")
def url():
    twin = subprocess.Popen(
        [*TIGHTLOOP, "sandbox", "--venue", "binance-usdm", "--port", "0", "--sample", "pump", "--speed", "10"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for line in twin.stdout:
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found:
                yield found[0]
                break
        else:
            pytest.fail("the sandbox says no URL")
    finally:
        twin.kill()
        twin.communicate()


def command(home, url, *options):
    return [*TIGHTLOOP, "paper", str(QUICK), "--venue", "binance-usdm", "--url", url, "--home", str(home), *options]


class Paper:
    """A session in a process; ``seen`` are the objects it has printed."""

    def __init__(self, home, url, *options):
        self.seen = []
        self.process = subprocess.Popen(
            command(home, url, "--json", *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def until(self, is_reached):
        ends = time.monotonic() + DEADLINE_S
        for line in self.process.stdout:
            self.seen.append(json.loads(line))
            if is_reached(self.seen[-1]):
                return self.seen[-1]
            assert time.monotonic() < ends, self.seen[-1]
        pytest.fail(f"the session ended: {self.process.stderr.read()}")

    def end(self):
        _, said = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, said


def traded(shown):
    return shown["equity"] != 10_000.0 and shown["seq"] > 300


@pytest.fixture(scope="module")
def recovered(url, tmp_path_factory):
    """A session that was killed in the middle of trading and started again: home, what was printed before and after."""
    home = tmp_path_factory.mktemp("home")
    first = Paper(home, url)
    killed = first.until(traded)
    first.process.send_signal(signal.SIGKILL)
    first.end()
    between = outside.listed(home)
    second = Paper(home, url)
    going_on = second.until(lambda shown: shown["seq"] > killed["seq"] + 200)
    going_on = second.until(lambda _: len(outside.shown(home, "last")["fills"]) > 3)
    second.process.send_signal(signal.SIGTERM)
    code, said = second.end()
    return home, killed, between, going_on, code, said


def test_a_killed_session_goes_on_under_its_id(recovered):
    home, killed, between, going_on, code, said = recovered
    assert [row["state"] for row in between] == ["KILLED"]
    assert going_on["id"] == killed["id"]
    assert "recovered, epoch 2" in said
    (row,) = outside.listed(home)
    assert row["state"] == "STOPPED"
    shown = outside.shown(home, killed["id"])
    assert code == (5 if shown["positions"] else 0)
    assert shown["epoch"] == 2
    assert len(shown["fills"]) >= 2


def test_its_journal_gives_the_hash_it_ended_with(recovered):
    home, killed, *_, said = recovered
    found = outside.replayed(home, killed["id"])
    assert f"state_hash {found['state_hash']}" in said
    assert check(LocalDisk(home / "sessions" / killed["id"]), "journal").is_sound


def test_a_backtest_of_its_recording_makes_the_same_fills(recovered, tmp_path):
    home, killed, *_ = recovered
    written = outside.export(home, killed["id"], tmp_path / "catalog")
    assert written["trades"] > 100
    assert written["quotes"] > 100
    run = runs_backtest.backtest(QUICK, data=tmp_path / "catalog", accept=["holes"])  # of the time it was dead
    fills = outside.shown(home, killed["id"])["fills"]
    rows = run.fills.to_dicts()  # its ids count no facts of the session alone: that the feed was down and up again
    assert [(row["qty"], row["price"], row["fee"]) for row in rows] == [(f["qty"], f["price"], f["fee"]) for f in fills]
    assert len(fills) > 3


def test_who_starts_the_same_again_is_told_which_session_runs(url, tmp_path):
    home = tmp_path / "home"
    first = Paper(home, url)
    running = first.until(lambda shown: shown["state"] == "RUNNING")
    others = [subprocess.run(command(home, url), capture_output=True, text=True, check=False) for _ in range(2)]
    for other in others:
        assert other.returncode == 3
        assert other.stdout.strip() == running["id"]
    (row,) = outside.listed(home)
    assert row["pid"] == first.process.pid
    assert outside.asked(home, "last", {"what": "pause"}) == {"outcome": "done"}
    assert outside.shown(home, "last")["state"] == "PAUSED"
    outside.asked(home, "last", {"what": "resume"})
    assert outside.asked(home, running["id"], {"what": "stop", "keep": False}) == {"outcome": "done"}
    code, _ = first.end()
    assert code == 0, "flattened"
    assert outside.shown(home, running["id"])["positions"] == []


def test_ctrl_c_stops_a_session(url, tmp_path):
    session = Paper(tmp_path / "home", url)
    shown = session.until(lambda shown: shown["seq"] > 0)
    os.kill(session.process.pid, signal.SIGINT)
    code, said = session.end()
    assert code in (5, 130)
    assert f"session {shown['id']} stopped" in said


def test_a_venue_that_does_not_answer_is_named(tmp_path):
    run = subprocess.run(command(tmp_path / "home", "http://127.0.0.1:9"), capture_output=True, text=True, check=False)
    assert run.returncode == 4
    assert "http://127.0.0.1:9 does not say what is traded there" in run.stderr


def test_a_paused_session_is_paused_after_it_was_killed_and_other_kills_do_not_stop_it(url, tmp_path):
    home = tmp_path / "home"
    first = Paper(home, url)
    running = first.until(lambda shown: shown["state"] == "RUNNING")
    assert outside.asked(home, "last", {"what": "pause"}) == {"outcome": "done"}
    first.process.send_signal(signal.SIGKILL)
    first.end()
    assert outside.kill(home, "symbol:NOTHERE")["failed"] == []
    second = Paper(home, url)
    shown = second.until(lambda shown: shown["state"] == "PAUSED")
    assert shown["id"] == running["id"]
    second.process.send_signal(signal.SIGKILL)
    second.end()


def test_a_session_that_was_killed_while_it_stopped_ends_when_it_is_started(url, tmp_path):
    home = tmp_path / "home"
    first = Paper(home, url)
    first.until(traded)
    first.process.send_signal(signal.SIGKILL)
    first.end()
    (folder,) = (home / "sessions").iterdir()
    about, disk = json.loads((folder / "session.json").read_text()), LocalDisk(folder)
    journal, _ = Journal.open(disk, "journal")
    begun = files.repeat(Home(home), about)
    session = Session(begun.plan, journal, Intake(time.time_ns), time.time_ns, begun=begun)
    Operator(session, journal, bool, bool).take(OperatorRequest(what="stop", keep=False))
    journal.close()
    code, said = Paper(home, url).end()
    assert "was being stopped" in said
    assert code == 0, "flattened"
    assert [row["state"] for row in outside.listed(home)] == ["STOPPED"]
