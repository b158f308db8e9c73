"""``tightloop up`` as a user has it: processes that are killed and come again, sessions that do not notice."""

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from websockets.sync.client import connect

from tightloop.app.cli.commands.up import up

pytestmark = [pytest.mark.skipif(sys.platform == "win32", reason="sockets and signals of Unix"), pytest.mark.slow]
STRATEGIES = Path(__file__).resolve().parents[4] / "strategies" / "live"
PASSWORD = "canary seven otters"
VENUE_KEY, VENUE_SECRET = "canary-key-83b1", "canary-secret-27fd"
WAIT_S = 60.0


def until(found, what):
    """Wait until something is found."""
    ends = time.monotonic() + WAIT_S
    while time.monotonic() < ends:
        with contextlib.suppress(httpx.HTTPError, OSError, KeyError, ValueError):
            if seen := found():
                return seen
        time.sleep(0.05)
    raise AssertionError(f"in {WAIT_S:g} s there was not: {what}")


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return (
        "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if Path("/proc").exists()
        else True
    )


class Platform:
    """The command, a twin of an exchange, and a browser."""

    def __init__(self, folder):
        self.home = folder / "home"
        self._log = folder / "up.log"
        self._twin = subprocess.Popen(
            [sys.executable, "-m", "tightloop.app.cli.main", "sandbox", "--venue", "binance-usdm", "--port", "0"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._url = re.search(r"http://[\d.:]+", self._twin.stdout.readline())[0]
        self.port = "0"
        self.begin()
        self.port = re.search(r"tightloop is at http://127.0.0.1:(\d+)", self.said())[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60.0)
        self.csrf = ""

    def begin(self):
        keys = {"TIGHTLOOP_BINANCE_USDM_KEY": VENUE_KEY, "TIGHTLOOP_BINANCE_USDM_SECRET": VENUE_SECRET}
        said = ["--home", str(self.home), "--port", self.port, "--strategies", str(STRATEGIES)]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tightloop.app.cli.main", "up", *said, "--venue", f"binance-usdm={self._url}"],
                stdout=log, stderr=log, env={**os.environ, **keys},
            )  # fmt: skip
        until(lambda: "tightloop is at" in self.said(), "an address")

    def said(self):
        return self._log.read_text()

    def pid(self, lease):
        return json.loads((self.home / "leases" / f"{lease}.json").read_text())["pid"]

    def get(self, path):
        found = self.client.get(f"/api/v1/{path}")
        assert found.status_code == 200, found.text
        return found.json()

    def ask(self, method, path, body=None, key=None):
        headers = {"X-CSRF-Token": self.csrf, "Idempotency-Key": key or secrets.token_hex(8)}
        return self.client.request(method, f"/api/v1/{path}", json=body, headers=headers)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(90)
        self._twin.kill()
        self._twin.wait()
        self._twin.stdout.close()
        self.client.close()
        return code


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    found = Platform(tmp_path_factory.mktemp("up"))
    yield found
    if found.process.poll() is None:
        found.end()


@pytest.fixture(scope="module")
def session(platform):
    """Set up, sign in, start a session: what a new user does."""
    assert platform.client.get("/api/v1/orders").json()["code"] == "not_set_up"
    code = re.search(r"/setup#(\S+)", platform.said())[1]
    made = platform.ask("POST", "auth/setup", {"code": code, "name": "boss", "password": PASSWORD})
    assert made.status_code == 200, made.text
    platform.csrf = made.json()["csrf"]
    wanted = platform.get("sessions/defaults")
    assert (wanted["strategies"], wanted["venue"]) == (["first_paper"], "binance-usdm")
    key = secrets.token_hex(8)
    first, again = (platform.ask("POST", "sessions", wanted, key) for _ in range(2))
    assert first.status_code == again.status_code == 201, first.text
    assert first.json() == again.json()
    other = platform.ask("POST", "sessions", wanted).json()
    assert (other["session_id"], other["note"]) == (first.json()["session_id"], "it runs already")
    assert len(platform.get("sessions")["items"]) == 1
    return first.json()["session_id"]


def row(platform, session):
    return platform.get(f"sessions/{session}")


def test_a_session_that_was_started_trades_and_says_why(platform, session):
    until(lambda: row(platform, session)["state"] == "RUNNING", "a running session")
    signal_row = until(lambda: platform.get(f"signals?session={session}&section=Z1&event=fired")["items"], "an entry")[
        0
    ]
    why = platform.get(f"signals/{signal_row['id']}")
    assert why["signal"]["section"] == "Z1"
    fill = until(lambda: platform.get(f"fills?session={session}")["items"], "a fill")[-1]
    assert float(fill["qty"]) > 0
    assert row(platform, session)["strategy_refs"] == ["first_paper@1"]


def test_the_websocket_says_the_same_as_the_routes(platform, session):
    cookie = "; ".join(f"{one.name}={one.value}" for one in platform.client.cookies.jar)
    origin = f"http://127.0.0.1:{platform.port}"
    with connect(
        f"ws://127.0.0.1:{platform.port}/ws", origin=origin, additional_headers={"Cookie": cookie}, proxy=None
    ) as socket:
        assert not socket.protocol.extensions, "nothing is compressed"
        streams = [{"stream": "fills"}, {"stream": f"values/{session}"}]
        socket.send(json.dumps({"type": "subscribe", "streams": streams}))
        fills, values, place = {}, {}, None
        ends = time.monotonic() + WAIT_S
        while time.monotonic() < ends and not (len(fills) >= 3 and "equity" in values and place):
            message = json.loads(socket.recv(timeout=WAIT_S))
            if message["type"] == "snapshot":
                fills, place = {one["id"]: one for one in message["state"]["fills"]}, message["seq"]
            elif message["type"] == "delta":
                fills |= {change["id"]: change["row"] for change in message["changes"]}
            elif message["type"] == "values":
                values |= {entry["key"]: entry["value"] for entry in message["entries"]}
    assert float(values["equity"]) > 0
    served = {one["id"]: one for one in platform.get(f"fills?session={session}&limit=200")["items"]}
    assert fills
    assert fills == {name: served[name] for name in fills}


def test_a_gateway_that_is_killed_comes_again_and_the_session_does_not_notice(platform, session):
    engine, gateway = row(platform, session)["pid"], platform.pid("gateway")
    os.kill(gateway, signal.SIGKILL)
    found = until(lambda: platform.pid("gateway") != gateway and row(platform, session), "another gateway")
    assert found["pid"] == engine
    assert is_alive(engine)
    until(lambda: row(platform, session)["is_answering"], "an answer of the session")


def test_a_supervisor_that_is_killed_leaves_the_session_and_the_next_adopts_it(platform, session):
    engine, gateway = row(platform, session)["pid"], platform.pid("gateway")
    platform.process.kill()
    platform.process.wait()
    assert is_alive(engine)
    assert row(platform, session)["pid"] == engine, "the gateway goes on, too"
    refused = platform.ask("POST", "sessions", platform.get("sessions/defaults"))
    assert (refused.status_code, refused.json()["code"]) == (503, "no_supervisor")
    platform.begin()
    assert f"adopted: {session}" in platform.said()
    assert not is_alive(gateway)
    found = until(lambda: row(platform, session), "the session")
    assert found["pid"] == engine
    assert platform.get("auth/me")["name"] == "boss", "who was signed in still is"


def test_a_second_supervisor_of_a_home_is_refused(platform, session):
    found = CliRunner().invoke(up, ["--home", str(platform.home), "--port", "0"])
    assert found.exit_code == 3
    assert "runs already" in found.output


def test_a_session_that_does_not_answer_is_told_as_that_and_a_repeat_gets_the_truth(platform, session):
    engine, key = until(lambda: row(platform, session)["pid"], "a process"), secrets.token_hex(8)
    os.kill(engine, signal.SIGSTOP)
    try:
        found = platform.ask("POST", f"sessions/{session}/pause", key=key)
        assert (found.status_code, found.json()["code"]) == (503, "outcome_unknown")
        until(lambda: not row(platform, session)["is_answering"], "that it does not answer")
        assert row(platform, session)["state"] == "RUNNING", "nobody has said anything else"
        parts = {one["name"]: one["state"] for one in platform.get("system/components")["items"]}
        assert parts[session] == "degraded"
    finally:
        os.kill(engine, signal.SIGCONT)
    again = until(
        lambda: (one := platform.ask("POST", f"sessions/{session}/pause", key=key)).is_success and one, "an answer"
    )
    assert again.json()["outcome"] == "done"
    until(lambda: row(platform, session)["state"] == "PAUSED", "a pause")
    assert platform.ask("POST", f"sessions/{session}/resume").status_code == 200
    until(lambda: row(platform, session)["state"] == "RUNNING", "entries again")


def test_the_gateway_has_no_key_of_a_venue_and_the_engine_has(platform, session):
    if not Path("/proc").exists():
        pytest.skip("processes show their environment under /proc alone")
    secret = VENUE_SECRET.encode()
    assert secret in Path(f"/proc/{row(platform, session)['pid']}/environ").read_bytes()
    assert secret not in Path(f"/proc/{platform.pid('gateway')}/environ").read_bytes()


def test_the_kill_switch_closes_positions_and_holds(platform, session):
    until(lambda: platform.get(f"sessions/{session}/status")["positions"], "a position")
    done = platform.ask("PUT", "risk/kill-switch", {"reason": "a drill"})
    assert done.status_code == 200, done.text
    assert done.json()["told"] == [session]
    until(lambda: not platform.get(f"sessions/{session}/status")["positions"], "a flat session")
    assert platform.get("risk/kill-switch")["engaged"] == ["all"]
    assert all(one["is_killed"] for one in platform.get(f"sessions/{session}/status")["instances"])
    assert platform.ask("POST", "auth/confirm", {"password": PASSWORD}).status_code == 200
    assert platform.ask("POST", "risk/rearm", {}).status_code == 200
    assert platform.get("risk/kill-switch")["engaged"] == []


def test_what_was_asked_stands_in_the_journal_by_the_name_of_who_asked(platform, session):
    command = ["-m", "tightloop.app.cli.main", "session", "why", session, "--home", str(platform.home), "--json"]

    def asked():
        done = subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True)
        rows = {(one["who"], one["command"]) for one in json.loads(done.stdout)["controls"]}
        return rows >= {("boss", "pause"), ("boss", "resume"), ("boss", "kill")}

    assert until(asked, "the requests")


