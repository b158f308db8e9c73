"""A stop whose fill is seen before it is known to be the stop's: its own end comes late, and frees the symbol."""

import asyncio

import pytest
from tests.app.runs.live.pushed import NEAR_STOP, has_stop, is_flat, least_held, written
from tests.app.runs.live.staged import UNKNOWN, Stage, StillMarket
from tests.app.runs.live.trading import differences, keys

LOOK_UPS = ("GET algoOrder", "GET order")


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize("is_told_of_fills", [False, True])
@pytest.mark.parametrize("named", [0, 1])
def test_a_stop_whose_fill_is_listed_long_before_it_is_known_to_be_its_own_frees_its_symbol(
    tmp_path, is_told_of_fills, named
):
    market = StillMarket()

    async def enter(stage):
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))

    async def script(stage):
        server = stage.server
        await stage.ready()
        for _ in range(named):  # the twin names the order of a trigger in two ways, by turns
            await enter(stage)
            market.prices["BTCUSDT"] = 60_000.0
            await stage.until(is_flat)
        await enter(stage)
        server.is_telling = is_told_of_fills
        server.answers = dict.fromkeys(LOOK_UPS, UNKNOWN)
        if is_told_of_fills:
            server.is_left_out = lambda text: "ALGO_UPDATE" in text
        market.prices["BTCUSDT"] = 60_000.0
        await asyncio.sleep(60.0)
        server.answers, server.is_telling, server.is_left_out = {}, True, lambda text: False
        shown = await stage.until(is_flat, 60.0)
        assert shown["foreign"] == []
        assert differences(stage.truth(), stage.view()) == []
        await enter(stage)
        assert least_held(stage.truth()) == 0.0

    Stage(written(tmp_path, *NEAR_STOP), market).play(script)


def test_a_stop_that_is_refused_at_its_trigger_in_silence_is_an_exit_at_market_within_5_s(tmp_path):
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        stage.server.is_telling = False
        stage.fault(kind="stop_refused_at_trigger", count=1)
        market.prices["BTCUSDT"] = 60_000.0
        await stage.until(lambda shown: not has_stop(stage.truth()))
        await stage.until(lambda shown: not stage.truth()["positions"], 5.0)
        stage.server.is_telling = True
        await stage.until(is_flat, 60.0)
        assert differences(stage.truth(), stage.view()) == []

    Stage(written(tmp_path, *NEAR_STOP), market).play(script)
