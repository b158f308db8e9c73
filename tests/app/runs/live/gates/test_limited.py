"""A venue that limits requests limits the account: who asked does not matter, entries wait, and exits go on."""

import asyncio

import pytest
from tests.app.runs.live.pushed import has_stop, is_flat, written
from tests.app.runs.live.staged import Stage, StillMarket
from tests.app.runs.live.trading import keys

from sim.virtual.machine import SECOND_NS, START_NS
from tightloop.ports.transport import HttpAnswer

TOO_MANY = HttpAnswer(429, {"retry-after": "8"}, b'{"code":-1003,"msg":"Too many requests."}')


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize("question", ["GET positionRisk", "GET openOrders", "GET exchangeInfo"])
def test_a_question_that_was_one_too_many_holds_entries_and_questions_and_no_exit(tmp_path, question):
    market = StillMarket()

    async def limited(stage):
        """Have a question refused; return when."""
        before = len(stage.said)
        stage.server.answers = {question: TOO_MANY}
        if question == "GET exchangeInfo":
            stage.run._rules.soon.set()
        await stage.until(lambda _: any("limits requests" in line for line in stage.said[before:]), 20.0)
        stage.server.answers = {}
        return stage.world.now_s

    async def script(stage):
        await stage.ready()
        begun_s = await limited(stage)
        asked = len(stage.asks())
        market.prices["BTCUSDT"] = 63_000.0
        await asyncio.sleep(begun_s + 7.5 - stage.world.now_s)
        assert stage.asks()[asked:] == []
        first = (begun_s + 0.5) * SECOND_NS + START_NS
        assert [call for at_ns, call in stage.server.calls if first < at_ns] == []
        shown = await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()), 10.0)
        assert shown["unknown"] == []
        begun_s = await limited(stage)
        market.prices["BTCUSDT"] = 58_000.0
        await stage.until(is_flat, 3.0)
        assert stage.world.now_s - begun_s < 3.0
        assert stage.truth()["positions"] == []

    Stage(written(tmp_path), market).play(script)