def test_ctrl_c_ends_all_in_order_and_no_secret_is_left_anywhere(platform, session):
    engine, gateway = row(platform, session)["pid"], platform.pid("gateway")
    tokens = [one.value for one in platform.client.cookies.jar]
    code = platform.end()
    assert code in (0, 5), platform.said()
    assert not is_alive(engine)
    assert not is_alive(gateway)
    about = json.loads((platform.home / "sessions" / session / "session.json").read_text())
    assert about["state"] == "STOPPED"
    written = [path for path in platform.home.rglob("*") if path.is_file()]
    assert any(path.name == "gateway.log" for path in written)
    for path in written:
        content = path.read_bytes()
        for secret in (PASSWORD, VENUE_KEY, VENUE_SECRET, platform.csrf, *tokens):
            assert secret.encode() not in content, (path, secret[:8])


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[up.callback.__module__], "PACKAGES", ("json", "no_such_package"))
    found = CliRunner().invoke(up, ["--home", str(tmp_path / "home")])
    assert found.exit_code == 2
    assert "no_such_package" in found.output
    assert "tightloop[web]" in found.output
    assert "json" not in found.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "--cert"),
        (["--cert", "a.pem"], "--cert-key"),
        (["--port", "70000"], "--port"),
        (["--for", "soon"], "--for"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path, arguments, said):
    found = CliRunner().invoke(up, ["--home", str(tmp_path / "home"), *arguments])
    assert found.exit_code == 2
    assert said in found.output
