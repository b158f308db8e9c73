"""Sessions of a home as the gateway sees them: files that are none, sockets that say nothing or something odd."""

import asyncio
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from tests.app.api.served import SESSION, Served

ABOUT = {
    "mode": "paper", "state": "RUNNING", "venue": "binance-usdm", "url": None, "lease": "paper-a", "made_ns": 7,
    "rules": {"binance:BTCUSDT-perp": {}}, "strategies": ["a.yaml"], "names": ["a"], "config_hash": ["0"],
    "engine_version": "0", "id": SESSION,
}  # fmt: skip


@pytest.fixture
def served():
    folder = Path(tempfile.mkdtemp())  # a socket's path is short
    with Served(folder) as found:
        yield found
    shutil.rmtree(folder)


def write(served, about, name=SESSION):
    file = served.home / "sessions" / name / "session.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(about if isinstance(about, str) else json.dumps(about))


def answering(served, line):
    """Listen at the session's socket; answer every request with a line, None: never."""

    async def answer(reader, writer):
        await reader.readline()
        if line is not None:
            writer.write(line)
            await writer.drain()
            writer.close()

    return served.run(asyncio.start_unix_server(answer, str(served.home / "run" / f"{SESSION}.sock")))


def ended(served, server):
    server.close()
    served.run(server.wait_closed())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"id": "x"}', "[" * 5_000])
def test_a_file_that_is_no_session_is_left_out_and_breaks_nothing(served, text):
    write(served, ABOUT)
    write(served, text, "paper-odd")
    viewer = served.browser("viewer")
    assert [row["id"] for row in viewer.get("sessions").json()["items"]] == [SESSION]
    assert viewer.code("GET", "sessions/paper-odd") == "not_found"
    assert viewer.get("system/components").status_code == 200


def test_a_session_whose_process_is_gone_is_killed_and_is_asked_for_nothing(served):
    write(served, ABOUT)
    served.run(served.parts.link.look())
    trader = served.browser("trader")
    row = trader.get(f"sessions/{SESSION}").json()
    assert (row["state"], row["is_answering"], row["pid"]) == ("KILLED", False, None)
    assert trader.code("POST", f"sessions/{SESSION}/pause") == "conflict"


@pytest.mark.parametrize("line", [b"no json\n", b"[]\n", b"\n", b""])
def test_an_answer_that_is_none_is_not_known_and_never_taken_for_done(served, line):
    write(served, ABOUT)
    server = answering(served, line)
    assert served.browser("trader").code("POST", f"sessions/{SESSION}/pause") == "outcome_unknown"
    ended(served, server)


def test_what_a_session_refuses_is_told_in_its_words(served):
    write(served, ABOUT)
    server = answering(served, b'{"error": "there is no symbol X"}\n')
    found = served.browser("trader").ask("POST", f"sessions/{SESSION}/pause")
    assert (found.status_code, found.json()["detail"]) == (422, "there is no symbol X")
    ended(served, server)


def test_a_trader_asks_nothing_of_a_session_with_money(served):
    write(served, {**ABOUT, "mode": "live"})
    server = answering(served, b'{"outcome": "done"}\n')
    trader, operator = served.browser("trader"), served.browser("operator")
    for what in ("pause", "resume", "stop"):
        body = {} if what == "stop" else None
        assert trader.code("POST", f"sessions/{SESSION}/{what}", body) == "role_missing"
        assert operator.ask("POST", f"sessions/{SESSION}/{what}", body).status_code == 200
    assert trader.code("PUT", "risk/kill-switch", {}) == "role_missing"
    assert operator.ask("PUT", "risk/kill-switch", {}).status_code == 200
    ended(served, server)


def test_a_live_start_needs_the_role_the_command_and_the_words(served, tmp_path):
    start = {"mode": "live", "strategies": ["one"], "venue": "binance-usdm"}
    assert served.browser("trader").code("POST", "sessions", start) == "role_missing"
    assert served.browser("operator").code("POST", "sessions", start) == "live_not_enabled"
    with Served(tmp_path, is_live_enabled=True) as enabled:
        operator = enabled.browser("operator")
        for words in (None, "trade main", "TRADE other"):
            assert operator.code("POST", "sessions", {**start, "confirm": words}) == "refused"
        key = operator.ask("POST", "auth/keys", {"name": "bot", "role": "operator"}).json()["key"]
        said = {**start, "confirm": "TRADE main"}
        assert enabled.browser(key=key).code("POST", "sessions", said) == "password_needed"
        assert operator.code("POST", "sessions", {**said, "venue": "evil"}) == "invalid"
