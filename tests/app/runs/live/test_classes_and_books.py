"""Strategies in Python in sessions against the sandbox: killed and going on, failing, paper and live, on books too."""

import json
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tests.app.runs.live.trading import DEADLINE_S, TIGHTLOOP, Live, Twin, keys, live_command, settled

from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs.live import outside

HERE = Path(__file__).parent
FLIPPING, BOOKED = HERE / "flipping.yaml", HERE / "booked.yaml"


@pytest.fixture(scope="module")
def twin():
    found = Twin("10")
    yield found
    found.close()


class Paper:
    """A paper session; ``shown`` is what it printed last."""

    def __init__(self, file, home, url, *options):
        where = ["--venue", "binance-usdm", "--url", url, "--home", str(home), "--json", *options]
        self.home, self.shown = home, {}
        self.process = subprocess.Popen(
            [*TIGHTLOOP, "paper", str(file), *where], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.shown = json.loads(line)

    def until(self, is_reached):
        ends = time.monotonic() + DEADLINE_S
        while not (self.shown and is_reached(self.shown)):
            assert time.monotonic() < ends, self.shown
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.1)
        return self.shown

    def end(self, number):
        self.process.send_signal(number)
        said = self.process.stderr.read()
        code = self.process.wait(DEADLINE_S)
        self._thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return code, said


def traded(shown):
    return shown["equity"] != 10_000.0


def has_traded_since(shown):
    return lambda later: later["equity"] != shown["equity"] and later["seq"] > shown["seq"] + 100


# Books at ten times the speed are too much for a busy machine: a session that is late decides later than its backtest.
@pytest.mark.parametrize(
    "file", [FLIPPING, pytest.param(BOOKED, marks=pytest.mark.nightly)], ids=lambda path: path.stem
)
def test_a_killed_session_goes_on_is_replayed_and_backtested(file, twin, tmp_path):
    home = tmp_path / "home"
    first = Paper(file, home, twin.url)
    before = first.until(traded)
    first.end(signal.SIGKILL)
    second = Paper(file, home, twin.url)
    going_on = second.until(has_traded_since(before))
    if file is BOOKED:
        twin.ask("fault", {"kind": "book_gap", "count": 2})
        second.until(has_traded_since(going_on))
    second.until(lambda _: len(outside.shown(home, "last")["fills"]) > 3)
    code, said = second.end(signal.SIGTERM)
    assert code in (0, 5)
    assert "recovered, epoch 2" in said
    assert going_on["id"] == before["id"]
    found = outside.replayed(home, "last")
    assert f"state_hash {found['state_hash']}" in said

    counts = outside.export(home, "last", tmp_path / "catalog")
    run = runs_backtest.backtest(file, data=tmp_path / "catalog", accept=["holes"])  # of the time it was dead
    fills = outside.shown(home, "last")["fills"]
    rows = run.fills.to_dicts()
    assert [(row["qty"], row["price"], row["fee"]) for row in rows] == [(f["qty"], f["price"], f["fee"]) for f in fills]
    assert len(fills) > 3
    assert (counts["books"] > 0) is (file is BOOKED)


def test_a_class_that_raises_ends_entries_and_the_exit_code_says_so(twin, tmp_path):
    file = tmp_path / "failing.yaml"
    file.write_text(FLIPPING.read_text() + "params: {fails_after: 3}\n")
    (tmp_path / "flipping.py").write_text((HERE / "flipping.py").read_text())
    session = Paper(file, tmp_path / "home", twin.url, "--on-exit", "flatten")
    session.until(lambda shown: shown["state"] == "ERROR")
    code, said = session.end(signal.SIGTERM)
    assert code == 1
    assert "ValueError: enough" in said
    assert outside.replayed(tmp_path / "home", "last")["state_hash"] in said
    assert outside.shown(tmp_path / "home", "last")["positions"] == []


def test_a_class_trades_live_and_goes_on_after_it_was_killed(tmp_path):
    twin = Twin("10")
    try:
        session = Live(tmp_path, twin.url, file=FLIPPING)
        session.until(lambda shown: shown["state"] == "RUNNING" and twin.truth()["fills"])
        session.kill()
        session = Live(tmp_path, twin.url, file=FLIPPING)
        filled = len(twin.truth()["fills"])
        session.until(lambda shown: shown["state"] == "RUNNING" and len(twin.truth()["fills"]) > filled + 2)
        session.stop("--flatten")
        truth, shown = settled(twin, tmp_path)
        assert truth["positions"] == []
        assert len(shown["fills"]) == len(truth["fills"])
        outside.replayed(tmp_path, "last")
    finally:
        twin.close()


def test_two_classes_on_one_symbol_are_refused(twin, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(FLIPPING.read_text().replace("name: flipping", "name: other"))
    (tmp_path / "flipping.py").write_text((HERE / "flipping.py").read_text())
    command = live_command(tmp_path / "home", twin.url, file=FLIPPING)
    run = subprocess.run(
        [*command[:4], str(other), *command[4:]], capture_output=True, text=True, env=keys(), check=False
    )
    assert run.returncode == 2
    assert "one owner" in run.stderr
    assert twin.orders_asked() == []
