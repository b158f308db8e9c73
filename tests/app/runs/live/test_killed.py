"""Sessions that were killed and go on, in virtual time: what they may do before they know what the venue has."""

import asyncio

import pytest
from tests.app.runs.live.staged import UNKNOWN, Stage
from tests.app.runs.live.trading import keys

from tightloop.ports.transport import HttpAnswer

TIMERS = """
class Timers:
    def on_start(self, view):
        view.set_timer(5)

    def on_save(self):
        return {}

    def on_load(self, saved):
        pass

    def on_timer(self, view):
        view.set_timer(5)
        if view.position() == 0.0:
            view.buy(notional=500, stop_loss_pct=5)
"""
FILE = """
name: timers
family: python
class: timers.py:Timers
instruments: ["binance:BTCUSDT-perp"]
feed: [trades, quotes]
capital: 8_000
costs: {taker_bps: 5, maker_bps: 2}
latency: {submit_ms: 5, cancel_ms: 5, response_ms: 5, clock: receive}
"""
RULES_ARE_OLD = HttpAnswer(400, {}, b'{"code":-1111,"msg":"Precision is over the maximum defined for this asset."}')


@pytest.fixture
def file(monkeypatch, tmp_path):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)
    (tmp_path / "timers.py").write_text(TIMERS)
    path = tmp_path / "timers.yaml"
    path.write_text(FILE)
    return path


def entries(stage):
    return [one for one in stage.asks() if one["lane"] == "ENTRY"]


def test_a_timer_that_was_due_while_there_was_no_process_enters_nothing_before_the_session_is_ready(file):
    stage = Stage(file)

    async def until_it_is_ready(stage):
        await stage.ready()

    stage.play(until_it_is_ready)
    assert entries(stage) == []
    stage.world.pass_time(20.0)
    stage.server.answers["GET openOrders"] = UNKNOWN  # so it cannot be ready

    async def before_it_is_ready(stage):
        await stage.until(lambda shown: shown["facts"] > 100)
        await asyncio.sleep(8.0)
        assert not stage.view()["is_ready"]
        assert entries(stage) == []
        stage.server.answers.clear()
        await stage.until(lambda shown: shown["positions"])

    stage.play(before_it_is_ready)
    assert len(entries(stage)) == 1


def test_an_answer_that_says_that_rules_are_old_is_taken_up_by_the_next_process(file):
    """The process dies at each operation of its disk after the answer has come, so also before it is a fact."""
    for operations in range(6):
        stage = Stage(file)

        async def until_it_enters(stage):
            await stage.ready()
            stage.server.answers["POST order"] = RULES_ARE_OLD
            await stage.called("POST order")

        stage.fall(until_it_enters, operations)
        stage.world.pass_time(1.0)
        stage.server.answers.clear()

        async def until_it_trades(stage):
            await stage.until(lambda shown: shown["positions"])

        stage.play(until_it_trades)
