"""The secret of a key is in no file, no record, no message and no exception, whatever goes wrong."""

import asyncio
import json
import signal
import subprocess
import traceback
import zlib
from pathlib import Path

import pytest
from tests.app.runs.live.pushed import UP, Pushed, has_stop, is_flat, push, written
from tests.app.runs.live.staged import Stage, StillMarket
from tests.app.runs.live.trading import TIGHTLOOP, Twin, keys

from sim.virtual.twin import SECRET
from tightloop.adapters.venues import binance_usdm
from tightloop.app.runs.live import files
from tightloop.app.runs.live.account.client import credentials_of
from tightloop.app.runs.live.venues import VenueUnreachable
from tightloop.ports.execution import ReadWallet
from tightloop.ports.transport import HttpAnswer
from tightloop.runtime.session.journal import records

REFUSED = HttpAnswer(400, {}, b'{"code":-1022,"msg":"Signature for this request is not valid."}')


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


def texts_of(payload):
    """Yield the bytes of a record, as they are and decompressed wherever something compressed may begin."""
    yield payload
    for at in range(min(len(payload), 64)):
        if payload[at : at + 1] == b"\x78":
            try:
                yield zlib.decompress(payload[at:])
            except zlib.error:
                continue


def with_locals(error):
    """Return all that a report of an exception may say: each frame with its variables."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def test_a_session_that_trades_and_is_refused_writes_and_says_no_secret_and_no_signature(tmp_path):
    market = StillMarket()
    stage = Stage(written(tmp_path), market)

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        stage.server.answers = dict.fromkeys(("POST order", "GET order", "GET account", "GET openOrders"), REFUSED)
        market.prices["BTCUSDT"] = 58_000.0
        await asyncio.sleep(20.0)
        stage.server.answers = {}
        await stage.until(is_flat)
        shown = json.dumps(stage.view())
        assert SECRET not in shown

    stage.play(script)
    (disk,) = stage.home.disks.values()
    texts = [text for record in records(disk, files.JOURNAL) for text in texts_of(record.payload)]
    assert any(b"/fapi/v1/order" in text for text in texts), "requests are written"
    for text in texts:
        assert SECRET.encode() not in text
        assert b"signature=" not in text
    assert SECRET not in "\n".join(stage.said)
    for lines in stage.home.logs.values():
        assert SECRET not in "\n".join(lines)
    assert SECRET not in "".join(stage.home.about.values())


def test_a_start_that_fails_raises_no_secret_even_with_the_variables_of_each_frame(tmp_path):
    stage = Stage(written(tmp_path))
    stage.server.answers = {"GET balance": REFUSED}

    async def script(stage):
        await asyncio.sleep(60.0)

    with pytest.raises(VenueUnreachable) as error:
        stage.play(script)
    said = with_locals(error.value)
    assert "credentials" in said, "frames with a key are among them"
    assert SECRET not in said


def test_what_holds_a_secret_does_not_show_it():
    credentials = credentials_of("binance-usdm", "main")
    assert credentials.secret == SECRET
    call = binance_usdm.BinanceUsdm().encode(ReadWallet(), 1, credentials)
    for one in (credentials, call, [credentials], {"key": call}):
        assert SECRET not in f"{one} {one!r} {one!s:>300}"
        assert "signature=" not in f"{one!r}"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the list of processes is read from /proc")
def test_a_process_that_crashes_leaves_no_secret_in_its_home_its_dump_and_the_list_of_processes(tmp_path, monkeypatch):
    twin = Twin("1")
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    session = Pushed(tmp_path / "h", twin, written(tmp_path))
    try:
        session.ready()
        push(twin, UP)
        session.wait(lambda shown: shown["positions"])
        listed = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.is_file()]
        assert any(b"--enable-live" in line for line in listed)
        for line in listed:
            assert SECRET.encode() not in line
        session.process.send_signal(signal.SIGABRT)
        session.end()
        said = "\n".join(session.said)
        assert "Fatal Python error: Aborted" in said
        assert SECRET not in said
        for command in (("session", "show", "last"), ("session", "why", "last"), ("journal", "dump", "last")):
            run = subprocess.run(
                [*TIGHTLOOP, *command, "--home", str(tmp_path / "h")], capture_output=True, text=True, env=keys(),
                check=False,
            )  # fmt: skip
            assert SECRET not in run.stdout + run.stderr
        run = subprocess.run([*TIGHTLOOP, "live", "--help"], capture_output=True, text=True, env=keys(), check=True)
        assert SECRET not in run.stdout + run.stderr
        for path in (tmp_path / "h").rglob("*"):
            if path.is_file():
                assert SECRET.encode() not in path.read_bytes(), path
    finally:
        session.kill()
        twin.close()
