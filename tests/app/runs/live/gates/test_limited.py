"""A venue that limits requests limits the account: who asked does not matter, entries wait, and exits go on."""

import asyncio

import pytest
from tests.app.runs.live.pushed import has_stop, is_flat, written
from tests.app.runs.live.staged import UNKNOWN, Stage, StillMarket
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


def test_an_exit_goes_on_while_every_question_is_one_too_many(tmp_path):
    market = StillMarket()
    questions = ("GET order", "GET algoOrder", "GET userTrades", "GET time", "GET openOrders", "GET positionRisk")

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        stage.server.answers = dict.fromkeys(questions, TOO_MANY)
        stage.server.is_telling = False
        stage.server.answers["POST order"] = UNKNOWN  # the first attempt of the exit is asked about
        begun_s, calls = stage.world.now_s, len(stage.server.calls)
        market.prices["BTCUSDT"] = 58_000.0
        await stage.until(lambda _: any(call == "POST order" for _, call in stage.server.calls[calls:]), 5.0)
        del stage.server.answers["POST order"]
        await stage.until(lambda _: not stage.truth()["positions"], 4.0)
        assert stage.world.now_s - begun_s < 6.0
        await asyncio.sleep(20.0)
        asked = [call for _, call in stage.server.calls[calls:] if call.startswith("GET ")]
        assert len(asked) < 40, "what is refused for 8 s is not asked again and again"
        stage.server.answers, stage.server.is_telling = {}, True
        await stage.until(is_flat, 30.0)

    Stage(written(tmp_path), market).play(script)
