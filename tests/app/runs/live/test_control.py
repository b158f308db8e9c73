"""The socket of a session: whatever is sent to it is answered, and nothing sent to it can end the session."""

import asyncio
import json
import tempfile
from pathlib import Path

import pytest
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told, begun, plan_of, pumped, run

from tightloop.app.runs.live import control
from tightloop.runtime.session.driver.operator import Operator

NO_REQUESTS = {
    "a scope that is a number": b'{"what": "kill", "scope": 5}',
    "a key that is a list": b'{"what": "pause", "key": ["a"]}',
    "a strategy by a digit of another script": '{"what": "kill", "scope": "strategy:²"}'.encode(),
    "deeply nested": b"[" * 200_000,
    "no text": b"\xff\xfe",
    "a line without an end in sight": b"x" * (control.LINE_BYTES_MAX + 10),
    "keep as a text": b'{"what": "stop", "keep": "false"}',
    "nothing": b"",
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    market = pumped(tmp_path_factory.mktemp("ticks"))
    world = Told(facts_of(market[0], plan_of(market)))
    session, _ = begun(market, tmp_path_factory.mktemp("session"), world)
    run(session, world, 37)
    return session


@pytest.mark.parametrize("line", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_what_is_no_request_is_answered_and_is_no_error_of_the_session(line, session):
    called = []
    operator = Operator(session, session.journal, called.append, lambda: called.append("stop"))

    async def answered():
        errors = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        with tempfile.TemporaryDirectory() as folder:  # a socket's path is short
            path = Path(folder) / "one.sock"
            server = await control.serve(path, operator, dict)
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(line + b"\n")
            answer = json.loads(await reader.readline())
            await asyncio.sleep(0)
            writer.close()
            server.close()
        return answer, errors

    answer, errors = asyncio.run(answered())
    assert "error" in answer
    assert (errors, called, len(session.intake)) == ([], [], 0)
