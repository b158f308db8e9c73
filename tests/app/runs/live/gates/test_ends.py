"""How a session ends when what ends with it does not, and what follows the next start."""

import asyncio
import signal

import pytest
from tests.app.runs.live.pushed import has_stop, written
from tests.app.runs.live.staged import UNKNOWN, Stage, StillMarket
from tests.app.runs.live.trading import keys

UNANSWERED = ("POST order", "GET order", "GET algoOrder", "DELETE algoOrder")


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


def test_an_end_without_positions_says_what_it_waits_for_and_a_second_signal_leaves_it_to_the_next_start(tmp_path):
    market = StillMarket()
    stage = Stage(written(tmp_path), market)

    async def waits(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        stage.server.answers = dict.fromkeys(UNANSWERED, UNKNOWN)
        stage.machine.signal(signal.SIGTERM)
        shown = await stage.until(lambda _: any("the end waits for" in line for line in stage.said), 10.0)
        assert shown["state"] == "STOPPING"
        assert "BTCUSDT" in shown["waits_for"]
        await asyncio.sleep(70.0)
        assert sum("the end waits for the position" in line for line in stage.said) >= 3
        stage.machine.signal(signal.SIGTERM)
        ended = await stage.ended(15.0)
        assert (ended.state, ended.exit_code) == ("STOPPING", 5)
        assert stage.home.sessions()[-1]["state"] == "STOPPING"
        assert stage.truth()["positions"]

    async def goes_on(stage):
        ended = await stage.ended()
        assert (ended.state, ended.exit_code) == ("STOPPED", 0)
        assert stage.truth()["positions"] == []
        assert not has_stop(stage.truth())
        assert len(stage.home.session_names()) == 1

    stage.play(waits, keeps=False)
    stage.server.answers = {}
    stage.play(goes_on)


def test_one_signal_ends_a_session_whose_venue_answers(tmp_path):
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        stage.machine.signal(signal.SIGINT)
        ended = await stage.ended()
        assert (ended.state, ended.exit_code) == ("STOPPED", 130)
        assert (stage.truth()["positions"], has_stop(stage.truth())) == ([], False)
        assert not any("the end waits" in line for line in stage.said)

    Stage(written(tmp_path), market).play(script, keeps=False)
