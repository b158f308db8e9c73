"""What a supervisor does with requests and records that are wrong: it answers, and goes on."""

import dataclasses
import json
import os
import secrets

import pytest

from tightloop.adapters.stores.home import Home, Lease
from tightloop.app.api import starts
from tightloop.app.api.children import Engines
from tightloop.app.api.settings import GatewaySettings
from tightloop.app.api.strategies.files import StrategyFiles

START = starts.Start(
    mode="live", strategies=(("one", 1),), venue="binance-usdm", instruments=(), account=None, on_exit="keep",
    login="main", confirm="TRADE main", override_paper=None, who="boss",
)  # fmt: skip
CODE = "name: abc\nfamily: signal\nset: {family: python, class: 'x.py:X'}\n"
FLOWS = "name: abc\nfamily: carry\nflows: /etc/hostname\n"


@pytest.fixture
def home(tmp_path):
    found = Home(tmp_path)
    found.make()
    return found


@pytest.fixture
def engines(home):
    settings = GatewaySettings(home=home.root, venues={"binance-usdm": None}, is_live_enabled=True)
    return Engines(home, settings, lambda _: None)


def _request(home, **changes):
    """Ask as a gateway could that somebody has broken into; return the name of the answer's file."""
    name = secrets.token_hex(12)
    said = {**dataclasses.asdict(START), **changes}
    (starts.folder_of(home.root) / f"{name}.json").write_text(json.dumps(said))
    return name


def _answer(home, name):
    return json.loads((starts.folder_of(home.root) / f"{name}{starts.ANSWER}").read_text())


@pytest.mark.parametrize(
    "changes",
    [
        {"override_paper": "\0"}, {"override_paper": "a\nb"}, {"override_paper": "\ud800"}, {"confirm": "\0"},
        {"login": "--home"}, {"login": "\0"}, {"account": "/etc/hostname"}, {"instruments": ["--home"]},
        {"instruments": ["\0"]}, {"venue": ["binance-usdm"]}, {"venue": "\0"}, {"mode": "replay"}, {"on_exit": "--"},
        {"strategies": [["../one", 1]]}, {"strategies": [["one", -1]]}, {"strategies": [["\0", 1]]},
        {"strategies": []}, {"who": "a\nb"}, {"who": 1.5, "login": {}},
    ],
    ids=str,
)  # fmt: skip
def test_a_request_that_no_gateway_sends_is_refused_and_nothing_starts(home, engines, changes):
    StrategyFiles(home.root).write("one", "name: abc\nfamily: signal\n", 1)
    name = _request(home, **changes)
    engines.advance()
    assert _answer(home, name)["error"]
    assert not (starts.folder_of(home.root) / name / "start.log").exists()


@pytest.mark.parametrize("text", [CODE, FLOWS, "extends: x.yaml\n", "[" * 100_000, "a: &a [1]\nb: *a\n"])
def test_a_strategy_is_checked_again_before_its_session_starts(home, engines, text):
    StrategyFiles(home.root).write("one", text, 1)
    name = _request(home)
    engines.advance()
    assert "one@1.yaml" in _answer(home, name)["error"]
    assert not list((starts.folder_of(home.root) / name).iterdir())


def test_a_strategy_that_is_not_text_is_refused(home, engines):
    StrategyFiles(home.root).write("one", "a", 1)
    StrategyFiles(home.root).file("one", 1).write_bytes(b"\xff\xfe")
    name = _request(home)
    engines.advance()
    assert _answer(home, name)["error"]


@pytest.mark.parametrize("said", ["", "[]", "1", '{"mode": "live"}', "[" * 100_000, "\0"])
def test_a_request_that_cannot_be_read_is_removed(home, engines, said):
    file = starts.folder_of(home.root) / "one.json"
    file.write_text(said)
    engines.advance()
    assert not file.exists()


@pytest.mark.parametrize(
    "kept",
    [
        {"paper-gone": 1}, {"../../etc": 1}, {"\0": 1}, {"x" * 5_000: 1}, {"paper-damaged": 1}, {"paper-list": 1},
        {"paper-empty": 1}, {"paper-odd": 1}, {"paper-gone": [1]}, {"paper-gone": None}, [], 1, "x",
    ],
    ids=lambda kept: str(kept)[:30],
)  # fmt: skip
def test_a_record_of_sessions_that_are_not_there_keeps_nothing_from_starting(home, engines, kept):
    texts = {"damaged": "{", "list": "[]", "empty": "{}", "odd": '{"lease": [1]}'}
    for name, text in texts.items():
        home.folder(f"paper-{name}").mkdir()
        (home.folder(f"paper-{name}") / "session.json").write_text(text)
    (home.root / "run" / "up.json").write_text(json.dumps(kept))
    assert engines.adopt() == []
    assert json.loads((home.root / "run" / "up.json").read_text()) == {}


def test_a_lease_counts_only_while_it_is_held(home, engines):
    row = {"session": "paper-1", "pid": os.getpid(), "boot_id": "", "epoch": 1, "since_ns": 0}
    (home.root / "leases" / "of-a-dead-one.json").write_text(json.dumps(row))
    (home.root / "leases" / "odd.json").write_text("[]")
    assert engines._session_of(os.getpid()) is None
    lease = home.take("binance")
    assert isinstance(lease, Lease)
    lease.write("paper-2", 1)
    assert engines._session_of(os.getpid()) == "paper-2"
    lease.close()
    assert engines._session_of(os.getpid()) is None
