"""Entries that wait for a venue which takes none yet, while entries are switched off: they never leave."""

import asyncio

import pytest
from tests.app.runs.live.pushed import NEAR_STOP, has_stop, written
from tests.app.runs.live.staged import Stage, StillMarket
from tests.app.runs.live.trading import differences, keys

from tightloop.ports.transport import HttpAnswer
from tightloop.runtime.session.driver.operator import OperatorRequest

LIMITED = HttpAnswer(429, {"retry-after": "3"}, b'{"code":-1003,"msg":"Too many requests."}')


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


def pause(stage):
    stage.run._operator.take(OperatorRequest(what="pause"))


def kill(stage):
    stage.run._operator.take(OperatorRequest(what="kill"))


def refuse(stage):
    stage.run._stop_entries("a test")


def stop(stage):
    stage.run._operator.take(OperatorRequest(what="stop"))
    stage.is_ending = True


@pytest.mark.parametrize("switch_off", [pause, kill, refuse, stop])
def test_an_entry_that_waits_does_not_leave_once_entries_are_off(tmp_path, switch_off):
    market = StillMarket()

    async def script(stage):
        server = stage.server
        await stage.ready()
        server.answers = {"POST order": LIMITED}
        market.prices["BTCUSDT"] = 63_000.0
        await stage.called("POST order")
        await asyncio.sleep(0.2)
        assert len(stage.view()["orders"]) == 1
        server.answers = {}
        sent = [call for _, call in server.calls].count("POST order")
        switch_off(stage)
        await asyncio.sleep(0.5)
        assert stage.run._account.fold.desk.state.open_ids == []
        await asyncio.sleep(8.0)
        assert [call for _, call in server.calls].count("POST order") == sent
        assert stage.truth()["positions"] == []

    Stage(written(tmp_path, *NEAR_STOP), market).play(script)


def test_an_exit_that_waits_leaves_though_the_session_is_paused(tmp_path):
    market = StillMarket()

    async def script(stage):
        server = stage.server
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        server.answers = {"POST order": LIMITED}
        called = asyncio.get_running_loop().create_task(stage.called("POST order"))
        kill(stage)
        await called
        server.answers = {}
        pause(stage)
        await stage.until(lambda shown: not shown["positions"] and not shown["orders"], 8.0)
        assert differences(stage.truth(), stage.view()) == []

    Stage(written(tmp_path, *NEAR_STOP), market).play(script)
